"""One book for every running trial, so that its source and its recorders are told the same.

The adapters to Ray Tune write into it, and so can any other loop that runs trials.
"""

from dlf.training import EpochRecord
from search.trials import TrialPlan, TrialSource
from tracking.recorder import Recorder
from tracking.records import Outcome, TrialRecord, TrialState

BROKEN_OFF = "the run ended before this trial did"


class TrialLedger:
    """Follows the trials of one source from their start to their end.

    A trial is known here by the key of whoever runs it, and to the source by its number.
    """

    def __init__(self, source: TrialSource, recorder: Recorder) -> None:
        self.epochs_trained = 0
        self._source = source
        self._recorder = recorder
        self._exhausted = False
        self._running: dict[str, int] = {}
        self._epochs: dict[str, int] = {}

    @property
    def done(self) -> bool:
        """Whether the source has no more trials, and all of them have ended."""
        return self._exhausted and not self._running

    def start(self, key: str) -> TrialPlan | None:
        """Begin the next trial, if there is one."""
        plan = self._source.next_trial()
        if plan is None:
            self._exhausted = True
            return None
        self._running[key] = plan.number
        self._epochs[key] = 0
        self._recorder.start_trial(
            TrialRecord(
                number=plan.number,
                name=plan.name,
                params=plan.params,
                config_yaml=plan.config.to_yaml(),
                seed=plan.seed,
            )
        )
        return plan

    def report(self, key: str, record: EpochRecord) -> bool:
        """Enter an epoch; return whether the trial should go on.

        An epoch that was entered already is not entered again.
        """
        if record.epoch <= self._epochs[key]:
            return True
        number = self._running[key]
        self._epochs[key] = record.epoch
        self.epochs_trained += 1
        self._recorder.log_epoch(number, record.epoch, record.named())
        return self._source.report(number, record)

    def end(self, key: str, outcome: Outcome) -> None:
        """Close a trial."""
        number = self._running.pop(key)
        self._source.end(number, outcome)
        self._recorder.end_trial(number, outcome)

    def break_off(self) -> None:
        """Close every trial that is still running as failed."""
        for key in list(self._running):
            self.end(key, Outcome(state=TrialState.FAILED, reason=BROKEN_OFF))
