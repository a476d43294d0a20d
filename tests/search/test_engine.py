"""Trials on a real Ray: workers used again, trials that fail or are stopped, kept states."""

import math
from collections.abc import Iterable
from pathlib import Path

import pytest
import ray
import torch

from dlf.command import BadInputError
from dlf.config import Config
from dlf.data import SealedTestSplitError, open_test_split, read_manifest
from dlf.text.source import TextSource
from dlf.training import EpochRecord
from search.engine import run_trials
from search.ledger import TrialLedger
from search.resources import Resources, fit_resources
from search.trainable import PLAN, WORKPLACE, DLFTrainable, Workplace, read_checkpoint
from search.trial_data import TrialData
from search.trials import TrialPlan, TrialSource
from tests.support.memory_recorder import MemoryRecorder
from tracking.records import Outcome, TrialState

SMALL = Config().with_values(
    {"width": 8, "heads": 2, "encoder_layers": 1, "attractor_layers": 1, "memory_layers": 1}
)
DIVERGING = SMALL.with_values({"learning_rate": 1e30})
EPOCHS = 3


class ListedTrials(TrialSource):
    """Hands out given configurations, and stops one of them after two epochs."""

    def __init__(self, configs: Iterable[Config], stopped: int) -> None:
        self.left = [plan_of(number, config) for number, config in enumerate(configs)]
        self.stopped = stopped
        self.records: dict[int, list[EpochRecord]] = {plan.number: [] for plan in self.left}
        self.outcomes: dict[int, Outcome] = {}

    def next_trial(self) -> TrialPlan | None:
        return self.left.pop(0) if self.left else None

    def report(self, number: int, record: EpochRecord) -> bool:
        self.records[number].append(record)
        return number != self.stopped or record.epoch < 2

    def end(self, number: int, outcome: Outcome) -> None:
        self.outcomes[number] = outcome


class FolderlessTrainable(DLFTrainable):
    """The trainable outside of Tune, where it would make a folder under the user's home."""

    def _setup_logdir(self) -> None:
        pass


class Run:
    """Six trials, two at once: one diverges, one is stopped."""

    def __init__(self, workplace: Workplace, folder: Path) -> None:
        self.source = ListedTrials([SMALL, DIVERGING, *[SMALL] * 4], stopped=3)
        self.recorder = MemoryRecorder()
        ledger = TrialLedger(self.source, self.recorder)
        self.states = run_trials(ledger, workplace, folder, keep_final_state=True)


def plan_of(number: int, config: Config) -> TrialPlan:
    return TrialPlan(number=number, name=f"trial {number}", params={}, config=config, seed=7)


@pytest.fixture(scope="module")
def workplace(tiny_data: Path) -> Workplace:
    return Workplace(
        data=TrialData(
            dataset="synthetic",
            dataset_digest=read_manifest("synthetic", tiny_data).digest,
            data_dir=tiny_data,
            text=TextSource(way="precomputed"),
        ),
        max_epochs=EPOCHS,
        resources=Resources(cpus_per_trial=1, gpus_per_trial=0, max_concurrent=2),
    )


@pytest.fixture(scope="module")
def run(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory, ray_here: None) -> Run:
    return Run(workplace, tmp_path_factory.mktemp("run"))


def test_every_trial_ends_as_it_did(run: Run) -> None:
    states = {number: outcome.state for number, outcome in run.source.outcomes.items()}
    complete = dict.fromkeys((0, 2, 4, 5), TrialState.COMPLETE)
    assert states == {**complete, 1: TrialState.FAILED, 3: TrialState.PRUNED}
    assert run.recorder.ended == run.source.outcomes


def test_a_trial_that_diverges_fails_with_its_reason(run: Run) -> None:
    reason = run.source.outcomes[1].reason
    assert reason is not None
    assert reason.startswith("NonFiniteError: ")
    assert "epoch 1" in reason
    assert "Traceback" not in reason


