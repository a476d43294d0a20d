"""The MLflow model registry: which model of a dataset is the champion, and who was before it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dlf.command import BadInputError, WorkFailedError
from tracking.records import Record
from tracking.registry.model_package import MODEL_INSIDE
from tracking.run_names import MAX_EPOCHS_TAG, PROMOTION_TAG
from tracking.store.connection import connect, quiet_mlflow
from tracking.store.errors import StoreAwayError, StoreRefusedError, translated_errors
from tracking.store.location import URI_VARIABLE, TrackingLocation
from tracking.store.mlflow_store import MlflowStore

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.entities.model_registry import RegisteredModel as Registry

CHAMPION = "champion"
PREVIOUS = "previous"


class RegisteredModel(Record):
    """A version of a registered model, and the alias that now points to it."""

    model: str
    version: int
    alias: str
    former: int | None
    """the version that was the champion before, if there was one; it has the alias `previous`"""


class Champion(Record):
    """The version that is the champion of a dataset."""

    model: str
    version: int
    config_yaml: str
    card_json: str
    promotion: str | None
    """the key of the promotion that registered it; none where it was no promotion"""
    max_epochs: int | None
    """the limit of epochs that its configuration had"""


def model_of(dataset: str) -> str:
    """Return the name under which the models of a dataset are registered."""
    return f"dlf-{dataset}"


def register_champion(
    location: TrackingLocation,
    *,
    dataset: str,
    run_id: str,
    folder: Path,
    key: str,
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
    description: str = "",
) -> RegisteredModel:
    """Register a packaged model as a new version of `dlf-<dataset>` and crown it.

    The version is linked to the run, which also takes the metrics. The former champion becomes
    `previous`; there is a champion at every moment. The store is MLflow's global one meanwhile.

    Args:
        location: where the run is tracked.
        dataset: whose champion the model becomes.
        run_id: the run that trained it.
        folder: the package that `package_model` made.
        key: names the promotion, without quotes: done again after it was cut off, it goes on with
            the version it has made. Done again after its end, it crowns that version again.
        tags: of the version, links among them.
        metrics: of the model.
        description: of the version, Markdown.

    Raises:
        BadInputError: when there is nothing to register, or the store cannot be used.
        WorkFailedError: when the store fails on the way; the champion is then what it was.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        raise BadInputError(f"there is nothing to register in {folder}")
    model = model_of(dataset)
    try:
        store = connect(location)
        with _global_store(location), translated_errors():
            version = _version_of(store.client, model, key)
            if version is None:
                logged = _logged_model(store, model, run_id, folder, key, metrics)
                if _find(store.client, model) is None:
                    store.client.create_registered_model(model)
                version = store.client.create_model_version(
                    model,
                    f"models:/{logged}",
                    run_id=run_id,
                    tags={**tags, PROMOTION_TAG: key},
                    description=description,
                    model_id=logged,
                )
            former = _crown(store.client, model, int(version.version))
    except (StoreAwayError, StoreRefusedError) as error:
        raise WorkFailedError(
            f"{model} could not be registered in {location.shown}: {error}"
        ) from error
    return RegisteredModel(model=model, version=int(version.version), alias=CHAMPION, former=former)


def champion_of(location: TrackingLocation, dataset: str) -> Champion | None:
    """Return the champion of a dataset, if there is one; its weights are not fetched.

    Raises:
        BadInputError: when the store cannot be used, or the champion is no model of ours.
    """
    file = location.database_file
    if file is not None and not file.exists():
        return None
    model = model_of(dataset)
    try:
        store = connect(location)
        with translated_errors():
            registered = _find(store.client, model)
            if registered is None or CHAMPION not in registered.aliases:
                return None
            version = store.client.get_model_version(model, registered.aliases[CHAMPION])
    except (StoreAwayError, StoreRefusedError) as error:
        raise location.unusable(str(error)) from error
    from dlf.trained_model import CARD_FILE, CONFIG_FILE

    try:
        with translated_errors():
            config_yaml, card_json = _texts(store.client, version, CONFIG_FILE, CARD_FILE)
    except StoreAwayError as error:
        raise location.unusable(str(error)) from error
    except StoreRefusedError as error:
        raise BadInputError(
            f"version {version.version} of {model}, the champion in {location.shown}, cannot be "
            f"read ({error}): give the alias {CHAMPION} to a version that a promotion registered"
        ) from error
    return Champion(
        model=model,
        version=int(version.version),
        config_yaml=config_yaml,
        card_json=card_json,
        promotion=version.tags.get(PROMOTION_TAG),
        max_epochs=_whole_number(version.tags.get(MAX_EPOCHS_TAG)),
    )


