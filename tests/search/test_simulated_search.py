"""The search logic on trials with a known optimum, without training and without Ray."""

from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from dlf.config import Config
from search.engine.ledger import TrialLedger
from search.study.budget import Budget
from search.study.records import count_epochs, count_states, finished_trials
from search.study.trials import BEST_FILE
from search.trial.plan import TrialPlan
from tests.support.simulation import SimulatedSearch
from tracking.records import Outcome
from tracking.records import TrialState as Recorded

PRUNED, COMPLETE, FAIL = TrialState.PRUNED, TrialState.COMPLETE, TrialState.FAIL


def test_the_first_trial_is_the_papers_and_runs_to_its_end(simulated: SimulatedSearch) -> None:
    worst = {0: 9.0}
    study = simulated.run(12, curve=lambda plan, epoch: worst.get(plan.number, 1.0) - epoch / 100)
    paper = study.trials[0]
    assert paper.params == dict(simulated.identity.space.values_of(Config()))
    assert paper.state is COMPLETE
    assert len(paper.intermediate_values) == 9


def test_the_papers_trial_goes_on_where_another_one_is_stopped(
    simulated: SimulatedSearch, record_of_mae: Any
) -> None:
    source = simulated.source(Budget(trials=3))
    paper, good, bad = (source.next_trial() for _ in range(3))
    assert paper is not None
    assert good is not None
    assert bad is not None
    goes_on = {
        plan.number: [
            source.report(plan.number, record_of_mae(epoch, mae, mae)) for epoch in (1, 3)
        ]
        for plan, mae in ((good, 0.7), (paper, 1.4), (bad, 1.4))
    }
    pruned = Outcome(state=Recorded.PRUNED)
    assert goes_on == {0: [None, None], 1: [None, None], 2: [None, pruned]}


def test_every_trial_is_accounted_for_everywhere(simulated: SimulatedSearch) -> None:
    study = simulated.run(40)
    states = {trial.number: trial.state for trial in study.trials}
    assert sorted(states) == list(range(40))
    assert set(states.values()) == {COMPLETE, PRUNED}
    told = {COMPLETE: Recorded.COMPLETE, PRUNED: Recorded.PRUNED}
    assert {n: outcome.state for n, outcome in simulated.recorder.ended.items()} == {
        n: told[state] for n, state in states.items()
    }
    assert sum(count_states(study.trials).values()) == 40


def test_every_reported_epoch_is_known_to_optuna_and_to_the_recorder(
    simulated: SimulatedSearch,
) -> None:
    study = simulated.run(20)
    total = 0
    for trial in study.trials:
        epochs = simulated.recorder.epochs[trial.number]
        assert sorted(trial.intermediate_values) == epochs == list(range(1, len(epochs) + 1))
        total += len(epochs)
    assert count_epochs(study.trials) == total


def test_nothing_is_stopped_before_the_grace_ends(simulated: SimulatedSearch) -> None:
    study = simulated.run(40)
    stopped = {max(t.intermediate_values) for t in study.trials if t.state is PRUNED}
    assert min(stopped) == 3


def test_what_is_stopped_is_worse_than_what_goes_on(simulated: SimulatedSearch) -> None:
    study = simulated.run(40)
    at_rung = {state: [] for state in (PRUNED, COMPLETE)}
    for trial in study.trials[1:]:
        at_rung[trial.state].append(trial.intermediate_values[3])
    assert sum(at_rung[COMPLETE]) / len(at_rung[COMPLETE]) < sum(at_rung[PRUNED]) / len(
        at_rung[PRUNED]
    )


def test_the_search_finds_the_optimum_better_than_chance(simulated: SimulatedSearch) -> None:
    study = simulated.run(80)
    best = finished_trials(study)[0]
    assert best.number != 0
    assert best.value < 0.9
    assert abs(best.params["margin"] - 0.6) < 0.2


def test_a_failure_is_told_with_its_reason_and_does_not_stop_the_others(
    simulated: SimulatedSearch,
) -> None:
    def curve(plan: TrialPlan, epoch: int) -> float:
        if plan.number == 3 and epoch == 2:
            raise ArithmeticError("loss/total is nan in epoch 2")
        return 1.0 - epoch / 100

    study = simulated.run(6, curve=curve)
    assert study.trials[3].state is FAIL
    assert study.trials[3].user_attrs["reason"] == "loss/total is nan in epoch 2"
    assert simulated.recorder.ended[3].reason == "loss/total is nan in epoch 2"
    assert not any(t.state is TrialState.RUNNING for t in study.trials)
    assert sum(count_states(study.trials).values()) == 6


def test_the_best_configuration_is_kept_on_disk(simulated: SimulatedSearch) -> None:
    study = simulated.run(20)
    kept = Config.from_yaml((simulated.place.folder / BEST_FILE).read_text())
    assert kept == Config().with_values(finished_trials(study)[0].params)


def test_the_same_seed_asks_for_the_same_trials(
    tmp_path: Path, simulated: SimulatedSearch, record_of_mae: Any
) -> None:
    first = simulated.run(15, slots=1)
    again = SimulatedSearch(tmp_path / "again", record_of_mae).run(15, slots=1)
    assert [t.params for t in first.trials] == [t.params for t in again.trials]


def test_trials_have_seeds_of_their_own(simulated: SimulatedSearch) -> None:
    study: optuna.Study = simulated.run(10)
    seeds = [trial.user_attrs["seeds"] for trial in study.trials]
    assert len({seed for (seed,) in seeds}) == 10
    assert [trial.seed for trial in simulated.recorder.started] == [seed for (seed,) in seeds]


def test_an_epoch_that_comes_twice_is_entered_once(
    simulated: SimulatedSearch, record_of_mae: Any
) -> None:
    source = simulated.source(Budget(trials=1))
    ledger = TrialLedger(source, simulated.recorder)
    ledger.start("key")
    for epoch in (1, 2, 2, 1, 3):
        ledger.report("key", record_of_mae(epoch, 1.0, 1.0))
    assert simulated.recorder.epochs[0] == [1, 2, 3]
    assert count_epochs(simulated.study.trials) == 3
