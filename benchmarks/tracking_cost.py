"""What tracking costs: training with it and without, and the background time of 200 whole trials.

    python -m benchmarks.tracking_cost                 # about ten minutes, on two CPUs or more
    python -m benchmarks.tracking_cost --json
    python -m benchmarks.tracking_cost --pairs 1 --epochs 4 --trials 10 --stock-trials 1

Training: pairs of runs of the same trials on the synthetic data, two at once, one run with MLflow
on sqlite and one without, which of them first in turn. What counts is the seconds of an epoch in
the workers, and the seconds of the whole run for each epoch, while both trials train and without
the first epoch of each; on fewer than 40 epochs there is no verdict. Recording: complete trials of
30 epochs, with predictions of 229 clips, are told as fast as the recorder takes them, and waited
for; how long the teller waited is told apart. Stock: Ray's own MLflowLoggerCallback on sqlite,
given the same reports, on the driver's thread.
"""

import statistics
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.measurement import Measurement, Record, benchmark_parser, tell
from benchmarks.recording import Recording, record, stock_ms_per_report
from benchmarks.same_trials import SameTrials, checkpoints_in, train_together
from benchmarks.simulated_driver import recorder_on_sqlite
from dlf.data import prepare_dataset
from dlf.text.source import TextSource
from search.cluster.ray_session import ray_session
from search.recording.kept_results import KeptResults
from search.resources.allotment import Resources
from search.trial.data import TrialData
from tracking.recorder import Recorder, Recorders
from tracking.records import Ending, Summary
from tracking.study_files import StudyFiles

AT_ONCE = 2
"""trials that train"""
REQUIRED_SHARE = 0.02
VERDICT_EPOCHS = 40
"""of each training, at least, for a verdict on the share"""
REQUIRED_SECONDS, REQUIRED_TRIALS = 60.0, 200


class Training(Record):
    """Seconds of an epoch."""

    epoch: float
    """in its worker"""
    whole: float
    """of the whole run while both trials train, times the trials at once"""


class Pair(Record):
    """The same trials without tracking and with it."""

    off: Training
    on: Training

    @property
    def epoch_slower_by(self) -> float:
        """The share by which tracking slows an epoch in its worker."""
        return self.on.epoch / self.off.epoch - 1

    @property
    def whole_slower_by(self) -> float:
        """The share by which tracking slows the whole run, for each epoch."""
        return self.on.whole / self.off.whole - 1


class TrackingCost(Measurement):
    """What tracking costs."""

    epochs: int
    """of each training"""
    pairs: Sequence[Pair]
    recording: Recording
    stock_ms_per_report: float
    """for which Ray's own callback holds the driver up"""
    required_share: float = REQUIRED_SHARE
    required_seconds: float = REQUIRED_SECONDS

    @property
    def epoch_slower_by(self) -> float:
        """The median over the pairs."""
        return statistics.median(pair.epoch_slower_by for pair in self.pairs)

    @property
    def whole_slower_by(self) -> float:
        """The median over the pairs."""
        return statistics.median(pair.whole_slower_by for pair in self.pairs)

    def lines(self) -> Iterator[str]:
        """Yield the pairs, then what recording took."""
        yield "with tracking against without, a pair each:"
        for pair in self.pairs:
            yield (
                f"  an epoch {pair.off.epoch:.3f} s without, {pair.on.epoch:.3f} s with: "
                f"{pair.epoch_slower_by:+.1%}; the whole run for each epoch "
                f"{pair.whole_slower_by:+.1%}"
            )
        yield (
            f"  medians: an epoch {self.epoch_slower_by:+.1%}, "
            f"the whole run {self.whole_slower_by:+.1%}"
        )
        told = self.recording
        yield (
            f"\n{told.trials} complete trials of {told.epochs} epochs, told at once: in the "
            f"store after {told.background:.1f} s, {told.megabytes:.0f} MB; whoever told them "
            f"was held up {told.teller_ms_per_report:.2f} ms a report"
        )
        yield (
            f"stock MLflowLoggerCallback: holds the driver up {self.stock_ms_per_report:.0f} ms "
            "a report\n"
        )


def train(data: TrialData, epochs: int, *, tracked: bool) -> Training:
    """Train two trials for some epochs each; nothing else is timed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recorders: list[Recorder] = []
        if tracked:
            files = StudyFiles(folder)
            kept = KeptResults(checkpoints_in(folder), files, data, models=5)
            recorders = [kept, recorder_on_sqlite(folder)]
        recorder = Recorders(recorders)
        source = SameTrials(AT_ONCE, epochs)
        resources = Resources(cpus_per_trial=1, gpus_per_trial=0, max_concurrent=AT_ONCE)
        train_together(source, recorder, data, resources, folder)
        recorder.finish(Summary(ending=Ending.FINISHED))
    return Training(
        epoch=statistics.fmean(source.seconds()), whole=AT_ONCE / source.epochs_per_second()
    )


def pairs_of(count: int, epochs: int) -> list[Pair]:
    """Train with tracking and without, in turn."""
    found = []
    with ExitStack() as held:
        data_dir = Path(held.enter_context(tempfile.TemporaryDirectory()))
        held.enter_context(ray_session())
        data = TrialData(
            dataset="synthetic",
            dataset_digest=prepare_dataset("synthetic", data_dir).digest,
            data_dir=data_dir,
            text=TextSource(way="precomputed"),
        )
        for pair in range(count):
            order = (False, True) if pair % 2 == 0 else (True, False)
            runs = {how: train(data, epochs, tracked=how) for how in order}
            found.append(Pair(off=runs[False], on=runs[True]))
    return found


def measure(flags: Namespace) -> TrackingCost:
    """Train in pairs, then record."""
    pairs = pairs_of(flags.pairs, flags.epochs)
    recording = record(flags.trials)
    slower = statistics.median(pair.epoch_slower_by for pair in pairs)
    scaled = recording.background * REQUIRED_TRIALS / flags.trials
    verdict = {f"epochs slower by less than {REQUIRED_SHARE:.0%}": slower < REQUIRED_SHARE}
    return TrackingCost(
        epochs=flags.epochs,
        pairs=pairs,
        recording=recording,
        stock_ms_per_report=stock_ms_per_report(flags.stock_trials),
        met={
            **(verdict if flags.epochs >= VERDICT_EPOCHS else {}),
            f"{REQUIRED_TRIALS} trials of {recording.epochs} epochs in under "
            f"{REQUIRED_SECONDS:.0f} s": scaled < REQUIRED_SECONDS,
        },
    )


def main() -> None:
    """Measure, and print what was found."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--pairs", type=int, default=6, help="of runs with tracking and without")
    parser.add_argument(
        "--epochs", type=int, default=VERDICT_EPOCHS, help="of each training, 3 or more"
    )
    parser.add_argument("--trials", type=int, default=REQUIRED_TRIALS, help="that are told of")
    parser.add_argument("--stock-trials", type=int, default=5, help="told to the stock callback")
    flags = parser.parse_args()
    if flags.epochs < 3:
        parser.error("--epochs is at least 3, for the first one does not count")
    tell(lambda: measure(flags), as_json=flags.json)


if __name__ == "__main__":
    main()
