"""Trials on a real Ray: workers used again, trials that fail or are stopped, kept states."""

import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from ray import tune

from dlf.command import BadInputError
from dlf.config import Config
from dlf.data import SealedTestSplitError, open_split, open_test_split, read_manifest
from dlf.metrics import compute_metrics
from dlf.text.source import TextSource
from dlf.trained_model import TrainedModel
from dlf.training.batching import Clips
from dlf.training.inference import predict
from dlf.training.training import EpochRecord
from search.engine.ledger import TrialLedger
from search.engine.run_trials import run_trials
from search.engine.trainable import PLAN, DLFTrainable, Workplace, record_of
from search.recording.kept_results import KeptResults
from search.resources.allotment import Resources, fit_resources
from search.trial.checkpoints import Checkpoints
from search.trial.data import TrialData
from search.trial.plan import TrialPlan, TrialSource, Wait
from tests.conftest import TINY_CLIPS
from tests.support.memory_recorder import MemoryRecorder
from tests.support.small_models import SMALL
from tracking.predictions import read_predictions
from tracking.recorder import Recorders
from tracking.records import Outcome, TrialState
from tracking.study_files import StudyFiles

DIVERGING = SMALL.with_values({"learning_rate": 1e30})
EPOCHS = 3


class ListedTrials(TrialSource):
    """Hands out given configurations, and stops one of them after two epochs."""

    def __init__(self, configs: Iterable[Config], stopped: int) -> None:
        self.left = [plan_of(number, config) for number, config in enumerate(configs)]
        self.stopped = stopped
        self.records: dict[int, list[EpochRecord]] = {plan.number: [] for plan in self.left}
        self.outcomes: dict[int, Outcome] = {}
        self.notes: dict[int, list[str]] = {}

    def next_trial(self) -> TrialPlan | Wait | None:
        return self.left.pop(0) if self.left else None

    def report(self, number: int, record: EpochRecord) -> Outcome | None:
        self.records[number].append(record)
        stopped = number == self.stopped and record.epoch == 2
        return Outcome(state=TrialState.PRUNED) if stopped else None

    def end(self, number: int, outcome: Outcome) -> Mapping[int, Outcome]:
        self.outcomes[number] = outcome
        return {number: outcome}

    def note(self, number: int, text: str) -> None:
        self.notes.setdefault(number, []).append(text)


class WaitingTrials(ListedTrials):
    """Hands out a trial only once the former one has ended."""

    def __init__(self, configs: Iterable[Config]) -> None:
        super().__init__(configs, stopped=-1)
        self.handed_out: list[int] = []
        self.waits = 0

    def next_trial(self) -> TrialPlan | Wait | None:
        if len(self.handed_out) > len(self.outcomes):
            self.waits += 1
            return Wait()
        plan = super().next_trial()
        if isinstance(plan, TrialPlan):
            self.handed_out.append(plan.number)
        return plan


class FolderlessTrainable(DLFTrainable):
    """The trainable outside of Tune, where it would make a folder under the user's home."""

    def _setup_logdir(self) -> None:
        pass


