"""Secrets in addresses: none of them is in what a search and its promotion leave behind."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest

import search.promote
import search.report
from tests.support.commands import ROOT
from tests.support.mlflow_server import MlflowServer
from tests.support.postgres import running_postgres
from tests.support.processes import living_in_group
from tests.support.promotions import FEWEST_TRAININGS
from tests.support.s3_server import SECRET, S3Server
from tests.support.searches import Search, clear_ray, run_here, wait_until
from tracking.remote.folder import RemoteFolder
from tracking.study_files import TUNE_FOLDER

pytestmark = pytest.mark.slow

STORAGE, TRACKING = "s3cr3t-0f-st0rage", "s3cr3t-0f-tracking"
SECRETS = {"--storage": STORAGE, "--tracking-uri": TRACKING, "--output": SECRET}


def told_in(content: bytes) -> list[str]:
    """Return the flags whose secrets can be read in something."""
    return [flag for flag, secret in SECRETS.items() if secret.encode() in content]


def telling_files(folder: Path) -> dict[str, list[str]]:
    """Return the files below a folder that tell secrets, and whose."""
    # A search that runs takes folders away, which only `os.walk` bears.
    files = [Path(where, name) for where, _, names in os.walk(folder) for name in names]
    files = [path for path in files if path.is_file() and not path.is_symlink()]
    assert files, f"nothing is in {folder}"
    told = {}
    for path in files:
        # A search that runs takes files away.
        with suppress(FileNotFoundError):
            told[str(path.relative_to(folder))] = told_in(path.read_bytes())
    return {name: flags for name, flags in told.items() if flags}


def telling_objects(remote: RemoteFolder) -> dict[str, list[str]]:
    """Return the files in a remote folder that tell secrets, and whose."""
    told = {}
    for name in remote.files():
        content = BytesIO()
        remote.download(name, content)
        told[name] = told_in(content.getvalue())
    assert told
    return {name: flags for name, flags in told.items() if flags}


@pytest.fixture
def mlflow(tmp_path: Path) -> Iterator[MlflowServer]:
    pytest.importorskip("flask_wtf", reason="flask-wtf, which MLflow's login needs, is missing")
    folder = tmp_path / "mlflow"
    folder.mkdir()
    server = MlflowServer(folder, password=TRACKING)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def secretive(
    tmp_path: Path, tiny_data: Path, s3_server: S3Server, mlflow: MlflowServer
) -> Iterator[Search]:
    """A search with a password in each of its addresses."""
    folder = tmp_path / "here"
    folder.mkdir()
    with running_postgres() as postgres:
        yield Search(
            folder,
            tiny_data,
            storage=postgres.url.replace("//dlf@", f"//dlf:{STORAGE}@"),
            name="secretive",
            tracking=mlflow.address.replace("//", f"//admin:{TRACKING}@"),
            output=s3_server.bucket(),
        )


def test_a_secret_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(f"http://admin:{TRACKING}@host {SECRET}")
    assert telling_files(tmp_path) == {"log": ["--tracking-uri", "--output"]}


@pytest.mark.usefixtures("ray_here")
def test_no_secret_is_left_behind(
    secretive: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(secretive.folder)
    assert secretive.output is not None
    said = []
    with secretive.running("--trials", 1000, "--max-epochs", 2) as driver:
        hidden = f"//dlf:{'*' * len(STORAGE)}@127.0.0.1".encode()
        wait_until(lambda: hidden in Path(f"/proc/{driver.pid}/cmdline").read_bytes())
        secretive.wait_for_epochs(3, driver)
        listed = living_in_group(driver.pid)
        assert [p.words[0] for p in listed if told_in(" ".join(p.words).encode())] == []
        (raylet,) = (p for p in listed if Path(p.words[0]).name == "raylet")
        (session,) = (w for w in raylet.words if w.startswith("--session_dir="))
        assert telling_files(Path(session.partition("=")[2])) == {}
        # What is there now is what a search leaves that is killed.
        assert list((secretive.folder / "runs" / secretive.name / TUNE_FOLDER).iterdir())
        assert telling_files(secretive.folder) == {}
        driver.send_signal(signal.SIGINT)
        said += driver.communicate(timeout=120)
    assert driver.returncode == 130, said
    assert "go on with: " in said[-1]

    done = secretive.run("--resume", "--trials", len(secretive.study.trials) + 1)
    assert done.code == 0, done.err
    assert "--storage" in done.out
    report = run_here(search.report.main, "report", *secretive.flags)
    assert report.code == 0, report.err
    said += [done.out, done.err, report.out, report.err, secretive.status(), *secretive.audit()]
    words = ["--data-dir", str(secretive.data), *secretive.flags, *FEWEST_TRAININGS]
    promoted = run_here(search.promote.main, str(ROOT / "search/promote.py"), *words)
    clear_ray()
    assert promoted.code == 0, promoted.err
    said += [promoted.out, promoted.err]

    assert told_in("".join(said).encode()) == []
    assert telling_files(secretive.folder) == {}
    assert telling_objects(RemoteFolder.at(secretive.output)) == {}
    assert telling_files(tmp_path / "mlflow") == {}
    assert os.listdir(secretive.folder / "runs" / secretive.name / "promotions")
