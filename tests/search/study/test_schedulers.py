"""The stopping rules: whom they stop and when, and what they say of themselves."""

from collections.abc import Callable

import optuna
import pytest

from dlf.command import BadInputError
from search.study.schedulers import SCHEDULERS, SchedulerName, Stopping

MAX_EPOCHS = 30

Run = Callable[..., list[int]]


@pytest.fixture
def run() -> Run:
    """Trials one after another, the n-th always better than a share of those before it."""

    def epochs_of_each(stopping: Stopping, trials: int, max_epochs: int = MAX_EPOCHS) -> list[int]:
        study = optuna.create_study(study_name="s", pruner=stopping.pruner(max_epochs))
        epochs = []
        for number in range(trials):
            trial = study.ask()
            level = (number * 0.618034) % 1
            state = optuna.trial.TrialState.COMPLETE
            for epoch in range(1, max_epochs + 1):
                trial.report(level + 1 / epoch, epoch)
                if trial.should_prune() and epoch < max_epochs:
                    state = optuna.trial.TrialState.PRUNED
                    break
            complete = state is optuna.trial.TrialState.COMPLETE
            study.tell(trial, level if complete else None, state=state)
            epochs.append(epoch)
        return epochs

    return epochs_of_each


def test_asha_is_the_default() -> None:
    assert SCHEDULERS[0] == "asha"
    assert Stopping() == Stopping(scheduler="asha", grace_epochs=3, reduction=3)


@pytest.mark.parametrize("grace", [1, 3, 5])
@pytest.mark.parametrize("scheduler", ["asha", "hyperband", "median"])
def test_the_first_judgement_is_after_the_grace(
    run: Run, scheduler: SchedulerName, grace: int
) -> None:
    epochs = run(Stopping(scheduler=scheduler, grace_epochs=grace), 60)
    assert min(epochs) == grace
    assert max(epochs) == MAX_EPOCHS


@pytest.mark.parametrize(
    ("reduction", "rungs"), [(2, {3, 6, 12, 24}), (3, {3, 9, 27}), (4, {3, 12})]
)
@pytest.mark.parametrize("scheduler", ["asha", "hyperband"])
def test_halving_stops_at_its_rungs_alone(
    run: Run, scheduler: SchedulerName, reduction: int, rungs: set[int]
) -> None:
    stopping = Stopping(scheduler=scheduler, reduction=reduction)
    stopped = set(run(stopping, 100)) - {MAX_EPOCHS}
    assert 3 in stopped <= rungs
    for rung in rungs:
        assert str(rung) in stopping.describe(MAX_EPOCHS)


def test_the_median_rule_waits_for_complete_trials(run: Run) -> None:
    epochs = run(Stopping(scheduler="median"), 30)
    assert epochs[:5] == [MAX_EPOCHS] * 5
    assert 3 in epochs[5:]


def test_the_median_is_that_of_trials_which_came_as_far() -> None:
    pruner = Stopping(scheduler="median").pruner(MAX_EPOCHS)
    study = optuna.create_study(pruner=pruner)
    for last in (4, 4, 4, 4, MAX_EPOCHS):
        complete = study.ask()
        for epoch in range(1, last + 1):
            complete.report(1 / epoch, epoch)
        study.tell(complete, 1 / last)
    trial = study.ask()
    stops = []
    for epoch, mae in ((3, 0.2), (5, 0.25)):
        trial.report(mae, epoch)
        stops.append(trial.should_prune())
    worse = study.ask()
    worse.report(0.3, 4)
    assert [*stops, worse.should_prune()] == [False, False, True]


def test_none_stops_none(run: Run) -> None:
    assert run(Stopping(scheduler="none"), 20) == [MAX_EPOCHS] * 20


@pytest.mark.parametrize(
    ("scheduler", "trials", "within"),
    [("asha", 300, 0.15), ("hyperband", 300, 0.15), ("none", 5, 0.0)],
)
def test_the_expected_epochs_are_about_those_spent(
    run: Run, scheduler: SchedulerName, trials: int, within: float
) -> None:
    stopping = Stopping(scheduler=scheduler)
    spent = sum(run(stopping, trials)) / trials
    assert stopping.expected_epochs(MAX_EPOCHS) == pytest.approx(spent, rel=within)


@pytest.mark.parametrize(
    ("scheduler", "max_epochs", "expected"),
    [
        ("asha", 30, 3 + 6 / 3 + 18 / 9 + 3 / 27),
        ("asha", 9, 3 + 6 / 3),
        ("asha", 3, 3),
        ("asha", 2, 2),
        # 9, 5 and 3 trials in 17, their first rungs after 3, 9 and 27 epochs
        ("hyperband", 30, (9 * (64 / 9) + 5 * (9 + 18 / 3 + 3 / 9) + 3 * (27 + 3 / 3)) / 17),
        ("hyperband", 8, 3 + 5 / 3),
        ("hyperband", 2, 2),
        ("median", 30, 16.5),
        ("median", 3, 3),
        ("none", 30, 30),
    ],
)
def test_the_expected_epochs_are_the_rule_counted_out(
    scheduler: SchedulerName, max_epochs: int, expected: float
) -> None:
    assert Stopping(scheduler=scheduler).expected_epochs(max_epochs) == pytest.approx(expected)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_rule_that_stops_none_says_so(scheduler: SchedulerName) -> None:
    assert "no trial is stopped early" in Stopping(scheduler=scheduler).describe(3)
    assert not Stopping(scheduler=scheduler).can_stop(3)
    stops = scheduler != "none"
    assert Stopping(scheduler=scheduler).can_stop(4) is stops
    assert ("no trial" not in Stopping(scheduler=scheduler).describe(4)) is stops


def test_a_rung_at_the_last_epoch_is_none() -> None:
    assert "after epoch 3:" in Stopping().describe(9)
    assert "after epochs 3 and 9:" in Stopping().describe(10)


def test_hyperband_of_one_bracket_says_that_it_is_asha() -> None:
    assert "just ASHA" in Stopping(scheduler="hyperband").describe(8)
    assert "3 brackets" in Stopping(scheduler="hyperband").describe(30)


def test_hyperband_of_one_bracket_stops_as_asha_does(run: Run) -> None:
    hyperband, asha = (run(Stopping(scheduler=name), 40, 8) for name in ("hyperband", "asha"))
    assert hyperband == asha
    assert set(asha) == {3, 8}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_rule_has_a_pruner_however_few_the_epochs(scheduler: SchedulerName) -> None:
    study = optuna.create_study(pruner=Stopping(scheduler=scheduler).pruner(2))
    trial = study.ask()
    for epoch in (1, 2):
        trial.report(1.0, epoch)
        assert not trial.should_prune()


@pytest.mark.parametrize(
    ("flags", "said"),
    [({"reduction": 1}, "--reduction is 2 at least"), ({"grace_epochs": 0}, "--grace-epochs is 1")],
)
def test_what_is_no_rule_is_refused(flags: dict[str, int], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        Stopping.model_validate(flags)
