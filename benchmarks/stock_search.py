"""One search end to end, three ways: by this project, by stock Ray Tune, by the field's tuner.

    python -m benchmarks.stock_search                        # some six minutes on two cores
    python -m benchmarks.stock_search --trials 4 --max-epochs 3 --json

All train our model on the synthetic dataset, over our default space, the same number of trials with
the same maximum of epochs, each as a process of its own. The first two run two trials at once, with
one thread each, and stop trials by ASHA with our default grace and reduction; the third is
`field_tuner.py`. Ours is `search/run.py` as a user starts it, with MLflow on sqlite, checkpoints
and its report; stock Tune is `stock_tune.py`, with MLflow on sqlite too. The wall time is that of
the process, from its start to its end. Each is run once, ours first.
"""

import os
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.environment import clean_environment
from benchmarks.measurement import Measurement, Record, benchmark_parser, tell
from benchmarks.searched import Searched, last_line, runs_by_status, trained_seconds
from dlf.data import prepare_dataset
from search.study.open_study import StudyPlace
from search.study.records import own_trials
from search.study.result import SearchResult
from search.study.schedulers import Stopping
from tracking.run_names import TRIAL_TAG
from tracking.store.location import DATABASE_FILE

PROJECT = Path(__file__).absolute().parents[1]
AT_ONCE = 2
STUDY = "ours"
NAMES = {
    "ours": "search/run.py",
    "stock": "stock Tune, OptunaSearch, ASHA, MLflowLoggerCallback",
    "field": "random draws one after the other, as the field's tuner",
}


class Way(Record):
    """What one way to search took."""

    at_once: int
    seconds: float
    """of the whole process"""
    searched: Searched

    @property
    def seconds_beside_training(self) -> float:
        """What a trial costs beside its epochs: the slots' time without training, shared out.

        The start and the end of the whole are in it.
        """
        idle = self.seconds * self.at_once - self.searched.training_seconds
        return idle / self.searched.trials

    @property
    def seconds_per_epoch(self) -> float:
        """Of one epoch in its trial."""
        return self.searched.training_seconds / self.searched.epochs


class StockSearch(Measurement):
    """The same search in three ways."""

    trials: int
    max_epochs: int
    grace_epochs: int
    reduction: int
    ways: Mapping[str, Way]

    def times(self, way: str) -> float:
        """Return how many times longer than ours a way took."""
        return self.ways[way].seconds / self.ways["ours"].seconds

    def lines(self) -> Iterator[str]:
        """Yield a few lines for each way."""
        yield f"{self.trials} trials of at most {self.max_epochs} epochs, on the synthetic dataset"
        for name, way in self.ways.items():
            found = way.searched
            yield (
                f"{NAMES[name]}: {way.seconds:.0f} s, {self.times(name):.1f} times ours; "
                f"{found.epochs} epochs of {way.seconds_per_epoch:.2f} s, "
                f"{way.seconds_beside_training:.1f} s a trial beside them; "
                f"best validation MAE {found.best_mae:.3f}"
            )
            runs = ", ".join(f"{count} {status}" for status, count in found.runs.items())
            yield (
                f"  {found.stopped} trials stopped early; told to Optuna as PRUNED: "
                f"{found.told_pruned}; runs in MLflow: {runs or 'no MLflow'}"
            )


class Place(NamedTuple):
    """Where the searches are run."""

    folder: Path
    data_dir: Path
    trials: int
    max_epochs: int

    @property
    def sizes(self) -> list[str]:
        """The flags that all ways know."""
        return [
            *("--data-dir", str(self.data_dir), "--trials", str(self.trials)),
            *("--max-epochs", str(self.max_epochs)),
        ]

    @property
    def shared(self) -> list[str]:
        """CPUs for each of the trials that run at once."""
        return ["--cpus-per-trial", str(min(1.0, (os.cpu_count() or 1) / AT_ONCE))]


def timed(place: Place, name: str, *words: str) -> tuple[float, str]:
    """Run a command of Python in a folder of its own; return its seconds and its last line."""
    folder = place.folder / name
    folder.mkdir()
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=clean_environment() | {"PYTHONPATH": str(PROJECT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")
    return seconds, last_line(done.stdout)


def by_us(place: Place) -> Way:
    """Search as a user of this project does."""
    database = place.folder / "ours" / DATABASE_FILE
    seconds, line = timed(
        place,
        "ours",
        *(str(PROJECT / "search" / "run.py"), "--dataset", "synthetic", *place.sizes),
        *("--study", STUDY, "--text", "precomputed", "--tracking-uri", f"sqlite:///{database}"),
        *("--max-concurrent", str(AT_ONCE), *place.shared, "--json"),
    )
    result = SearchResult.model_validate_json(line)
    trials = own_trials(StudyPlace(STUDY, place.folder / "ours" / "runs", None).load().study)
    assert result.best is not None
    return Way(
        at_once=AT_ONCE,
        seconds=seconds,
        searched=Searched(
            trials=len(trials),
            epochs=result.epochs_trained,
            training_seconds=trained_seconds(database, with_tag=TRIAL_TAG),
            best_mae=result.best.value,
            stopped=sum(len(trial.intermediate_values) < place.max_epochs for trial in trials),
            told_pruned=sum(trial.state.name == "PRUNED" for trial in trials),
            runs=runs_by_status(database, with_tag=TRIAL_TAG),
        ),
    )


def by_stock_tune(place: Place) -> Way:
    """Search by Ray Tune as it comes."""
    seconds, line = timed(
        place,
        "stock",
        *("-m", "benchmarks.stock_tune", *place.sizes),
        *("--at-once", str(AT_ONCE), *place.shared),
    )
    return Way(at_once=AT_ONCE, seconds=seconds, searched=Searched.model_validate_json(line))


def by_the_field(place: Place) -> Way:
    """Search as the field's tuner does."""
    seconds, line = timed(place, "field", "-m", "benchmarks.field_tuner", *place.sizes)
    return Way(at_once=1, seconds=seconds, searched=Searched.model_validate_json(line))


def measure(flags: Namespace) -> StockSearch:
    """Search in all ways, one after the other."""
    rule = Stopping()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data_dir = flags.data_dir or folder / "data"
        place = Place(folder, data_dir.absolute(), flags.trials, flags.max_epochs)
        prepare_dataset("synthetic", place.data_dir)
        ways = {"ours": by_us(place), "stock": by_stock_tune(place), "field": by_the_field(place)}
    return StockSearch(
        trials=flags.trials,
        max_epochs=flags.max_epochs,
        grace_epochs=rule.grace_epochs,
        reduction=rule.reduction,
        ways=ways,
    )


def main() -> None:
    """Measure, and print what was found."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--trials", type=int, default=12, help="of each search")
    parser.add_argument("--max-epochs", type=int, default=6, help="of each trial")
    parser.add_argument(
        "--data-dir", type=Path, help="with a synthetic dataset; left out: it is made, in full"
    )
    flags = parser.parse_args()
    tell(lambda: measure(flags), as_json=flags.json)


if __name__ == "__main__":
    main()
