"""What Ray Tune calls, turned into entries of a `TrialLedger`: a searcher, scheduler and stopper.

Tune shows the last result of a trial that ends by itself to neither its scheduler nor its searcher
while running, only to the searcher at completion; the ledger takes it in there. Whatever goes wrong
in the driver is kept by the `Brake`, since Tune would take it for a fault of the trial.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

from ray.tune import Stopper
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from dlf.metrics import BEST_OBJECTIVE
from search.engine.failure_reasons import Failure, FailureKind, failure_of
from search.engine.ledger import NO_RESULT, TrialLedger
from search.engine.second_chances import SecondChances
from search.engine.trainable import NOTES, PLAN, facts_of, record_of
from search.engine.tune_log import TuneLog
from search.engine.watchdog import hanging_place, take_stack
from search.resources.capacity import Capacity
from search.trial.checkpoints import Checkpoints
from search.trial.plan import TrialPlan, Wait

Result = TypeVar("Result")

LOOK_SECONDS = 5.0


class NotRestored:
    """Leaves nothing behind when Tune pickles it for `Tuner.restore`, which we do not use."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class BrakePulledError(BaseException):
    """What passes through Tune, which would wait for the trials under way on any `Exception`."""


class Brake(NotRestored, Stopper):
    """Ends Tune between two of its events, and keeps why.

    It asks whether the search may go on: `look_always` before everything it does, `look` now and
    then. What they raise is a cause like others.
    """

    def __init__(self, look: Callable[[], None], look_always: Callable[[], None]) -> None:
        self.cause: BaseException | None = None
        self._look = look
        self._look_always = look_always
        self._looked = monotonic()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no single trial."""
        return False

    def stop_all(self) -> bool:
        """Raise `BrakePulledError` when there is a cause."""
        if monotonic() - self._looked > LOOK_SECONDS:
            self.guard(self._look, None)
            self._looked = monotonic()
        self.guard(lambda: None, None)
        if self.cause is not None:
            raise BrakePulledError
        return False

    def guard(self, work: Callable[[], Result], otherwise: Result) -> Result:
        """Do a piece of work, or nothing any more once something went wrong."""
        if self.cause is not None:
            return otherwise
        try:
            self._look_always()
            return work()
        # Whatever it is, it is raised again outside of Tune.
        except Exception as error:
            self.cause = self.cause or error
            return otherwise


@dataclass
class Books:
    """What the adapters write into."""

    ledger: TrialLedger
    log: TuneLog
    checkpoints: Checkpoints
    chances: SecondChances
    failures: dict[str, Failure] = field(default_factory=dict)
    """of which the scheduler is told and the searcher is not"""

    def report(self, key: str, result: dict[str, Any]) -> bool:
        """Enter a result; return whether its trial should go on."""
        record = record_of(result)
        finite = math.isfinite(record.best_mae)
        self.log.result(self.ledger.number(key), record.epoch, finite=finite)
        for note in result[NOTES]:
            self.ledger.note(key, note)
        return self.ledger.report(key, record, facts_of(result))

    def end(self, key: str, result: dict[str, Any] | None, *, failed: bool) -> None:
        """Enter the end of a trial, unless it is begun once more."""
        number = self.ledger.number(key)
        if failed or result is None:
            failure = self.failures.pop(key, Failure(FailureKind.RAISED, NO_RESULT))
            plan = self.ledger.plan(key)
            chance = self.chances.after(failure, plan, self.ledger.epoch(key))
            if chance is not None:
                self.ledger.note(key, chance.note)
                self.ledger.put_off(key, chance.plan)
                return
            self.log.ended(number, "ERROR")
            self.ledger.end(key, self.chances.reason(failure, plan))
        else:
            # What stopped a trial was entered when it came.
            if record_of(result).epoch > self.ledger.epoch(key):
                self.report(key, result)
            self.log.ended(number, "TERMINATED")
            self.ledger.end(key)
        self.checkpoints.discard(number)

    def fail(self, key: str, trial: Trial) -> None:
        """Keep why a trial failed, with the stack of one that hung."""
        failure = failure_of(trial)
        if failure.kind is FailureKind.NODE:
            stack = ""
        else:
            stack = take_stack(self.checkpoints, self.ledger.number(key))
        if stack:
            reason = f"it hung, and was ended, at {hanging_place(stack)}"
            failure = Failure(FailureKind.RAISED, reason)
            self.ledger.note(key, stack)
        self.failures[key] = failure


class LedgerSearcher(NotRestored, Searcher):
    """Gives Tune the trials of a ledger, and tells the ledger how they end."""

    def __init__(self, books: Books, brake: Brake, capacity: Capacity) -> None:
        super().__init__(metric=BEST_OBJECTIVE, mode="min")
        self._books = books
        self._brake = brake
        self._capacity = capacity

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return the configuration of the next trial; none for now where it must be waited for."""
        plan = self._brake.guard(lambda: self._start(trial_id), None)
        if isinstance(plan, Wait):
            return None
        finished: Any = Searcher.FINISHED
        return finished if plan is None else {PLAN: plan.model_dump_json()}

    def _start(self, trial_id: str) -> TrialPlan | Wait | None:
        ledger = self._books.ledger
        if len(ledger.keys) >= self._capacity.trials():
            return Wait()
        return ledger.start(trial_id)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Enter the end of a trial."""
        self._brake.guard(lambda: self._books.end(trial_id, result, failed=error), None)


class LedgerScheduler(NotRestored, FIFOScheduler):
    """Stops the trials that the ledger's source gives up on."""

    def __init__(self, books: Books, brake: Brake) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._books = books
        self._brake = brake

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Enter an epoch, and decide."""
        go_on = self._brake.guard(lambda: self._books.report(trial.trial_id, result), False)
        return TrialScheduler.CONTINUE if go_on else TrialScheduler.STOP

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Keep the reason, which the searcher is not told."""
        self._brake.guard(lambda: self._books.fail(trial.trial_id, trial), None)
