"""What tracking costs: training with it and without, and the background time of 200 whole trials.

    python benchmarks/tracking_cost.py                 # about ten minutes, on two CPUs or more
    python benchmarks/tracking_cost.py --json
    python benchmarks/tracking_cost.py --pairs 1 --epochs 2 --trials 10 --stock-trials 1

Training: pairs of runs of the same trials on the synthetic data, two at once, one run with MLflow
on sqlite and one without, which of them first in turn. What counts is the seconds of an epoch in
the workers, and the seconds of the whole run for each epoch. Recording: complete trials of 30
epochs, with predictions of 229 clips, are told as fast as the recorder takes them, and waited for;
how long the teller waited is told apart. Stock: Ray's own MLflowLoggerCallback on sqlite, given the
same reports, on the driver's thread.
"""

import json
import os
import statistics
import tempfile
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ray.air.constants import TRAINING_ITERATION
from simulated_driver import Unrecorded, made_up_facts, made_up_record

from dlf.config import Config
from dlf.data import prepare_dataset
from dlf.text.source import TextSource
from dlf.training.training import EpochRecord
from search.cluster.ray_session import ray_session
from search.engine.ledger import TrialLedger
from search.engine.run_trials import run_trials
from search.engine.trainable import Workplace
from search.recording.kept_results import KeptResults
from search.resources.allotment import Resources
from search.trial.checkpoints import Checkpoints
from search.trial.data import TrialData
from search.trial.plan import TrialPlan, TrialSource
from tracking.location import resolve
from tracking.mlflow_connection import quiet_mlflow
from tracking.mlflow_recorder import MlflowRecorder
from tracking.predictions import Predictions, write_predictions
from tracking.recorder import Recorder, Recorders
from tracking.records import Ending, Outcome, StudyRecord, Summary, TrialRecord, TrialState
from tracking.study_files import StudyFiles

AT_ONCE = 2
"""trials that train"""
TRIAL_EPOCHS = 30
"""of a trial that is only told of"""
CLIPS = 229
"""of MOSI's validation split"""
REQUIRED_SHARE = 0.02
REQUIRED_SECONDS, REQUIRED_TRIALS = 60.0, 200


class EqualTrials(TrialSource):
    """Hands out the paper's configuration again and again, and keeps what each epoch took."""

    def __init__(self, trials: int, epochs: int) -> None:
        self.seconds: list[float] = []
        self._plans = iter(
            TrialPlan(
                number=n,
                name=f"trial {n}",
                params={},
                config=Config(),
                seeds=[0],
                max_epochs=epochs,
            )
            for n in range(trials)
        )

    def next_trial(self) -> TrialPlan | None:
        """Return the next one."""
        return next(self._plans, None)

    def report(self, number: int, record: EpochRecord) -> None:
        """Keep its seconds."""
        self.seconds.append(record.seconds)

    def end(self, number: int, outcome: Outcome) -> Mapping[int, Outcome]:
        """Do nothing."""
        return {number: outcome}

    def note(self, number: int, text: str) -> None:
        """Do nothing."""


class Training(NamedTuple):
    """Seconds of an epoch."""

    epoch: float
    """in its worker"""
    whole: float
    """of the whole run, its start left out, times the trials at once"""


