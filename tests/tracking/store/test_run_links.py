"""Addresses of runs in the MLflow UI."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient, MlflowException

from dlf.command import BadInputError
from tests.support.mlflow_server import unused_port
from tests.support.recording import study_of, study_run_of, trial_of
from tracking.records import Ending, Summary
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.sending.sender import Patience
from tracking.store.connection import connect
from tracking.store.location import TrackingLocation, resolve
from tracking.store.run_links import LOCAL_UI, model_link, run_link, run_links, study_link


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("http://host:5000", "http://host:5000"),
        ("https://host/mlflow/", "https://host/mlflow"),
        ("https://user:secret@host:8443/mlflow", "https://host:8443/mlflow"),
        ("sqlite:////somewhere/mlflow.db", LOCAL_UI),
    ],
)
def test_a_run_is_looked_at_in_the_ui_of_its_store(uri: str, address: str) -> None:
    assert run_link(resolve(uri), "7", "abc") == f"{address}/#/experiments/7/runs/abc"


def test_every_trial_of_the_study_is_linked(
    location: TrackingLocation, journal_file: Path, tmp_path: Path
) -> None:
    key = f"linked-{location.uri.partition(':')[0]}"
    recorder = MlflowRecorder(location, study_of(key), journal_file)
    elsewhere = tmp_path / "other" / journal_file.name
    elsewhere.parent.mkdir()
    other = MlflowRecorder(location, study_of(f"other-{key}"), elsewhere)
    for number in (0, 1):
        recorder.start_trial(trial_of(number))
    other.start_trial(trial_of(2))
    for each in (recorder, other):
        each.finish(Summary(ending=Ending.FINISHED))
    links = run_links(location, key)
    assert sorted(links) == [0, 1]
    for number, link in links.items():
        assert link.endswith(f"/runs/{recorder.run_id(number)}")
        assert "/#/experiments/" in link
    assert links == recorder.links()


def test_the_studys_own_run_is_linked(
    location: TrackingLocation, journal_file: Path, tmp_path: Path
) -> None:
    key = f"own-{location.uri.partition(':')[0]}"
    recorder = MlflowRecorder(location, study_of(key), journal_file)
    recorder.ready()
    link = recorder.link()
    assert link == study_link(location, key)
    for number in (0, 1):
        recorder.start_trial(trial_of(number))
    recorder.finish(Summary(ending=Ending.FINISHED))
    assert link is not None
    assert link.endswith(f"/runs/{study_run_of(location, key)}")
    assert link not in run_links(location, key).values()
    assert study_link(location, key) == recorder.link() == link
    assert study_link(location, "no such key") is None
    connect(location).client.delete_run(study_run_of(location, key))
    assert study_link(location, key) is None, "those of its trials are not its own"


def test_a_run_that_does_not_exist_yet_is_not_linked(journal_file: Path) -> None:
    away = resolve(f"http://127.0.0.1:{unused_port()}")
    patience = Patience(pause=0.001, grace=0.01)
    recorder = MlflowRecorder(away, study_of("away"), journal_file, patience=patience)
    assert recorder.link() is None
    recorder.finish(Summary(ending=Ending.FINISHED))
    assert recorder.link() is None


def test_a_run_that_the_store_refused_is_not_linked(
    sqlite_location: TrackingLocation, journal_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise MlflowException.invalid_parameter_value("no such experiment")

    monkeypatch.setattr(MlflowClient, "create_run", refuse)
    recorder = MlflowRecorder(sqlite_location, study_of("refused"), journal_file)
    recorder.finish(Summary(ending=Ending.FINISHED))
    assert recorder.unsent is not None
    assert recorder.link() is None


@pytest.mark.parametrize("links", [run_links, study_link])
def test_a_store_that_is_away_is_named_without_its_password(
    links: Callable[[TrackingLocation, str], object],
) -> None:
    away = resolve(f"http://user:secret@127.0.0.1:{unused_port()}")
    with pytest.raises(BadInputError, match="cannot be used") as refused:
        links(away, "key")
    assert "secret" not in str(refused.value)


def test_a_model_is_linked_by_name_and_version_without_password() -> None:
    server = TrackingLocation(uri="https://ann:secret@tracking:5000/")
    assert model_link(server, "dlf-mosi", 3) == "https://tracking:5000/#/models/dlf-mosi/versions/3"
