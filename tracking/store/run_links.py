"""Where people look at runs and registered models: addresses in the MLflow UI."""

from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from tracking.run_names import EXPERIMENT_PREFIX, KEY_TAG, TRIAL_TAG
from tracking.store.connection import connect_to_read
from tracking.store.errors import StoreAwayError, StoreRefusedError
from tracking.store.location import TrackingLocation

LOCAL_UI = "http://127.0.0.1:5000"
"""where `make ui` shows what is tracked in a local file"""


def run_link(location: TrackingLocation, experiment_id: str, run_id: str) -> str:
    """Return the address of a run, without the user and password of the server's own address."""
    return f"{_ui_of(location)}/#/experiments/{experiment_id}/runs/{run_id}"


def run_links(location: TrackingLocation, study_key: str) -> Mapping[int, str]:
    """Return the address of each trial's run, of the oldest where there are several.

    Raises:
        BadInputError: when the store cannot be used.
    """
    links: dict[int, str] = {}
    try:
        store = connect_to_read(location)
        for experiment_id in store.experiments(EXPERIMENT_PREFIX):
            for found in store.find_runs([experiment_id], {KEY_TAG: study_key}):
                if TRIAL_TAG in found.tags:
                    link = run_link(location, experiment_id, found.run_id)
                    links.setdefault(int(found.tags[TRIAL_TAG]), link)
    except (StoreAwayError, StoreRefusedError) as error:
        raise location.unusable(str(error)) from error
    return links


def study_link(location: TrackingLocation, study_key: str) -> str | None:
    """Return the address of a study's own run, none where the store has none.

    Raises:
        BadInputError: when the store cannot be used.
    """
    try:
        store = connect_to_read(location)
        for experiment_id in store.experiments(EXPERIMENT_PREFIX):
            for found in store.find_runs([experiment_id], {KEY_TAG: study_key}):
                if TRIAL_TAG not in found.tags:
                    return run_link(location, experiment_id, found.run_id)
    except (StoreAwayError, StoreRefusedError) as error:
        raise location.unusable(str(error)) from error
    return None


def model_link(location: TrackingLocation, model: str, version: int) -> str:
    """Return the address of a version of a registered model."""
    return f"{_ui_of(location)}/#/models/{model}/versions/{version}"


def _ui_of(location: TrackingLocation) -> str:
    if location.database_file is not None:
        return LOCAL_UI
    parts = urlsplit(location.uri)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