def train(data_dir: Path, epochs: int, *, tracked: bool) -> Training:
    """Train two trials for some epochs each; nothing else is timed."""
    manifest = prepare_dataset("synthetic", data_dir)
    data = TrialData(
        dataset="synthetic",
        dataset_digest=manifest.digest,
        data_dir=data_dir,
        text=TextSource(way="precomputed"),
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoints = Checkpoints(folder=folder / "checkpoints")
        watch = Watch()
        recorders: list[Recorder] = [watch]
        if tracked:
            mlflow = recorder_in(folder)
            kept = KeptResults(checkpoints, StudyFiles(folder), data, models=5)
            recorders += [kept, mlflow]
        recorder = Recorders(recorders)
        source = EqualTrials(AT_ONCE, epochs)
        resources = Resources(cpus_per_trial=1, gpus_per_trial=0, max_concurrent=AT_ONCE)
        workplace = Workplace(data=data, resources=resources, checkpoints=checkpoints)
        run_trials(TrialLedger(source, recorder), workplace, folder)
        recorder.finish(Summary(ending=Ending.FINISHED))
    # The first epochs are slower than the others, and wait for the second worker to start.
    steady = watch.times[AT_ONCE:]
    whole = (steady[-1] - steady[0]) * AT_ONCE / (len(steady) - 1)
    return Training(statistics.fmean(source.seconds[AT_ONCE:]), whole)


class Watch(Unrecorded):
    """Keeps when epochs were reported, too."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def log_epoch(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Keep when it was."""
        self.times.append(time.perf_counter())


def recorder_in(folder: Path) -> MlflowRecorder:
    """Return a recorder on a new sqlite store in a folder, ready to record."""
    recorder = MlflowRecorder(
        resolve(f"sqlite:///{folder / 'mlflow.db'}"),
        StudyRecord(name="benchmark", dataset="synthetic", tags={}),
        folder / "tracking.jsonl",
    )
    recorder.ready()
    return recorder


class Recording(NamedTuple):
    """What recording trials took, in seconds."""

    background: float
    """until everything was in the store"""
    teller: float
    """for which whoever told the recorder was held up"""
    megabytes: float
    """on the disk, of database and artifacts"""


def record(trials: int) -> Recording:
    """Tell a recorder of complete trials, and wait until they are in the store."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = StudyFiles(folder)
        for number in range(trials):
            files.predictions(number).parent.mkdir(exist_ok=True)
            write_predictions(files.predictions(number), made_up_predictions(number))
        recorder = recorder_in(folder)
        started = time.perf_counter()
        for number in range(trials):
            recorder.start_trial(made_up_trial(number))
            for made_up in made_up_epochs():
                recorder.log_epoch(number, made_up.epoch, made_up.named())
            recorder.log_facts(number, made_up_facts(epochs=TRIAL_EPOCHS))
            recorder.end_trial(number, Outcome(state=TrialState.COMPLETE))
        told = time.perf_counter()
        recorder.finish(Summary(ending=Ending.FINISHED))
        ended = time.perf_counter()
        stored = [folder / "mlflow.db", *(folder / "mlartifacts").rglob("*")]
        size = sum(file.stat().st_size for file in stored)
    return Recording(ended - started, told - started, size / 1e6)


def made_up_trial(number: int) -> TrialRecord:
    """Return a trial of the paper's configuration, as a search would tell of it."""
    params = {f"parameter_{i}": 1 / (i + number + 1) for i in range(16)}
    return TrialRecord(
        number=number,
        name=f"trial {number}",
        params=params,
        config_yaml=Config().to_yaml(),
        seed=number,
    )


def made_up_epochs() -> Iterator[EpochRecord]:
    """Return the epochs of a trial that gets better and better."""
    for epoch in range(1, TRIAL_EPOCHS + 1):
        yield made_up_record(epoch, 1 / epoch, finished=epoch == TRIAL_EPOCHS)


def made_up_predictions(number: int) -> Predictions:
    """Return predictions that are labels and some noise."""
    generator = np.random.default_rng(number)
    labels = generator.uniform(-3, 3, CLIPS).astype(np.float32)
    noise = generator.normal(0, 0.8, CLIPS).astype(np.float32)
    return Predictions([f"clip_{i}" for i in range(CLIPS)], labels, labels + noise)


class StockTrial:
    """As much of a trial as the stock callback looks at."""

    def __init__(self, number: int, folder: str) -> None:
        self.config = dict(made_up_trial(number).params)
        self.local_path = folder
        self._name = f"trial-{number}"

    def __str__(self) -> str:
        return self._name


def stock(trials: int) -> float:
    """Return the seconds that Ray's own callback holds the driver up, for each report."""
    quiet_mlflow()
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    with tempfile.TemporaryDirectory() as folder:
        callback = MLflowLoggerCallback(
            tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment_name="stock"
        )
        callback.setup()
        held_up = 0.0
        for number in range(trials):
            trial: Any = StockTrial(number, folder)
            callback.log_trial_start(trial)
            for made_up in made_up_epochs():
                result = {**made_up.named(), TRAINING_ITERATION: made_up.epoch}
                started = time.perf_counter()
                callback.log_trial_result(made_up.epoch, trial, result)
                held_up += time.perf_counter() - started
            callback.log_trial_end(trial)
    return held_up / (trials * TRIAL_EPOCHS)


def pairs_of(arguments: Namespace) -> list[tuple[Training, Training]]:
    """Train with tracking and without, in turn; return both of each pair, without it first."""
    found = []
    with ExitStack() as held:
        data_dir = Path(held.enter_context(tempfile.TemporaryDirectory()))
        held.enter_context(ray_session())
        for pair in range(arguments.pairs):
            order = (False, True) if pair % 2 == 0 else (True, False)
            runs = {how: train(data_dir, arguments.epochs, tracked=how) for how in order}
            found.append((runs[False], runs[True]))
    return found


def main() -> None:
    """Measure, and print what was found."""
    arguments = parsed()
    load = [os.getloadavg()[0]]
    pairs = pairs_of(arguments)
    load.append(os.getloadavg()[0])
    recorded = record(arguments.trials)
    stock_report = stock(arguments.stock_trials)
    load.append(os.getloadavg()[0])
    epoch = [on.epoch / off.epoch - 1 for off, on in pairs]
    whole = [on.whole / off.whole - 1 for off, on in pairs]
    scaled = recorded.background * REQUIRED_TRIALS / arguments.trials
    met = {
        "epochs slower by less than 2%": statistics.median(epoch) < REQUIRED_SHARE,
        "200 trials of 30 epochs in under 60 s": scaled < REQUIRED_SECONDS,
    }
    if arguments.json:
        found = {
            "cpus": os.cpu_count(),
            "load": load,
            "epoch_seconds": [[off.epoch, on.epoch] for off, on in pairs],
            "epoch_slower_by": epoch,
            "whole_slower_by": whole,
            "recording": {"trials": arguments.trials, **recorded._asdict()},
            "stock_seconds_per_report": stock_report,
            "met": met,
        }
        print(json.dumps(found))
        return
    loads = ", ".join(f"{each:.1f}" for each in load)
    print(f"{os.cpu_count()} CPUs; load before, between and after: {loads}\n")
    print("with tracking against without, a pair each:")
    for (off, on), by, all_by in zip(pairs, epoch, whole, strict=True):
        print(
            f"  an epoch {off.epoch:.3f} s without, {on.epoch:.3f} s with: {by:+.1%}; "
            f"the whole run for each epoch {all_by:+.1%}"
        )
    print(f"  medians: an epoch {statistics.median(epoch):+.1%}, ", end="")
    print(f"the whole run {statistics.median(whole):+.1%}")
    reports = arguments.trials * TRIAL_EPOCHS
    print(
        f"\n{arguments.trials} complete trials of {TRIAL_EPOCHS} epochs, told at once: in the "
        f"store after {recorded.background:.1f} s, {recorded.megabytes:.0f} MB; whoever told them "
        f"was held up {1e3 * recorded.teller / reports:.2f} ms a report"
    )
    print(f"stock MLflowLoggerCallback: holds the driver up {1e3 * stock_report:.0f} ms a report\n")
    for requirement, is_met in met.items():
        print(f"{requirement}: {'met' if is_met else 'NOT met'}")


def parsed() -> Namespace:
    """Parse the command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object, no text")
    parser.add_argument("--pairs", type=int, default=6, help="of runs with tracking and without")
    parser.add_argument("--epochs", type=int, default=40, help="of each training, 2 or more")
    parser.add_argument("--trials", type=int, default=REQUIRED_TRIALS, help="that are told of")
    parser.add_argument("--stock-trials", type=int, default=5, help="told to the stock callback")
    arguments = parser.parse_args()
    if arguments.epochs < 2:
        parser.error("--epochs is at least 2, for the first one does not count")
    return arguments


if __name__ == "__main__":
    main()
