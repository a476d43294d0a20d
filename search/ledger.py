"""One book for every running trial, so that its source and its recorders are told the same.

The adapters to Ray Tune write into it, and so can any other loop that runs trials. Recorders hear
of an epoch before the source does, and of an end after it: a driver that is killed in between has
then lost nothing, since what the source knows can be told again.
"""

import math

from dlf.training import EpochRecord
from search.trials import Settled, TrialPlan, TrialSource
from tracking.recorder import Recorder
from tracking.records import Outcome, TrialRecord, TrialState

NO_RESULT = "the trial ended without a result"


class TrialLedger:
    """Follows the trials of one source from their start to their end.

    A trial is known here by the key of whoever runs it, and to the source by its number.
    """

    def __init__(self, source: TrialSource, recorder: Recorder) -> None:
        self._source = source
        self._recorder = recorder
        self._numbers: dict[str, int] = {}
        self._epochs: dict[str, int] = {}
        self._endings: dict[str, Outcome] = {}

    def start(self, key: str) -> TrialPlan | None:
        """Begin the next trial that must be trained, if there is one."""
        while (plan := self._source.next_trial()) is not None:
            self._recorder.start_trial(
                TrialRecord(
                    number=plan.number,
                    name=plan.name,
                    params=plan.params,
                    config_yaml=plan.config.to_yaml() if isinstance(plan, TrialPlan) else "",
                    seed=plan.seeds[0],
                )
            )
            if isinstance(plan, TrialPlan):
                self._numbers[key] = plan.number
                self._epochs[key] = 0
                return plan
            self._settle(plan)
        return None

    def number(self, key: str) -> int:
        """Return the number of a trial under way."""
        return self._numbers[key]

    def report(self, key: str, record: EpochRecord) -> bool:
        """Enter an epoch; return whether the trial should go on.

        An epoch that was entered already is not entered again.
        """
        if record.epoch <= self._epochs[key]:
            return key not in self._endings
        self._epochs[key] = record.epoch
        number = self._numbers[key]
        if not math.isfinite(record.best_mae):
            reason = f"valid/mae is {record.valid.mae} after epoch {record.epoch}"
            self._endings[key] = Outcome(state=TrialState.FAILED, reason=reason)
            return False
        self._recorder.log_epoch(number, record.epoch, record.named())
        outcome = self._source.report(number, record)
        if record.finished:
            outcome = Outcome(state=TrialState.COMPLETE)
        if outcome is not None:
            self._endings[key] = outcome
        return outcome is None

    def note(self, key: str, text: str) -> None:
        """Enter something worth knowing about a trial."""
        self._source.note(self._numbers[key], text)

    def end(self, key: str, failure: str | None = None) -> None:
        """Close a trial: as failed for a reason, else as its reports have decided."""
        if failure is None:
            outcome = self._endings.get(key, Outcome(state=TrialState.FAILED, reason=NO_RESULT))
        else:
            outcome = Outcome(state=TrialState.FAILED, reason=failure)
        number = self._numbers[key]
        followers = self._source.end(number, outcome)
        for ended in (number, *followers):
            self._recorder.end_trial(ended, outcome)
        del self._numbers[key], self._epochs[key]
        self._endings.pop(key, None)

    def _settle(self, plan: Settled) -> None:
        if plan.outcome is not None:
            self._source.end(plan.number, plan.outcome)
            self._recorder.end_trial(plan.number, plan.outcome)
