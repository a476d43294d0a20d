"""The trials of a study, asked of Optuna and told back to it truthfully.

A trial that the scheduler stopped is PRUNED with every value it reported, one that crashed is FAIL
with its reason, any other is COMPLETE. The objective, step by step, is the best validation MAE so
far. Trial 0 is the paper's configuration, and no scheduler stops it.
"""

from pathlib import Path

import optuna
from pydantic import BaseModel, ConfigDict

from dlf.config import Value
from dlf.training import EpochRecord
from search.seeds import search_seed
from search.study import StudyIdentity
from search.trials import TrialPlan, TrialSource
from tracking.records import Outcome, TrialState

PAPER_TRIAL = 0

BEST_FILE = "best.yaml"

_OPTUNA_STATES = {
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.PRUNED: optuna.trial.TrialState.PRUNED,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
}


class FinishedTrial(BaseModel):
    """A complete trial, with its best validation MAE."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    value: float
    params: dict[str, Value]


class StudyTrials(TrialSource):
    """Asks an Optuna study for a given number of trials."""

    def __init__(
        self, study: optuna.Study, identity: StudyIdentity, trials: int, seed: int, folder: Path
    ) -> None:
        self._study = study
        self._identity = identity
        self._left = trials
        self._seed = seed
        self._best_file = folder / BEST_FILE
        self._running: dict[int, optuna.Trial] = {}
        study.enqueue_trial(dict(identity.space.values_of(identity.base)))

    def next_trial(self) -> TrialPlan | None:
        """Ask Optuna for a trial; the first one is the paper's configuration."""
        if self._left == 0:
            return None
        self._left -= 1
        trial = self._study.ask(self._identity.space.distributions())
        seed = search_seed(self._seed, trial.number)
        trial.set_user_attr("seed", seed)
        self._running[trial.number] = trial
        return TrialPlan(
            number=trial.number,
            name=trial_name(trial.number),
            params=trial.params,
            config=self._identity.base.with_values(trial.params),
            seed=seed,
        )

    def report(self, number: int, record: EpochRecord) -> bool:
        """Tell Optuna the best MAE so far, and ask its pruner.

        The pruner sees the paper's trial as well, so that others are measured against it, but its
        answer does not stop it.
        """
        trial = self._running[number]
        trial.report(record.best_mae, step=record.epoch)
        return not trial.should_prune() or number == PAPER_TRIAL

    def end(self, number: int, outcome: Outcome) -> None:
        """Tell Optuna how the trial ended, and keep `best.yaml` up to date."""
        trial = self._running.pop(number)
        if outcome.reason is not None:
            trial.set_user_attr("reason", outcome.reason)
        value = None
        if outcome.state is TrialState.COMPLETE:
            reported = self._study.trials[number].intermediate_values
            value = reported[max(reported)]
        self._study.tell(trial, value, state=_OPTUNA_STATES[outcome.state])
        if value is not None and finished_trials(self._study)[0].number == number:
            config = self._identity.base.with_values(trial.params)
            unfinished = self._best_file.with_suffix(".unfinished")
            unfinished.write_text(config.to_yaml(), encoding="utf-8")
            unfinished.replace(self._best_file)


def trial_name(number: int) -> str:
    """Return what people read in lists."""
    return f"trial {number}" + (" (paper)" if number == PAPER_TRIAL else "")


def count_states(study: optuna.Study) -> dict[TrialState, int]:
    """Return how many trials ended in each way."""
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    return {ours: states.count(theirs) for ours, theirs in _OPTUNA_STATES.items()}


def finished_trials(study: optuna.Study) -> list[FinishedTrial]:
    """Return all complete trials, the best first."""
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    ranked = sorted(complete, key=lambda trial: (trial.values[0], trial.number))
    return [
        FinishedTrial(number=trial.number, value=trial.values[0], params=trial.params)
        for trial in ranked
    ]
