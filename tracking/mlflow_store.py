"""The one place that talks to MLflow: a store with precise types and errors of our own.

Importing this module does not import MLflow, which takes seconds; `connect` does.
"""

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tracking.background import StoreAwayError
from tracking.location import TrackingLocation, without_password
from tracking.records import Metrics, Record

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUNNING = "RUNNING"
RunStatus = Literal["FINISHED", "KILLED", "FAILED"]

AWAY_CODES = {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"}
CONTACT_SECONDS = 5
PAGE_SIZE = 1000
REASON_LENGTH = 300


class StoreRefusedError(Exception):
    """The store answered and refused; the message is the reason in words."""


class FoundRun(Record):
    """A run as the store has it, with the last value of each metric."""

    run_id: str
    status: str
    ended_ms: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Metrics


class Point(NamedTuple):
    """One value of a metric, by its place."""

    step: int
    time_ms: int


def quiet_mlflow() -> None:
    """Tell MLflow, before its import, to send no telemetry, print nothing and not to retry.

    A creation that is repeated where nobody sees it makes two runs. Whoever writes repeats himself.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")


def connect(location: TrackingLocation) -> "MlflowStore":
    """Open the store, creating a sqlite database that does not exist.

    Raises:
        BadInputError: when nothing usable answers there.
    """
    quiet_mlflow()
    if location.database_file is not None:
        _check_sqlite(location, location.database_file)
    from alembic.util import CommandError
    from mlflow import MlflowClient

    try:
        with translated_errors():
            store = MlflowStore(MlflowClient(location.uri, registry_uri=location.uri))
            store.check()
    except (StoreAwayError, StoreRefusedError) as error:
        raise location.unusable(str(error)) from error
    except CommandError as error:
        raise location.unusable("it is a database of something other than MLflow") from error
    return store


class MlflowStore:
    """Runs of one tracking store.

    Every method raises StoreAwayError when the store does not answer and StoreRefusedError when
    it answers no.
    """

    def __init__(self, client: "MlflowClient") -> None:
        self.client = client

    def check(self) -> None:
        """Ask the store for anything at all."""
        with translated_errors():
            self.client.search_experiments(max_results=1)

    def experiment(self, name: str, artifact_root: str | None) -> str:
        """Return the identity of the experiment, created when missing."""
        from mlflow import MlflowException

        with translated_errors():
            found = self.client.get_experiment_by_name(name)
            if found is None:
                location = None if artifact_root is None else f"{artifact_root}/{name}"
                try:
                    return self.client.create_experiment(name, artifact_location=location)
                except MlflowException as error:
                    found = self.client.get_experiment_by_name(name)
                    if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
                        raise
        if found.lifecycle_stage == "deleted":
            raise StoreRefusedError(
                f"its experiment {name!r} was deleted: bring it back with `mlflow experiments "
                f"restore --experiment-id {found.experiment_id}`, with MLFLOW_TRACKING_URI set "
                "to this address"
            )
        return str(found.experiment_id)

    def experiments(self, prefix: str) -> list[str]:
        """Return the identities of the experiments whose names begin so."""
        found, token = [], None
        with translated_errors():
            while True:
                page = self.client.search_experiments(
                    filter_string=f"name LIKE '{prefix}%'", page_token=token
                )
                found += [str(experiment.experiment_id) for experiment in page]
                token = page.token
                if not token:
                    return found

    def find_runs(self, experiments: Sequence[str], tags: Mapping[str, str]) -> Iterator[FoundRun]:
        """Return the runs with these tags that nobody deleted, the oldest first."""
        wanted = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        token = None
        while True:
            with translated_errors():
                page = self.client.search_runs(
                    list(experiments),
                    wanted,
                    max_results=PAGE_SIZE,
                    order_by=["attributes.start_time ASC"],
                    page_token=token,
                )
            for run in page:
                yield FoundRun(
                    run_id=run.info.run_id,
                    status=run.info.status,
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
        with translated_errors():
            history = self.client.get_metric_history(run_id, metric)
        return sorted(Point(point.step, point.timestamp) for point in history)

    def create_run(
        self, experiment_id: str, name: str, tags: Mapping[str, str], started_ms: int
    ) -> str:
        """Start a run and return its identity."""
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

        with translated_errors():
            self.client.log_batch(
                run_id,
                metrics=[
                    Metric(name, float(value), time_ms, step, model_id=model_id)
                    for name, value in (metrics or {}).items()
                ],
                params=[Param(name, value) for name, value in (params or {}).items()],
                tags=[RunTag(name, value) for name, value in (tags or {}).items()],
            )

    def log_text(self, run_id: str, text: str, file: str) -> None:
        """Keep the text as an artifact of the run, under this file name."""
        with translated_errors():
            self.client.log_text(run_id, text, file)

    def end_run(self, run_id: str, status: RunStatus, ended_ms: int) -> None:
        """End a run."""
        with translated_errors():
            self.client.set_terminated(run_id, status, ended_ms)

    def reopen_run(self, run_id: str) -> None:
        """Let a run that had ended go on; MLflow shows its old end until the new one."""
        with translated_errors():
            self.client.update_run(run_id, RUNNING)

    def delete_run(self, run_id: str) -> None:
        """Take a run away; MLflow can restore it."""
        with translated_errors():
            self.client.delete_run(run_id)

    def delete_tag(self, run_id: str, name: str) -> None:
        """Take a tag away, if the run has it."""
        with translated_errors():
            if name in self.client.get_run(run_id).data.tags:
                self.client.delete_tag(run_id, name)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise our own errors in place of MLflow's and of the network's."""
    from mlflow import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code in AWAY_CODES:
            raise StoreAwayError(_reason(error)) from error
        raise StoreRefusedError(_reason(error)) from error
    except OSError as error:
        raise StoreAwayError(_reason(error)) from error


def _reason(error: Exception) -> str:
    text = without_password(str(error))
    if system := re.search(r"\[(?:Errno -?\d+|SSL: \w+)\] ([^\"'()]+)", text):
        return system[1].strip()
    if "timed out" in text:
        return "it does not answer in time"
    first_line = text.strip().partition("\n")[0].partition(" Response body: '<")[0]
    return first_line.rstrip(".")[:REASON_LENGTH] or type(error).__name__


def _check_sqlite(location: TrackingLocation, file: Path) -> None:
    """Take and release the write lock, for MLflow itself retries a bad file for minutes."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file, timeout=CONTACT_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except sqlite3.Error as error:
        raise location.unusable(str(error)) from error
    except OSError as error:
        raise location.unusable(f"its folder cannot be made ({error.strerror})") from error
