"""The one place that talks to MLflow about runs: with precise types and errors of our own."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from tracking.records import DatasetRecord, Metrics, Record
from tracking.store.errors import StoreRefusedError, translated_errors
from tracking.store.run_status import RUNNING, RunStatus

if TYPE_CHECKING:
    from mlflow import MlflowClient

Result = TypeVar("Result")

PAGE_SIZE = 1000
DIGEST_LENGTH = 36
"""of a dataset, as far as MLflow takes it"""
BATCH_METRICS = 1000
"""as many as MLflow takes in one request"""


class FoundRun(Record):
    """A run as the store has it, with the last value of each metric."""

    run_id: str
    status: str
    deleted: bool
    """by whoever uses the UI"""
    ended_ms: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Metrics


class Point(NamedTuple):
    """One value of a metric, by its place."""

    step: int
    time_ms: int


class Measured(NamedTuple):
    """The metrics of one step."""

    metrics: Metrics
    step: int
    time_ms: int


class Persist(Protocol):
    """Makes a request, and again where it raises StoreAwayError, as often as it likes."""

    def __call__(self, request: Callable[[], Result], /) -> Result: ...  # noqa: D102


def ask_once(request: Callable[[], Result], /) -> Result:
    """Make the request."""
    return request()


class MlflowStore:
    """Runs of one tracking store.

    Every method raises StoreAwayError when the store does not answer and StoreRefusedError when
    it answers no.
    """

    def __init__(self, client: "MlflowClient", persist: Persist = ask_once) -> None:
        """Talk to a store; `persist` makes each request but a creation, or repeats it."""
        self.client = client
        self._persist = persist

    def check(self) -> None:
        """Ask the store for anything at all."""
        self._ask(lambda: self.client.search_experiments(max_results=1))

    def experiment(self, name: str, artifact_root: str | None) -> str:
        """Return the identity of the experiment, created when missing."""
        from mlflow import MlflowException
        from mlflow.entities import Experiment

        location = None if artifact_root is None else f"{artifact_root}/{name}"

        def find_or_create() -> Experiment:
            found = self.client.get_experiment_by_name(name)
            if found is not None:
                return found
            try:
                identity = self.client.create_experiment(name, artifact_location=location)
            except MlflowException as error:
                found = self.client.get_experiment_by_name(name)
                if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
                    raise
                return found
            return self.client.get_experiment(identity)

        found = self._ask(find_or_create)
        if found.lifecycle_stage == "deleted":
            raise StoreRefusedError(
                f"its experiment {name!r} was deleted: bring it back with `mlflow experiments "
                f"restore --experiment-id {found.experiment_id}`, with MLFLOW_TRACKING_URI set "
                "to this address"
            )
        return str(found.experiment_id)

    def experiments(self, prefix: str) -> list[str]:
        """Return the identities of the experiments whose names begin so."""
        found: list[str] = []
        token: str | None = None
        named = f"name LIKE '{prefix}%'"
        while True:
            page = self._ask(
                partial(self.client.search_experiments, filter_string=named, page_token=token)
            )
            found += [str(experiment.experiment_id) for experiment in page]
            token = page.token
            if not token:
                return found

    def find_runs(
        self, experiments: Sequence[str], tags: Mapping[str, str], *, deleted: bool = False
    ) -> Iterator[FoundRun]:
        """Return the runs with these tags, the oldest first; deleted ones only when asked for."""
        from mlflow.entities import ViewType

        view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
        wanted = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        token = None
        while True:
            page = self._ask(
                partial(
                    self.client.search_runs,
                    list(experiments),
                    wanted,
                    view,
                    max_results=PAGE_SIZE,
                    order_by=["attributes.start_time ASC"],
                    page_token=token,
                )
            )
            for run in page:
                yield FoundRun(
                    run_id=run.info.run_id,
                    status=run.info.status,
                    deleted=run.info.lifecycle_stage == "deleted",
                    ended_ms=run.info.end_time,
                    tags=run.data.tags,
                    params=run.data.params,
                    metrics=run.data.metrics,
                )
            token = page.token
            if not token:
                return

    def points(self, run_id: str, metric: str) -> list[Point]:
        """Return when a run was given a metric, by step; a step that it has twice is twice there.

        The order is that of the steps.
        """
        history = self._ask(lambda: self.client.get_metric_history(run_id, metric))
        return sorted(Point(point.step, point.timestamp) for point in history)

    def create_run(
        self, experiment_id: str, name: str, tags: Mapping[str, str], started_ms: int
    ) -> str:
        """Start a run and return its identity.

        Nobody asks again by himself, for that would make two of them.
        """
        with translated_errors():
            run = self.client.create_run(
                experiment_id, start_time=started_ms, tags=dict(tags), run_name=name
            )
        return str(run.info.run_id)

    def log(
        self,
        run_id: str,
        *,
        params: Mapping[str, str] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        step: int = 0,
        time_ms: int = 0,
        model_id: str | None = None,
    ) -> None:
        """Add parameters, metrics and tags to a run in one request; the same twice is once."""
        from mlflow.entities import Metric, Param, RunTag

        points = [
            Metric(name, float(value), time_ms, step, model_id=model_id)
            for name, value in (metrics or {}).items()
        ]
        described = [Param(name, value) for name, value in (params or {}).items()]
        tagged = [RunTag(name, value) for name, value in (tags or {}).items()]
        self._ask(lambda: self.client.log_batch(run_id, points, described, tagged))

    def log_steps(self, run_id: str, steps: Sequence[Measured]) -> None:
        """Add the metrics of some steps, one or more, in as few requests as MLflow allows."""
        from mlflow.entities import Metric

        # The metrics of a step stay together, so that whoever finds one of them has all.
        at_once = BATCH_METRICS // max(len(each.metrics) for each in steps)
        for start in range(0, len(steps), at_once):
            points = [
                Metric(name, float(value), each.time_ms, each.step)
                for each in steps[start : start + at_once]
                for name, value in each.metrics.items()
            ]
            self._ask(partial(self.client.log_batch, run_id, points))

    def log_dataset(self, run_id: str, data: DatasetRecord) -> None:
        """Say which data the run is about; the same twice is once."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=data.name,
            digest=data.digest[:DIGEST_LENGTH],
            source_type="local",
            source=json.dumps({"uri": data.source}),
            profile=json.dumps(dict(data.profile)),
        )
        context = InputTag("mlflow.data.context", "train and valid")
        self._ask(lambda: self.client.log_inputs(run_id, [DatasetInput(dataset, [context])]))

    def log_files(self, run_id: str, folder: Path, inside: str | None = None) -> None:
        """Keep the files of a folder as artifacts of the run, in a folder of its own if named."""
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                parts = [*([inside] if inside else []), *file.relative_to(folder).parts[:-1]]
                self._ask(partial(self.client.log_artifact, run_id, str(file), "/".join(parts)))

    def log_file(self, run_id: str, file: Path) -> None:
        """Keep a file as an artifact of the run."""
        self._ask(lambda: self.client.log_artifact(run_id, str(file)))

    def delete_files(self, run_id: str, inside: str) -> None:
        """Take a folder of artifacts away."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        def delete() -> None:
            root = self.client.get_run(run_id).info.artifact_uri
            repository = get_artifact_repository(root, tracking_uri=self.client.tracking_uri)
            repository.delete_artifacts(inside)

        self._ask(delete)

    def is_deleted(self, run_id: str) -> bool:
        """Tell whether somebody deleted the run."""
        run = self._ask(lambda: self.client.get_run(run_id))
        return bool(run.info.lifecycle_stage == "deleted")

    def restore_run(self, run_id: str) -> bool:
        """Bring a run back if it was deleted; return whether that was so."""
        if not self.is_deleted(run_id):
            return False
        self._ask(lambda: self.client.restore_run(run_id))
        return True

    def log_text(self, run_id: str, text: str, file: str) -> None:
        """Keep the text as an artifact of the run, under this file name."""
        self._ask(lambda: self.client.log_text(run_id, text, file))

    def end_run(self, run_id: str, status: RunStatus, ended_ms: int) -> None:
        """End a run."""
        self._ask(lambda: self.client.set_terminated(run_id, status, ended_ms))

    def reopen_run(self, run_id: str) -> None:
        """Let a run that had ended go on; MLflow shows its old end until the new one."""
        self._ask(lambda: self.client.update_run(run_id, RUNNING))

    def delete_run(self, run_id: str) -> None:
        """Take a run away; MLflow can restore it."""
        self._ask(lambda: self.client.delete_run(run_id))

    def delete_tag(self, run_id: str, name: str) -> None:
        """Take a tag away, if the run has it."""

        def delete() -> None:
            if name in self.client.get_run(run_id).data.tags:
                self.client.delete_tag(run_id, name)

        self._ask(delete)

    def _ask(self, request: Callable[[], Result]) -> Result:
        def translated() -> Result:
            with translated_errors():
                return request()

        return self._persist(translated)
