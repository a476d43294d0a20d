"""Puts the winner of a promotion into the MLflow model registry, under the alias `champion`."""

from collections.abc import Mapping
from pathlib import Path
from time import time

from dlf.command import BadInputError, WorkFailedError
from tracking.location import TrackingLocation
from tracking.mlflow_connection import connect, quiet_mlflow
from tracking.mlflow_store import MlflowStore
from tracking.records import Record
from tracking.store_errors import StoreAwayError, StoreRefusedError, translated_errors

ALIAS = "champion"


class RegisteredModel(Record):
    """A version of a registered model, and the alias that now points to it."""

    model: str
    version: int
    alias: str


def register_champion(
    location: TrackingLocation,
    *,
    dataset: str,
    run_id: str,
    folder: Path,
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
) -> RegisteredModel:
    """Register the files of `folder` as a new version of `dlf-<dataset>` and crown it.

    The version is linked to the run, which also takes the metrics. The former champion keeps its
    version and loses the alias. The store becomes MLflow's global one in this process.

    Raises:
        BadInputError: when there is nothing to register, or the store cannot be used.
        WorkFailedError: when the store fails on the way; the alias then stays where it was.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        raise BadInputError(f"there is nothing to register in {folder}")
    model = f"dlf-{dataset}"
    quiet_mlflow()
    from mlflow import set_tracking_uri

    # A database store looks `models:/<id>` up in the global tracking store, not in its client's.
    set_tracking_uri(location.uri)
    try:
        store = connect(location)
        with translated_errors():
            version = _create_version(store, model, run_id, folder, tags, metrics)
            store.client.set_registered_model_alias(model, ALIAS, str(version))
    except (StoreAwayError, StoreRefusedError) as error:
        raise WorkFailedError(
            f"{model} could not be registered in {location.shown}: {error}"
        ) from error
    return RegisteredModel(model=model, version=version, alias=ALIAS)


def _create_version(
    store: MlflowStore,
    model: str,
    run_id: str,
    folder: Path,
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
) -> int:
    client = store.client
    run = client.get_run(run_id)
    logged = client.create_logged_model(run.info.experiment_id, name=model, source_run_id=run_id)
    client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
    store.log(run_id, metrics=metrics, time_ms=int(time() * 1000), model_id=logged.model_id)
    if not client.search_registered_models(f"name = '{model}'"):
        client.create_registered_model(model)
    created = client.create_model_version(
        model,
        f"models:/{logged.model_id}",
        run_id=run_id,
        tags=dict(tags),
        model_id=logged.model_id,
    )
    return int(created.version)
