import shutil
import sqlite3
import threading
import time
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from dlf.command import BadInputError
from tests.support.mlflow_server import MlflowServer
from tests.support.tracking_stores import store_at
from tracking.records import Ending, StudyRecord, Summary
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.store.connection import connect
from tracking.store.location import TrackingLocation, resolve


def test_a_dead_server_is_known_soon_and_in_one_sentence(
    study: StudyRecord, journal_file: Path, free_port: int
) -> None:
    location = resolve(f"http://127.0.0.1:{free_port}")
    started = time.monotonic()
    with pytest.raises(BadInputError) as error:
        MlflowRecorder(location, study, journal_file).ready()
    assert time.monotonic() - started < 60
    assert str(error.value) == (
        f"the tracking store {location.uri} cannot be used: Connection refused"
    )


def test_another_web_server_is_refused_in_one_sentence(
    study: StudyRecord, journal_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    server = HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    location = resolve(f"http://127.0.0.1:{server.server_port}")
    with pytest.raises(BadInputError, match=r"error code 501 != 200$"):
        MlflowRecorder(location, study, journal_file).ready()
    server.shutdown()
    server.server_close()


def test_a_server_that_wants_a_login_says_how(
    tmp_path: Path, study: StudyRecord, journal_file: Path
) -> None:
    pytest.importorskip("flask_wtf", reason="MLflow's server needs Flask-WTF to want a login")
    server = MlflowServer(tmp_path, password="long enough to be one")
    server.start()
    bare = server.address.removeprefix("http://")
    for address in (bare, f"admin:wrong@{bare}"):
        recorder = MlflowRecorder(resolve(f"http://{address}"), study, journal_file)
        with pytest.raises(BadInputError, match="it wants a login: set MLFLOW_TRACKING_USERNAME"):
            recorder.ready()
        recorder.finish(Summary(ending=Ending.FAILED))
        assert recorder.unsent is not None
        assert "wrong" not in recorder.unsent
    recorder = MlflowRecorder(
        resolve(f"http://admin:long%20enough%20to%20be%20one@{bare}"), study, journal_file
    )
    recorder.ready()
    assert recorder.finish(Summary(ending=Ending.FINISHED)) is None
    assert recorder.unsent is None
    server.kill()


def test_a_file_that_is_no_database_is_refused(
    study: StudyRecord, journal_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "mlflow.db").write_text("these are notes, and long enough to have a header " * 9)
    with pytest.raises(BadInputError, match="file is not a database"):
        MlflowRecorder(resolve(f"sqlite:///{tmp_path}/mlflow.db"), study, journal_file).ready()


def test_a_locked_database_is_refused(
    sqlite_location: TrackingLocation,
    study: StudyRecord,
    journal_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tracking.store.connection.CONTACT_SECONDS", 0.01)
    assert sqlite_location.database_file is not None
    owner = sqlite3.connect(sqlite_location.database_file)
    owner.execute("BEGIN EXCLUSIVE")
    with pytest.raises(BadInputError, match="database is locked"):
        MlflowRecorder(sqlite_location, study, journal_file).ready()
    owner.close()


def test_a_folder_that_cannot_be_made_is_refused(
    tmp_path: Path, study: StudyRecord, journal_file: Path
) -> None:
    (tmp_path / "file").touch()
    location = resolve(f"sqlite:///{tmp_path}/file/below/mlflow.db")
    with pytest.raises(BadInputError, match="folder cannot be made"):
        MlflowRecorder(location, study, journal_file).ready()


def test_a_database_of_something_else_is_refused(
    tmp_path: Path, study: StudyRecord, journal_file: Path
) -> None:
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as database:
        database.execute("create table alembic_version (version_num varchar(32))")
        database.execute("insert into alembic_version values ('v3.0.0.d')")
    with pytest.raises(BadInputError, match="something other than MLflow"):
        MlflowRecorder(resolve(f"sqlite:///{file}"), study, journal_file).ready()


def test_a_database_that_was_left_half_made_is_refused(
    sqlite_location: TrackingLocation, study: StudyRecord, journal_file: Path
) -> None:
    assert sqlite_location.database_file is not None
    with sqlite3.connect(sqlite_location.database_file) as database:
        database.execute("drop table jobs")
        database.execute("create table _alembic_tmp_jobs (id int)")
        database.execute("update alembic_version set version_num = '1b5f0d9ad7c1'")
    with pytest.raises(BadInputError) as error:
        MlflowRecorder(sqlite_location, study, journal_file).ready()
    assert "\n" not in str(error.value)
    assert str(error.value).endswith("it was left half made: move the file away")


def test_a_database_whose_making_breaks_off_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = resolve(f"sqlite:///{tmp_path}/mlflow.db")

    def die(*_: object) -> None:
        assert not (tmp_path / "mlflow.db").exists()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mlflow.store.db.utils._upgrade_db", die)
        with pytest.raises(KeyboardInterrupt):
            connect(location)
    assert list(tmp_path.iterdir()) == []
    connect(location)
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize("links", [True, False])
def test_a_database_that_another_process_made_meanwhile_is_taken(
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    links: bool,
) -> None:
    location = resolve(f"sqlite:///{tmp_path}/mlflow.db")
    its_own = tmp_path_factory.mktemp("another") / "mlflow.db"
    store_at(its_own)

    def make(*_: object) -> None:
        if (tmp_path / "mlflow.db").exists():
            return
        shutil.copy(its_own, tmp_path / "mlflow.db")
        with sqlite3.connect(tmp_path / "mlflow.db") as database:
            database.execute("update experiments set name = 'of the other'")

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("mlflow.store.db.utils._verify_schema", make)
    if not links:
        monkeypatch.setattr("os.link", refuse)
    assert connect(location).experiments("of the")
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_database_is_made_where_no_links_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", refuse)
    connect(resolve(f"sqlite:///{tmp_path}/mlflow.db"))
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_deleted_experiment_is_refused_with_the_way_back(
    sqlite_location: TrackingLocation, study: StudyRecord, journal_file: Path
) -> None:
    store = connect(sqlite_location)
    identity = store.experiment("dlf-mosi", sqlite_location.artifact_root)
    store.client.delete_experiment(identity)
    with pytest.raises(BadInputError, match=f"restore --experiment-id {identity}"):
        MlflowRecorder(sqlite_location, study, journal_file).ready()