def test_every_epoch_is_reported_once_the_last_one_too(run: Run) -> None:
    epochs = {number: [r.epoch for r in records] for number, records in run.source.records.items()}
    assert epochs == {0: [1, 2, 3], 1: [], 2: [1, 2, 3], 3: [1, 2], 4: [1, 2, 3], 5: [1, 2, 3]}


def test_a_worker_that_is_used_again_trains_as_a_fresh_one(run: Run) -> None:
    """All complete trials have one configuration and one seed, whoever trained them."""
    losses = {run.source.records[number][-1].loss.total for number in (0, 2, 4, 5)}
    assert len(losses) == 1


def test_a_trial_leaves_its_final_state_unless_it_failed(run: Run) -> None:
    assert set(run.states) == {0, 2, 3, 4, 5}
    state = read_checkpoint(run.states[4])
    assert len(state["history"]) == EPOCHS
    assert EpochRecord.model_validate(state["history"][-1]) == run.source.records[4][-1]


def test_a_restored_trial_goes_on_as_if_nothing_had_happened(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlf.data.store._test_split_sealed", False)
    config = {
        WORKPLACE: workplace.model_dump_json(),
        PLAN: plan_of(0, SMALL).model_dump_json(),
    }
    threads = torch.get_num_threads()
    whole, first, second = (FolderlessTrainable(config) for _ in range(3))
    straight = [whole.train() for _ in range(EPOCHS)][-1]
    first.train()
    first.save_checkpoint(str(tmp_path))
    second.load_checkpoint(str(tmp_path))
    restored = [second.train() for _ in range(EPOCHS - 1)][-1]
    torch.set_num_threads(threads)
    ends = [
        EpochRecord.model_validate_json(result["record"]).model_copy(update={"seconds": 0.0})
        for result in (straight, restored)
    ]
    assert ends[0] == ends[1]
    assert restored["done"]


@pytest.mark.usefixtures("ray_here")
def test_resources_that_no_trial_fits_in_are_refused() -> None:
    with pytest.raises(BadInputError, match="--cpus-per-trial"):
        fit_resources(cpus_per_trial=10_000, gpus_per_trial=None, max_concurrent=None)
    with pytest.raises(BadInputError, match="does not fit"):
        fit_resources(cpus_per_trial=1, gpus_per_trial=1000.0, max_concurrent=None)


@pytest.mark.usefixtures("ray_here")
def test_no_more_trials_run_at_once_than_fit_or_are_wanted() -> None:
    all_that_fit = fit_resources(cpus_per_trial=1, gpus_per_trial=None, max_concurrent=None)
    assert math.isclose(all_that_fit.gpus_per_trial, 0) or all_that_fit.gpus_per_trial == 0.25
    assert fit_resources(1, 0, 1).max_concurrent == 1
    assert fit_resources(1, 0, 10_000).max_concurrent == fit_resources(1, 0, None).max_concurrent


@pytest.mark.usefixtures("ray_here")
def test_a_worker_that_cannot_begin_says_why(workplace: Workplace, tmp_path: Path) -> None:
    source = ListedTrials([SMALL], stopped=-1)
    data = workplace.data.model_copy(update={"dataset_digest": "0" * 64})
    changed = workplace.model_copy(update={"data": data})
    ledger = TrialLedger(source, MemoryRecorder())
    run_trials(ledger, changed, tmp_path, keep_final_state=False)
    assert source.outcomes[0].state is TrialState.FAILED
    assert "is not what it was" in (source.outcomes[0].reason or "")


def test_a_worker_seals_the_test_split(workplace: Workplace, run: Run) -> None:
    """The seal is for the process of a trial, so it is tried in one of Ray's."""

    @ray.remote
    def read_test_split_in_a_trial() -> str:
        config = {
            WORKPLACE: workplace.model_dump_json(),
            PLAN: plan_of(0, SMALL).model_dump_json(),
        }
        FolderlessTrainable(config)
        try:
            open_test_split("synthetic", workplace.data.data_dir)
        except SealedTestSplitError:
            return "sealed"
        return "open"

    assert ray.get(read_test_split_in_a_trial.remote()) == "sealed"