@contextmanager
def _global_store(location: TrackingLocation) -> Iterator[None]:
    """Make a store MLflow's global one for a while.

    A database store looks `models:/<id>` up there, not in its client's.
    """
    quiet_mlflow()
    from mlflow import set_tracking_uri

    former = os.environ.get(URI_VARIABLE)
    set_tracking_uri(location.uri)
    try:
        yield
    finally:
        # None takes it back, whatever its annotation says.
        set_tracking_uri(former)  # type: ignore[arg-type]


def _whole_number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _find(client: "MlflowClient", model: str) -> "Registry | None":
    found = client.search_registered_models(f"name = '{model}'")
    return found[0] if found else None


def _version_of(client: "MlflowClient", model: str, key: str) -> "ModelVersion | None":
    """Return the version that this promotion has made before, if it has."""
    wanted = f"name = '{model}' and tags.`{PROMOTION_TAG}` = '{key}'"
    found = client.search_model_versions(wanted)
    return found[0] if found else None


def _logged_model(
    store: MlflowStore,
    model: str,
    run_id: str,
    folder: Path,
    key: str,
    metrics: Mapping[str, float],
) -> str:
    """Return the identity of the model with its files and metrics; one that is whole is kept."""
    client = store.client
    run: Run = client.get_run(run_id)
    experiment = run.info.experiment_id
    wanted = f"name = '{model}' and tags.`{PROMOTION_TAG}` = '{key}'"
    for found in client.search_logged_models([experiment], wanted):
        if found.status == "READY":
            return str(found.model_id)
        client.delete_logged_model(found.model_id)
    logged = client.create_logged_model(
        experiment, name=model, source_run_id=run_id, tags={PROMOTION_TAG: key}
    )
    client.log_model_artifacts(logged.model_id, str(folder))
    # At a time that stays the same the same metrics are logged once.
    store.log(run_id, metrics=metrics, time_ms=run.info.start_time, model_id=logged.model_id)
    client.finalize_logged_model(logged.model_id, "READY")
    return str(logged.model_id)


def _crown(client: "MlflowClient", model: str, version: int) -> int | None:
    """Move the aliases, so that there is always a champion; return the version that was it."""
    aliases = client.get_registered_model(model).aliases
    champion, previous = aliases.get(CHAMPION), aliases.get(PREVIOUS)
    if champion is not None and int(champion) == version:
        return None if previous in (None, champion) else int(previous)
    if champion is not None:
        client.set_registered_model_alias(model, PREVIOUS, champion)
    client.set_registered_model_alias(model, CHAMPION, str(version))
    return None if champion is None else int(champion)


def _texts(client: "MlflowClient", version: "ModelVersion", *files: str) -> list[str]:
    """Fetch some files of the model behind a version."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    logged = client.get_logged_model((version.source or "").removeprefix("models:/"))
    repository = get_artifact_repository(logged.artifact_location, tracking_uri=client.tracking_uri)
    # A file that is missing looks like a store that is away to whoever just fetches it.
    there = {found.path for found in repository.list_artifacts(str(MODEL_INSIDE))}
    wanted = [str(MODEL_INSIDE / file) for file in files]
    for file in wanted:
        if file not in there:
            raise StoreRefusedError(f"it has no file {file}")
    with TemporaryDirectory() as folder:
        fetched = [repository.download_artifacts(file, dst_path=folder) for file in wanted]
        return [Path(file).read_text(encoding="utf-8") for file in fetched]
