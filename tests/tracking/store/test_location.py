from pathlib import Path

import pytest

from dlf.command import BadInputError
from tracking.store.location import resolve


def test_default_is_a_database_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    location = resolve(None)
    assert location.uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert location.artifact_root == f"file://{tmp_path}/mlartifacts"


def test_a_relative_database_is_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    location = resolve("sqlite:///new/runs.db")
    assert location.database_file == tmp_path / "new" / "runs.db"
    assert not (tmp_path / "new").exists()
    assert location.artifact_root == f"file://{tmp_path}/new/mlartifacts"


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:5000",
        "https://tracking.example.org/mlflow",
    ],
)
def test_a_server_is_passed_on(uri: str) -> None:
    location = resolve(uri)
    assert (location.uri, location.artifact_root) == (uri, None)


def test_a_password_is_not_shown() -> None:
    location = resolve("https://me:secret@host/mlflow")
    assert location.shown == "https://me:***@host/mlflow"
    assert "secret" not in str(location.unusable("it is full"))


@pytest.mark.parametrize(
    ("uri", "wrong"),
    [
        ("mlruns", "folder"),
        ("/tmp/mlruns", "folder"),
        ("file:///tmp/mlruns", "folder"),
        ("databricks", "folder"),
        ("ftp://host/runs", "unknown kind, 'ftp'"),
        ("redis://me:secret@host", "unknown kind, 'redis'"),
        ("sqlite://", "unknown kind, 'sqlite'"),
        ("sqlite:///", "names no database file"),
        ("sqlite:///:memory:", "names no database file"),
        ("sqlite:///runs/", "names no database file"),
        ("sqlite:///runs.db?timeout=3", "names no database file"),
        ("http://", "names no host"),
        ("http://[::1", "malformed"),
    ],
)
def test_refusals_name_what_is_wrong_and_what_is_valid(uri: str, wrong: str) -> None:
    with pytest.raises(BadInputError) as error:
        resolve(uri)
    message = str(error.value)
    assert wrong in message
    assert "sqlite:///runs/mlflow.db" in message
    assert "secret" not in message
    assert "\n" not in message


def test_a_folder_is_not_a_database(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="is a folder"):
        resolve(f"sqlite:///{tmp_path}")


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "mysql+pymysql"])
def test_a_database_is_refused_with_the_way_to_it(scheme: str) -> None:
    with pytest.raises(BadInputError, match="mlflow server --backend-store-uri") as error:
        resolve(f"{scheme}://me:secret@host/mlflow")
    assert "secret" not in str(error.value)


def test_the_environment_says_where_unless_the_flag_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1234")
    assert resolve(None).uri == "http://127.0.0.1:1234"
    assert resolve("http://127.0.0.1:5000").uri == "http://127.0.0.1:5000"
