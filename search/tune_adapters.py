"""What Ray Tune calls, turned into entries of a `TrialLedger`: a thin searcher and scheduler.

Tune shows the last result of a trial that ends by itself to neither its scheduler nor its searcher
while running, only to the searcher at completion; the ledger takes it in there.
"""

from pathlib import Path
from typing import Any

from ray import cloudpickle
from ray.exceptions import RayTaskError
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from dlf.command import one_line
from search.ledger import TrialLedger
from search.trainable import OBJECTIVE, PLAN, record_of
from tracking.records import Outcome, TrialState


class NotRestored:
    """Leaves nothing behind when Tune pickles it for `Tuner.restore`, which we do not use."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class LedgerSearcher(NotRestored, Searcher):
    """Gives Tune the trials of a ledger, and tells the ledger how they end."""

    def __init__(self, ledger: TrialLedger, failures: dict[str, str]) -> None:
        super().__init__(metric=OBJECTIVE, mode="min")
        self._ledger = ledger
        self._failures = failures

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return the configuration of the next trial."""
        plan = self._ledger.start(trial_id)
        finished: Any = Searcher.FINISHED
        return finished if plan is None else {PLAN: plan.model_dump_json()}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Enter the end of a trial."""
        if error or result is None:
            reason = self._failures.pop(trial_id, "the trial ended without a result")
            self._ledger.end(trial_id, Outcome(state=TrialState.FAILED, reason=reason))
            return
        record = record_of(result)
        self._ledger.report(trial_id, record)
        state = TrialState.COMPLETE if record.finished else TrialState.PRUNED
        self._ledger.end(trial_id, Outcome(state=state))


class LedgerScheduler(NotRestored, FIFOScheduler):
    """Stops the trials that the ledger's source gives up on."""

    def __init__(self, ledger: TrialLedger, failures: dict[str, str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._ledger = ledger
        self._failures = failures

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Enter an epoch, and decide."""
        go_on = self._ledger.report(trial.trial_id, record_of(result))
        return TrialScheduler.CONTINUE if go_on else TrialScheduler.STOP

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Keep the reason, which the searcher is not told."""
        self._failures[trial.trial_id] = reason_of(trial)


def reason_of(trial: Trial) -> str:
    """Say in one line why a trial failed, from the error that Tune has just written down."""
    if trial.pickled_error_file is None:
        return "the trial could not be run"
    error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    if isinstance(error, RayTaskError):
        error = error.cause
        return f"{type(error).__name__}: {one_line(error)}"
    last_words = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"the worker process died: {last_words[-1] if last_words else type(error).__name__}"
