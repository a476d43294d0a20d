"""The trials of a study, asked of Optuna and told back to it truthfully.

A trial that the scheduler stopped is PRUNED with every value it reported, one that crashed is FAIL
with its reason, any other is COMPLETE. The objective, step by step, is the best validation MAE so
far. Trial 0 is the paper's configuration, and no scheduler stops it. Trials that a driver left
under way are handed out again under their numbers before any new one.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, Trial
from optuna.trial import TrialState as OptunaState

from dlf.command import BadInputError
from dlf.config import Config, Value
from dlf.training.training import EpochRecord
from dlf.whole_file import replaced_whole
from search.study.budget import BudgetKeeper
from search.study.identity import PAPER_TRIAL, StudyIdentity
from search.study.records import (
    COPY_OF,
    DUPLICATE_OF,
    NOTES,
    OPTUNA_STATES,
    REASON,
    SEEDS,
    duplicate_of,
    finished_trials,
    last_value,
    outcome_of,
    trial_name,
)
from search.trial.plan import Settled, TrialPlan, TrialSource
from search.trial.seeds import search_seed
from tracking.records import Outcome, TrialState

BEST_FILE = "best.yaml"
"""the best configuration so far"""


class StudyTrials(TrialSource):
    """Asks an Optuna study for trials until a budget is spent."""

    def __init__(
        self,
        study: optuna.Study,
        identity: StudyIdentity,
        keeper: BudgetKeeper,
        *,
        seed: int,
        folder: Path,
        allow_duplicates: bool = False,
    ) -> None:
        self._study = study
        self._identity = identity
        self._keeper = keeper
        self._seed = seed
        self._best_file = folder / BEST_FILE
        self._allow_duplicates = allow_duplicates
        self._running: dict[int, Trial] = {}
        self._last_step: dict[int, int] = {}
        self._known: dict[Config, int] = {}
        """the trial that has a configuration"""
        self._followers: dict[int, list[int]] = {}
        """by a trial under way: its duplicates, which wait for it"""
        self._left_behind = self._take_stock()

    @property
    def left_behind(self) -> set[int]:
        """The trials that a former driver left under way and that were not handed out yet."""
        return {trial.number for trial in self._left_behind}

    def next_trial(self) -> TrialPlan | Settled | None:
        """Return a trial that was left under way, else ask Optuna for another one."""
        self._keeper.look_at_the_clock()
        if self._left_behind:
            left = self._left_behind.pop(0)
            return self._plan(Trial(self._study, left._trial_id), resumed=True)
        if self._keeper.spent is not None:
            return None
        if self._keeper.trials_left() == 0:
            return None
        self._keeper.trial_asked()
        return self._plan(self._study.ask(), resumed=False)

    def report(self, number: int, record: EpochRecord) -> Outcome | None:
        """Tell Optuna the best MAE so far, and ask its pruner.

        The pruner sees the paper's trial as well, so that others are measured against it, but its
        answer does not stop it.
        """
        trial = self._running[number]
        if record.epoch > self._last_step[number]:
            trial.report(record.best_mae, step=record.epoch)
            self._last_step[number] = record.epoch
            self._keeper.epoch_trained(number, record.best_mae)
        elif record.epoch < self._last_step[number]:
            return None
        self._keeper.look_at_the_clock()
        if self._keeper.spent is not None:
            return self._end_of_budget(number)
        if trial.should_prune() and number != PAPER_TRIAL:
            return Outcome(state=TrialState.PRUNED)
        return None

    def end(self, number: int, outcome: Outcome) -> Mapping[int, Outcome]:
        """Tell Optuna how the trial ended, and keep `best.yaml` up to date."""
        trial = self._running.pop(number)
        self._last_step.pop(number, None)
        value = self._tell(trial, outcome)
        followers = self._followers.pop(number, [])
        for follower in followers:
            self._copy_end(self._running.pop(follower), self._frozen(number), outcome)
        self._keeper.trial_ended(value)
        if (
            outcome.state is TrialState.COMPLETE
            and finished_trials(self._study)[0].number == number
        ):
            self._keep_as_best(number, trial.params)
        return dict.fromkeys([number, *followers], outcome)

    def note(self, number: int, text: str) -> None:
        """Keep a note with the trial."""
        trial = self._running[number]
        trial.set_user_attr(NOTES, [*trial.user_attrs.get(NOTES, []), text])

    def _take_stock(self) -> list[FrozenTrial]:
        """Count what the study has already; return the trials that were left under way."""
        trials = self._study.get_trials(deepcopy=False)
        left = []
        for trial in trials:
            if trial.state is OptunaState.WAITING:
                continue
            if trial.state in (OptunaState.COMPLETE, OptunaState.PRUNED):
                config = self._identity.config_of(trial.number, trial.params)
                self._known.setdefault(config, trial.number)
            if COPY_OF in trial.user_attrs:
                continue
            self._keeper.trial_asked()
            if duplicate_of(trial) is None:
                for value in trial.intermediate_values.values():
                    self._keeper.epoch_trained(trial.number, value)
            if trial.state is OptunaState.RUNNING:
                left.append(trial)
            else:
                failed = trial.state is OptunaState.FAIL
                self._keeper.trial_ended(None if failed else last_value(trial))
        return left

    def _plan(self, trial: Trial, *, resumed: bool) -> TrialPlan | Settled:
        """Give a trial its values and its seeds, and see whether it must be trained at all."""
        number, identity = trial.number, self._identity
        params = self._suggest(trial)
        seeds = [search_seed(self._seed, number, r) for r in range(identity.replicates)]
        trial.set_user_attr(SEEDS, seeds)
        self._running[number] = trial
        name, shown = trial_name(number), identity.shown_params(number, params)
        settled = partial(Settled, number=number, name=name, params=shown, seeds=seeds)
        try:
            config = identity.config_of(number, params)
        except BadInputError as error:
            outcome = Outcome(state=TrialState.FAILED, reason=str(error))
            return settled(config=None, outcome=outcome)
        if resumed and self._keeper.spent is not None:
            return settled(config=config, outcome=self._end_of_budget(number))
        twin = self._twin_of(number, config)
        if twin is None:
            self._forget_twin(trial)
        else:
            trial.set_user_attr(DUPLICATE_OF, twin)
            as_twin = outcome_of(self._frozen(twin))
            if as_twin is None:
                self._followers.setdefault(twin, []).append(number)
            return settled(config=config, outcome=as_twin)
        steps = self._frozen(number).intermediate_values
        self._last_step[number] = max(steps, default=0)
        return TrialPlan(
            number=number,
            name=name,
            params=shown,
            config=config,
            seeds=seeds,
            max_epochs=identity.max_epochs,
            begun=resumed,
        )

    def _end_of_budget(self, number: int) -> Outcome:
        """Return how a trial ends that is under way when a budget is spent."""
        reached = self._keeper.reached_by == number
        state = TrialState.COMPLETE if reached else TrialState.PRUNED
        return Outcome(state=state, reason=self._keeper.spent)

    def _suggest(self, trial: Trial) -> dict[str, Value]:
        identity = self._identity
        if trial.number != PAPER_TRIAL:
            return identity.space.suggest(trial, identity.base)
        inside = identity.space.values_of(identity.paper)
        if not inside:
            return {}
        outside = [name for name in identity.space.parameters if name not in inside]
        return identity.space.without(outside).suggest(trial, identity.paper)

    def _twin_of(self, number: int, config: Config) -> int | None:
        """Return the trial that has the same configuration; the paper's is trained in any case."""
        twin = self._known.setdefault(config, number)
        if twin >= number or number == PAPER_TRIAL or self._allow_duplicates:
            return None
        if self._frozen(twin).state is OptunaState.FAIL:
            self._known[config] = number
            return None
        return twin

    def _forget_twin(self, trial: Trial) -> None:
        """Let a trial be nobody's duplicate that was one, before its twin failed perhaps."""
        if duplicate_of(self._frozen(trial.number)) is not None:
            trial.set_user_attr(DUPLICATE_OF, None)

    def _frozen(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[number]

    def _tell(self, trial: Trial, outcome: Outcome) -> float | None:
        """Tell Optuna of an end; return the value that the trial reached, none when it failed."""
        if outcome.reason is not None:
            trial.set_user_attr(REASON, outcome.reason)
        frozen = self._frozen(trial.number)
        twin = duplicate_of(frozen)
        if twin is not None:
            self._copy_end(trial, self._frozen(twin), outcome)
            return last_value(self._frozen(twin))
        complete = outcome.state is TrialState.COMPLETE
        value = None if outcome.state is TrialState.FAILED else last_value(frozen)
        self._study.tell(trial, value if complete else None, state=OPTUNA_STATES[outcome.state])
        return value

    def _copy_end(self, trial: Trial, twin: FrozenTrial, outcome: Outcome) -> None:
        """End a duplicate as its twin did."""
        if outcome.reason is not None:
            trial.set_user_attr(REASON, outcome.reason)
        value = last_value(twin)
        if outcome.state is TrialState.PRUNED and value is not None:
            trial.report(value, step=max(twin.intermediate_values))
        complete = outcome.state is TrialState.COMPLETE
        self._study.tell(trial, value if complete else None, state=OPTUNA_STATES[outcome.state])

    def _keep_as_best(self, number: int, params: dict[str, Value]) -> None:
        config = self._identity.config_of(number, params)
        with replaced_whole(self._best_file) as unfinished:
            unfinished.write_text(config.to_yaml(), encoding="utf-8")
