"""The run of one trial in MLflow: what it is given, and what is known of it without asking."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tracking.journal.events import EpochTrained, TrialEnded, TrialMeasured, TrialStarted
from tracking.records import DatasetRecord, ParamValue, TrialState
from tracking.run_names import (
    CONFIG_FILE,
    FAILURE_TAG,
    LACKING_TAG,
    MODEL_FOLDER,
    MODEL_TAG,
    REASON_TAG,
    STATE_TAG,
)
from tracking.store.errors import StoreRefusedError
from tracking.store.mlflow_store import FoundRun, Measured, MlflowStore
from tracking.store.run_status import RUNNING, TRIAL_ENDINGS, RunStatus

SENDING, KEPT = "sending", "kept"
LACKING_LENGTH = 250


class TrialRun:
    """A run, which takes what a journal has, and can be given it again: nothing comes twice.

    Every method raises StoreAwayError when the store does not answer, and may then be called
    again, and StoreRefusedError when it answers no, as it does for a run that was deleted.
    """

    def __init__(self, store: MlflowStore, run_id: str) -> None:
        """Know a run that was just created."""
        self.run_id = run_id
        self.begun = False
        """whether it has its parameters, and its configuration if that was not refused"""
        self.refusal: StoreRefusedError | None = None
        """why the store does not take some of its artifacts"""
        self._store = store
        self._status = RUNNING
        self._ended_ms: int | None = None
        self._model: str | None = None
        """what its tag says of its model"""
        self._lacking = False
        """whether its tag says that it lacks artifacts"""
        self._changed = True
        """whether it was given anything since it ended"""
        self._reasons: dict[str, str] = {}
        """the tags that it has with the reason of an end"""
        self._epochs: set[int] | None = set()
        """those that it has; none when the store was not asked"""

    @staticmethod
    def of(store: MlflowStore, found: FoundRun) -> "TrialRun":
        """Know a run by what the store says of it."""
        run = TrialRun(store, found.run_id)
        run.begun = STATE_TAG in found.tags
        run._status = found.status
        run._ended_ms = found.ended_ms
        run._model = found.tags.get(MODEL_TAG)
        run._lacking = LACKING_TAG in found.tags
        run._changed = False
        run._reasons = {
            name: found.tags[name] for name in (FAILURE_TAG, REASON_TAG) if name in found.tags
        }
        run._epochs = None
        return run

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._status == RUNNING

    def is_whole(self, event: TrialEnded) -> bool:
        """Return whether it ended with this very event, and so has everything that it should."""
        # The state alone would not do: a trial can end, go on, and end in the same state again.
        return (
            self._status == TRIAL_ENDINGS[event.outcome.state]
            and self._ended_ms == event.time_ms
            and not self._lacking
        )

    def bring_back(self) -> bool:
        """Restore it if somebody deleted it; return whether that was so."""
        return self._store.restore_run(self.run_id)

    def begin(self, event: TrialStarted, data: DatasetRecord | None) -> None:
        """See that it has its parameters, its data and its configuration."""
        if self.begun and not self._lacking:
            return
        params = {name: _shown(value) for name, value in event.trial.params.items()}
        self._store.log(self.run_id, params=params)
        if data is not None:
            self._store.log_dataset(self.run_id, data)
        if event.trial.config_yaml:
            with self.artifacts():
                self._store.log_text(self.run_id, event.trial.config_yaml, CONFIG_FILE)
        if not self.begun:
            self._store.log(self.run_id, tags={STATE_TAG: "running"})
        self.begun = True

    @contextmanager
    def artifacts(self) -> Iterator[None]:
        """Store artifacts; where they are refused the run does without, and says so in the end."""
        try:
            yield
        except StoreRefusedError as error:
            self.refusal = self.refusal or error

    def go_on(self) -> None:
        """Let it run again if it has ended."""
        if self._status != RUNNING:
            self._forget_reasons()
            self._store.log(self.run_id, tags={STATE_TAG: "running"})
            self._store.reopen_run(self.run_id)
            self._status = RUNNING
            self._changed = True

    def add_epochs(self, events: Sequence[EpochTrained]) -> None:
        """Add the metrics of those epochs, one or more, that it has not got.

        All epochs of a trial have the same metrics, so that any of them tells which are there.
        """
        if self._epochs is None:
            any_metric = next(iter(events[0].metrics))
            self._epochs = {point.step for point in self._store.points(self.run_id, any_metric)}
        missing = {event.epoch: event for event in events if event.epoch not in self._epochs}
        if missing:
            steps = [Measured(e.metrics, e.epoch, e.time_ms) for e in missing.values()]
            self._store.log_steps(self.run_id, steps)
            self._epochs.update(missing)
            self._changed = True

    def add_facts(self, event: TrialMeasured) -> None:
        """Add what the training took, in place of what it took before."""
        self._store.log(
            self.run_id,
            metrics=event.facts.metrics(),
            tags=event.facts.tags(),
            step=event.facts.epochs,
            time_ms=event.time_ms,
        )

    def add_files(self, folder: Path) -> None:
        """Add all files of a folder as artifacts."""
        self._store.log_files(self.run_id, folder)

    def keep_model(self, folder: Path) -> None:
        """See that it has the model of this folder."""
        if self._model != KEPT:
            # A model of which only a part arrives is known to be there, and can be taken away.
            self._set_model(SENDING)
            self._store.log_files(self.run_id, folder, MODEL_FOLDER)
            self._set_model(KEPT)

    def drop_model(self) -> None:
        """See that it has no model."""
        if self._model is not None:
            self._store.delete_files(self.run_id, MODEL_FOLDER)
            self._store.delete_tag(self.run_id, MODEL_TAG)
            self._model = None

    def end(self, event: TrialEnded) -> None:
        """End it in the status that fits the outcome, unless it ended so and nothing is new."""
        state, reason = event.outcome.state, event.outcome.reason
        named = FAILURE_TAG if state is TrialState.FAILED else REASON_TAG
        reasons = {} if reason is None else {named: reason}
        lacking = self.refusal is not None
        same = self._status == TRIAL_ENDINGS[state] and self._reasons == reasons
        if same and not self._changed and self._lacking == lacking:
            return
        self._forget_reasons()
        if self._lacking and not lacking:
            self._store.delete_tag(self.run_id, LACKING_TAG)
        self._lacking = lacking
        tags = {STATE_TAG: state.value, **reasons}
        if lacking:
            tags[LACKING_TAG] = str(self.refusal)[:LACKING_LENGTH]
        self._reasons = reasons
        self._end(tags, TRIAL_ENDINGS[state], event.time_ms)

    def interrupt(self, time_ms: int) -> None:
        """End it as one whose search was broken off."""
        self._end({STATE_TAG: "interrupted"}, "KILLED", time_ms)

    def _end(self, tags: Mapping[str, str], status: RunStatus, ended_ms: int) -> None:
        self._store.log(self.run_id, tags=tags)
        self._store.end_run(self.run_id, status, ended_ms)
        self._status, self._ended_ms, self._epochs = status, ended_ms, None
        self._changed = False

    def _set_model(self, said: str) -> None:
        self._store.log(self.run_id, tags={MODEL_TAG: said})
        self._model = said

    def _forget_reasons(self) -> None:
        for name in list(self._reasons):
            self._store.delete_tag(self.run_id, name)
            del self._reasons[name]


def _shown(value: ParamValue) -> str:
    return repr(value) if isinstance(value, float) else str(value)
