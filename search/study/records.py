"""What a study holds, read from Optuna in our own terms."""

from collections.abc import Iterable

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState
from pydantic import BaseModel, ConfigDict

from dlf.config import Value
from search.study.identity import PAPER_TRIAL, StudyIdentity
from tracking.records import Outcome, TrialState

REASON, NOTES, SEEDS = "reason", "notes", "seeds"
DUPLICATE_OF, COPY_OF = "duplicate_of", "copy_of"

OPTUNA_STATES = {
    TrialState.COMPLETE: OptunaState.COMPLETE,
    TrialState.PRUNED: OptunaState.PRUNED,
    TrialState.FAILED: OptunaState.FAIL,
}
OUR_STATES = {theirs: ours for ours, theirs in OPTUNA_STATES.items()}


class FinishedTrial(BaseModel):
    """A complete trial, with its best validation MAE."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    value: float
    params: dict[str, Value]


def own_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that were begun here: not those that wait, nor copies of another study."""
    trials = study.get_trials(deepcopy=False)
    return [t for t in trials if t.state is not OptunaState.WAITING and COPY_OF not in t.user_attrs]


def trials_differ(trials: Iterable[FrozenTrial], identity: StudyIdentity) -> bool:
    """Tell whether trials have different parameters, as the paper's may outside of the ranges."""
    space, paper = identity.space, identity.paper
    names = {frozenset(t.params) for t in trials if t.state is not OptunaState.WAITING}
    return len(names) > 1 or bool(space.missing_from(paper, identity.base))


def count_states(trials: Iterable[FrozenTrial]) -> dict[TrialState, int]:
    """Return how many trials ended in each way."""
    states = [trial.state for trial in trials]
    return {ours: states.count(theirs) for ours, theirs in OPTUNA_STATES.items()}


def count_epochs(trials: Iterable[FrozenTrial]) -> int:
    """Return how many epochs were trained; a duplicate of another trial was not."""
    return sum(len(t.intermediate_values) for t in trials if duplicate_of(t) is None)


def finished_trials(study: optuna.Study) -> list[FinishedTrial]:
    """Return all complete trials, the best first."""
    complete = [t for t in own_trials(study) if t.state is OptunaState.COMPLETE]
    ranked = sorted(complete, key=lambda trial: (trial.values[0], trial.number))
    return [
        FinishedTrial(number=trial.number, value=trial.values[0], params=trial.params)
        for trial in ranked
    ]


def duplicate_of(trial: FrozenTrial) -> int | None:
    """Return the trial as which one ends, since it has the same configuration; none if trained."""
    twin: int | None = trial.user_attrs.get(DUPLICATE_OF)
    return twin


def outcome_of(trial: FrozenTrial) -> Outcome | None:
    """Return how a trial ended, or none."""
    if trial.state not in OUR_STATES:
        return None
    return Outcome(state=OUR_STATES[trial.state], reason=trial.user_attrs.get(REASON))


def ends_of(study: optuna.Study) -> dict[int, Outcome]:
    """Return how each trial ended that did, by its number."""
    ends = {trial.number: outcome_of(trial) for trial in own_trials(study)}
    return {number: outcome for number, outcome in ends.items() if outcome is not None}


def left_under_way(study: optuna.Study) -> dict[int, float]:
    """Return the best validation MAE so far of each trial under way that has reported one."""
    values = {t.number: last_value(t) for t in own_trials(study) if not t.state.is_finished()}
    return {number: value for number, value in values.items() if value is not None}


def last_value(trial: FrozenTrial) -> float | None:
    """Return the best validation MAE that a trial reached, none where it reported nothing."""
    if trial.intermediate_values:
        return trial.intermediate_values[max(trial.intermediate_values)]
    return trial.values[0] if trial.values else None


def trial_name(number: int) -> str:
    """Return what people read in lists."""
    return f"trial {number}" + (" (paper)" if number == PAPER_TRIAL else "")