class LastStates(MemoryRecorder):
    """Reads what trials have left at their ends."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        super().__init__()
        self._checkpoints = checkpoints
        self.states: dict[int, dict[str, Any] | None] = {}

    def end_trial(self, number: int, outcome: Outcome) -> None:
        super().end_trial(number, outcome)
        self.states[number] = self._checkpoints.read(number)


class Run:
    """Six trials, two at once: one diverges, one is stopped. The two best models are kept."""

    def __init__(self, workplace: Workplace, folder: Path) -> None:
        self.source = ListedTrials([SMALL, DIVERGING, *[SMALL] * 4], stopped=3)
        self.recorder = LastStates(workplace.checkpoints)
        self.files = StudyFiles(folder)
        self.models: list[Sequence[int]] = []
        kept = KeptResults(
            workplace.checkpoints,
            self.files,
            workplace.data,
            models=2,
            models_changed=self.models.append,
        )
        ledger = TrialLedger(self.source, Recorders([kept, self.recorder]))
        run_trials(ledger, workplace, folder)


def plan_of(number: int, config: Config) -> TrialPlan:
    return TrialPlan(
        number=number,
        name=f"trial {number}",
        params={},
        config=config,
        seeds=[7],
        max_epochs=EPOCHS,
    )


@pytest.fixture(scope="module")
def workplace(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace(
        data=TrialData(
            dataset="synthetic",
            dataset_digest=read_manifest("synthetic", tiny_data).digest,
            data_dir=tiny_data,
            text=TextSource(way="precomputed"),
        ),
        resources=Resources(cpus_per_trial=1, gpus_per_trial=0, max_concurrent=2),
        checkpoints=Checkpoints(folder=tmp_path_factory.mktemp("checkpoints")),
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


def test_a_trial_leaves_its_final_state_until_all_are_told(run: Run, workplace: Workplace) -> None:
    assert run.recorder.states[1] is None
    state = run.recorder.states[4]
    assert state is not None
    assert len(state["history"]) == EPOCHS
    assert workplace.checkpoints.numbers() == set()
    assert EpochRecord.model_validate(state["history"][-1]) == run.source.records[4][-1]


def test_what_a_trial_took_is_measured(run: Run) -> None:
    assert run.recorder.facts.keys() == {0, 2, 3, 4, 5}
    for number, facts in run.recorder.facts.items():
        records = run.source.records[number]
        assert facts.epochs == len(records)
        assert facts.seconds_per_epoch == pytest.approx(
            sum(record.seconds for record in records) / len(records)
        )
        assert facts.samples_per_second == pytest.approx(
            TINY_CLIPS["train"] / facts.seconds_per_epoch
        )
        assert facts.host == platform.node()
        assert (facts.device, facts.device_share) == ("cpu", "1 CPU")
        assert 100 < facts.peak_memory_mb < 2000
    assert len({facts.parameters for facts in run.recorder.facts.values()}) == 1


def test_the_predictions_of_every_trial_are_kept(run: Run, workplace: Workplace) -> None:
    valid = open_split("synthetic", workplace.data.data_dir, "valid")
    assert not run.files.predictions(1).exists()
    for number in (0, 2, 3, 4, 5):
        kept = read_predictions(run.files.predictions(number))
        assert kept.ids == valid.ids
        best = min(run.source.records[number], key=lambda record: record.valid.mae)
        assert compute_metrics(kept.prediction, kept.labels) == best.valid


def test_the_models_of_the_best_trials_are_kept_and_predict_the_same(
    run: Run, workplace: Workplace
) -> None:
    """All complete trials are equally good here, and the first of them stay."""
    assert len(run.models) == 2
    assert run.files.all_models().keys() == set(run.models[-1]) <= {0, 2, 4, 5}
    valid = open_split("synthetic", workplace.data.data_dir, "valid")
    for number, folder in run.files.all_models().items():
        model = TrainedModel.load(folder)
        assert (model.config, model.card.seed) == (SMALL, 7)
        clips = Clips(valid, model.card.sizes, model.config, "cpu")
        expected = read_predictions(run.files.predictions(number)).prediction
        assert predict(model.model, clips, model.config) == pytest.approx(expected, abs=1e-6)


def test_a_restored_trial_goes_on_as_if_nothing_had_happened(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reports anew what its checkpoint has, then trains on."""
    monkeypatch.setattr("dlf.data.store._test_split_sealed", False)
    workplace = workplace.model_copy(update={"checkpoints": Checkpoints(folder=tmp_path)})
    threads = torch.get_num_threads()
    trainable = tune.with_parameters(FolderlessTrainable, workplace=workplace)
    whole, first = (trainable(config_of()) for _ in range(2))
    straight = [whole.train() for _ in range(EPOCHS)]
    workplace.checkpoints.discard(0)
    first.train()
    second = trainable(config_of(begun=True))
    restored = [second.train() for _ in range(EPOCHS)]
    torch.set_num_threads(threads)
    records = [
        [record_of(result).model_copy(update={"seconds": 0.0}) for result in results]
        for results in (straight, restored)
    ]
    assert records[0] == records[1]
    assert [result["done"] for result in restored] == [False, False, True]


def config_of(*, begun: bool = False) -> dict[str, str]:
    plan = plan_of(0, SMALL).model_copy(update={"begun": begun})
    return {PLAN: plan.model_dump_json()}


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
def test_a_trial_may_be_waited_for(workplace: Workplace, tmp_path: Path) -> None:
    """There would be room for two at once; each waits for the former one."""
    workplace = workplace.model_copy(update={"checkpoints": Checkpoints(folder=tmp_path / "c")})
    source = WaitingTrials([SMALL, DIVERGING, SMALL])
    run_trials(TrialLedger(source, MemoryRecorder()), workplace, tmp_path)
    states = {number: outcome.state for number, outcome in source.outcomes.items()}
    assert states == {0: TrialState.COMPLETE, 1: TrialState.FAILED, 2: TrialState.COMPLETE}
    assert source.handed_out == [0, 1, 2]
    assert source.waits > 0


@pytest.mark.usefixtures("ray_here")
def test_a_worker_that_cannot_begin_says_why(workplace: Workplace, tmp_path: Path) -> None:
    source = ListedTrials([SMALL], stopped=-1)
    data = workplace.data.model_copy(update={"dataset_digest": "0" * 64})
    changed = workplace.model_copy(update={"data": data})
    ledger = TrialLedger(source, MemoryRecorder())
    run_trials(ledger, changed, tmp_path)
    assert source.outcomes[0].state is TrialState.FAILED
    assert "is not what it was" in (source.outcomes[0].reason or "")


def test_a_worker_seals_the_test_split(workplace: Workplace, run: Run) -> None:
    """The seal is for the process of a trial, so it is tried in one of Ray's."""

    @ray.remote
    def read_test_split_in_a_trial() -> str:
        tune.with_parameters(FolderlessTrainable, workplace=workplace)(config_of())
        try:
            open_test_split("synthetic", workplace.data.data_dir)
        except SealedTestSplitError:
            return "sealed"
        return "open"

    assert ray.get(read_test_split_in_a_trial.remote()) == "sealed"
