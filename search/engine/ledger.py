"""One book for every running trial, so that its source and its recorders are told the same.

The adapters to Ray Tune write into it, and so can any other loop that runs trials. Recorders hear
of an epoch before the source does, and of an end after it: a driver that is killed in between has
then lost nothing, since what the source knows can be told again.
"""

import math
from collections.abc import Set
from dataclasses import dataclass

from dlf.metrics import OBJECTIVE, TRAIN_MAE
from dlf.training.training import EpochRecord
from search.trial.code_version import code_revision
from search.trial.plan import Settled, TrialPlan, TrialSource, Wait
from tracking.recorder import Recorder
from tracking.records import Outcome, TrialFacts, TrialRecord, TrialState

NO_RESULT = "the trial ended without a result"


@dataclass
class UnderWay:
    """A trial that was begun and has not ended."""

    plan: TrialPlan
    epoch: int = 0
    facts: TrialFacts | None = None
    ending: Outcome | None = None


class TrialLedger:
    """Follows the trials of one source from their start to their end.

    A trial is known here by the key of whoever runs it, and to the source by its number.
    """

    def __init__(self, source: TrialSource, recorder: Recorder) -> None:
        self._source = source
        self._recorder = recorder
        self._under_way: dict[str, UnderWay] = {}
        self._put_off: list[UnderWay] = []
        """trials that whoever ran them could not bring to their end"""

    def start(self, key: str) -> TrialPlan | Wait | None:
        """Begin the next trial that must be trained, if there is one or may be one later.

        A trial that was put off comes first. While any is under way it may be put off yet, so that
        there are no more trials only when none is.
        """
        if self._put_off:
            trial = self._put_off.pop(0)
            self._under_way[key] = trial
            return trial.plan
        while (plan := self._source.next_trial()) is not None:
            if isinstance(plan, Wait):
                return plan
            self._recorder.start_trial(
                TrialRecord(
                    number=plan.number,
                    name=plan.name,
                    params=plan.params,
                    config_yaml=plan.config.to_yaml() if plan.config is not None else "",
                    seed=plan.seeds[0],
                    code=code_revision(),
                )
            )
            if isinstance(plan, TrialPlan):
                self._under_way[key] = UnderWay(plan)
                return plan
            self._settle(plan)
        return Wait() if self._under_way else None

    @property
    def keys(self) -> Set[str]:
        """The keys of the trials under way."""
        return self._under_way.keys()

    def plan(self, key: str) -> TrialPlan:
        """Return what a trial under way is to train."""
        return self._under_way[key].plan

    def epoch(self, key: str) -> int:
        """Return the last epoch that a trial under way has reported."""
        return self._under_way[key].epoch

    def number(self, key: str) -> int:
        """Return the number of a trial under way."""
        return self.plan(key).number

    def put_off(self, key: str, plan: TrialPlan) -> None:
        """Let a trial be begun once more, by another key, with the plan that it then has."""
        trial = self._under_way.pop(key)
        trial.plan = plan.model_copy(update={"begun": True})
        self._put_off.append(trial)

    def report(self, key: str, record: EpochRecord, facts: TrialFacts | None = None) -> bool:
        """Enter an epoch, and what the trial took so far; return whether it should go on.

        An epoch that was entered already is not entered again.
        """
        trial = self._under_way[key]
        trial.facts = facts
        if record.epoch <= trial.epoch:
            return trial.ending is None
        trial.epoch = record.epoch
        if not math.isfinite(record.best_mae):
            mae = TRAIN_MAE if record.valid is None else OBJECTIVE
            reason = f"{mae} is {record.named()[mae]} after epoch {record.epoch}"
            trial.ending = Outcome(state=TrialState.FAILED, reason=reason)
            return False
        self._recorder.log_epoch(trial.plan.number, record.epoch, record.named())
        outcome = self._source.report(trial.plan.number, record)
        if record.finished:
            outcome = Outcome(state=TrialState.COMPLETE)
        if outcome is not None:
            trial.ending = outcome
        return outcome is None

    def note(self, key: str, text: str) -> None:
        """Enter something worth knowing about a trial."""
        self._source.note(self._under_way[key].plan.number, text)

    def end(self, key: str, failure: str | None = None) -> None:
        """Close a trial: as failed for a reason, else as its reports have decided."""
        trial = self._under_way[key]
        if failure is not None:
            outcome = Outcome(state=TrialState.FAILED, reason=failure)
        else:
            outcome = trial.ending or Outcome(state=TrialState.FAILED, reason=NO_RESULT)
        if trial.facts is not None:
            self._recorder.log_facts(trial.plan.number, trial.facts)
        for number, ended in self._source.end(trial.plan.number, outcome).items():
            self._recorder.end_trial(number, ended)
        del self._under_way[key]

    def _settle(self, plan: Settled) -> None:
        if plan.outcome is not None:
            self._source.end(plan.number, plan.outcome)
            self._recorder.end_trial(plan.number, plan.outcome)
