"""Benchmarks as commands, and a record of each with figures that nobody has measured."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from benchmarks.claims import Claims, Reported, Way
from benchmarks.driver_cost import DriverCost
from benchmarks.machine import Machine
from benchmarks.measurement import Measurement
from benchmarks.memory import AtOnce, Growth, MemoryCost
from benchmarks.operators import KINDS, OTHERS, OUTSIDE
from benchmarks.overhead import Cost, Overhead
from benchmarks.page import Records
from benchmarks.promotion_rates import Coverage, Found, PromotionRates, RaceRates, Replaced
from benchmarks.recorded import Recorded
from benchmarks.recording import Recording
from benchmarks.search_efficiency import (
    CurvesUsed,
    Foretold,
    InWorlds,
    OnTableAlone,
    SearchEfficiency,
    Spread,
)
from benchmarks.searched import Searched
from benchmarks.stock_search import StockSearch
from benchmarks.stock_search import Way as SearchWay
from benchmarks.strategies import DEFAULT
from benchmarks.studies import (
    REFERENCES,
    OnTest,
    PromotionFigures,
    Reference,
    References,
    StudyFigures,
)
from benchmarks.suite import SUITE
from benchmarks.tracking_cost import Pair, TrackingCost, Training
from benchmarks.train_step import PaddingCost, StepCost, Work
from benchmarks.trials_at_once import Throughput, TrialsAtOnce
from tests.support.commands import ROOT

Run = Callable[..., "subprocess.CompletedProcess[str]"]

MACHINE = Machine(
    cpu="Abacus", cores=2, memory_gb=8.0, gpu=None, python="3.11.9", packages={"torch": "2.13.0"}
)


PLACES_OF_A_USER = {
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    "DLF_STORAGE": "sqlite:////nowhere/study.db",
    "RAY_ADDRESS": "127.0.0.1:9",
}


def padding_cost(equivalents: float) -> PaddingCost:
    work = Work(
        equivalents=equivalents, lowest=0.3, highest=1.4, released=3.5, samples_per_second=223.4
    )
    shares = dict.fromkeys([*KINDS, OTHERS, OUTSIDE], 1 / 9)
    return PaddingCost(train=work, eval=work, operators=8054, shares=shares)


def search_way(seconds: float, at_once: int, told: int | None, runs: dict[str, int]) -> SearchWay:
    stopped = 0 if told is None else 3
    found = Searched(
        trials=10,
        epochs=40,
        training_seconds=50.5,
        best_mae=0.912,
        stopped=stopped,
        told_pruned=told,
        runs=runs,
    )
    return SearchWay(at_once=at_once, seconds=seconds, searched=found)


SPREAD = Spread(value=168.0, low=142.0, high=None)
IN_WORLDS = InWorlds(
    epochs_to_target=SPREAD,
    never=3,
    sooner_than_default=0.5,
    best_mae={120: Spread(value=0.8675, low=0.86, high=0.87)},
    gain={120: Spread(value=-0.009, low=-0.0124, high=-0.0057)},
)
WAY = Way(stated=0.837, true=0.9, optimism=0.063, error=0.0012)
ON_TEST = OnTest(mae=0.892, corr=0.701, acc7=0.371, acc2=0.808, intervals={"mae": (0.821, 0.962)})

MEASUREMENTS: dict[str, Measurement] = {
    "train_step": StepCost(
        device="cpu", gemm_gflops=88.1, reference=padding_cost(1.2), masked=padding_cost(0.39)
    ),
    "memory": MemoryCost(
        clips=22856,
        dataset_mib=3825.2,
        opening_seconds=0.003,
        at_once=[AtOnce(trials=1, own_mib=1222.1, mapped_mib=2089.3)],
        steps=[Growth(fewer=1, more=2, mb_per_trial=457.3)],
        whole=Growth(fewer=1, more=4, mb_per_trial=509.1),
    ),
    "trials_at_once": TrialsAtOnce(
        device="cpu",
        clips=1284,
        rounds=2,
        throughput=[
            Throughput(at_once=1, epochs_per_minute=11.7, clips_per_second=251.2, megabytes=801.3)
        ],
    ),
    "overhead": Overhead(
        trials={"ours": 40, "stock": 8},
        rounds=3,
        trial_seconds={
            "ours": Cost(trial=0.071, start=2.91),
            "stock": Cost(trial=3.15, start=2.83),
        },
        driver=DriverCost(
            trials=2000,
            reports=12289,
            reports_per_second=647.3,
            growth_mb=27.4,
            ask_ms={100: 12.3, 2000: 48.1},
        ),
    ),
    "tracking_cost": TrackingCost(
        epochs=12,
        pairs=[
            Pair(off=Training(epoch=1.0, whole=1.1), on=Training(epoch=1.01, whole=1.12)),
            Pair(off=Training(epoch=1.0, whole=1.1), on=Training(epoch=1.03, whole=1.12)),
        ],
        recording=Recording(trials=200, background=23.6, teller=0.54, megabytes=43.2),
        stock_ms_per_report=60.1,
    ),
    "stock_search": StockSearch(
        trials=10,
        max_epochs=6,
        grace_epochs=3,
        reduction=3,
        ways={
            "ours": search_way(45.2, 2, 3, {"FINISHED": 7, "KILLED": 3}),
            "stock": search_way(90.4, 2, 0, {"FINISHED": 10}),
            "field": search_way(245.1, 1, None, {}),
        },
    ),
    "search_efficiency": SearchEfficiency(
        table=CurvesUsed(
            made_by="python search/run.py --sampler random",
            date="2026-11-25",
            dataset="mosi",
            text="frozen",
            text_encoder="minilm",
            max_epochs=12,
            random_trials=42,
            best=0.857,
            median=0.929,
        ),
        surrogate=[Foretold(epoch=3, mae=0.056, mae_of_mean=0.161, rank_correlation=0.94)],
        seeds=8,
        target=Spread(value=0.8603, low=0.859, high=0.861),
        best_of_table=Spread(value=0.8591, low=0.858, high=0.86),
        worlds={DEFAULT: IN_WORLDS, "random, none": IN_WORLDS},
        table_only={
            "random, none": OnTableAlone(
                epochs_to_target=SPREAD, never=0, epochs=492.0, missed_mae=0.0002
            )
        },
    ),
    "promotion_rates": PromotionRates(
        replicates=600,
        race=RaceRates(margin=0.03, lost=13, worse=[0.0, 0.2], saved=0.19),
        equal=[
            Replaced(searched=None, at_99=6, by_interval=18, with_refit=3),
            Replaced(searched=200, at_99=35, by_interval=89, with_refit=46),
        ],
        found=[Found(better=0.1, replaced=250)],
        coverage=[Coverage(of="a mean", seeds=2, ours=0.987, plain=0.923)],
    ),
    "claims": Claims(
        replicates=600, reported=[Reported(spread=0.05, field=WAY, ours=WAY, replaced=211)]
    ),
    "study_headline": StudyFigures(
        study="headline",
        dataset="mosi",
        text="frozen",
        encoder="minilm",
        trials=200,
        pruned=139,
        failed=2,
        max_epochs=30,
        epochs=1403,
        seconds=2811.5,
        best=0.8412,
        paper=0.9631,
        promotion=PromotionFigures(
            command="python search/promote.py --study headline",
            seeds=5,
            candidate_valid_mae=0.871,
            paper_valid_mae=0.961,
            kept_paper=False,
            difference=-0.096,
            interval=(-0.211, 0.016),
            probability=0.964,
            candidate_test=ON_TEST,
            paper_test=OnTest(mae=0.952),
        ),
    ),
    REFERENCES: References(
        rows=[Reference(name="the median of train", valid_mae=1.42, test=OnTest(mae=1.456))]
    ),
}


@pytest.fixture
def records() -> Records:
    """A record of every benchmark and of a study."""
    return {
        name: Recorded(
            command=f"python -m benchmarks.{name}",
            date=datetime(2026, 11, 29, 9, 15, tzinfo=UTC),
            code="0123456789",
            machine=MACHINE,
            load=(0.31, 1.27),
            minutes=3.4,
            measured=measured,
        )
        for name, measured in MEASUREMENTS.items()
    }


@pytest.fixture(scope="module")
def run_benchmark(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a benchmark by its name, with flags, in a folder of its own.

    The user's own places are none that it may go to.
    """

    def run(name: str, *flags: str) -> "subprocess.CompletedProcess[str]":
        kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        return subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *flags],
            cwd=tmp_path_factory.mktemp(name),
            env={**kept, **PLACES_OF_A_USER, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=900,
        )

    return run


@pytest.fixture(scope="module")
def measured_by(run_benchmark: Run) -> Callable[..., Measurement]:
    """Run a benchmark by its name, with flags, and return its record."""

    def measured(name: str, *flags: str) -> Measurement:
        done = run_benchmark(name, *flags, "--json")
        assert done.returncode == 0, done.stderr
        return SUITE[name].measures.model_validate_json(done.stdout.splitlines()[-1])

    return measured
