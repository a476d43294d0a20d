"""A password in --storage: nobody reads it in what a search prints, keeps or is listed with."""

import signal
from pathlib import Path
from types import ModuleType

import pytest

from search import audit, report, status
from tests.support.postgres import PostgresServer
from tests.support.processes import living_in_group
from tests.support.searches import Search, run_here, wait_until

pytestmark = pytest.mark.slow

PASSWORD = "s3cr3t-0f-anna"
SIZE = ("--max-epochs", 2)


@pytest.fixture
def search(tiny_data: Path, tmp_path: Path, postgres_server: PostgresServer) -> Search:
    """A search whose server takes any password, and so this one."""
    storage = postgres_server.url.replace("//dlf@", f"//dlf:{PASSWORD}@")
    assert PASSWORD in storage
    return Search(tmp_path, tiny_data, storage=storage, name=tmp_path.name)


def files_that_tell(folder: Path) -> list[Path]:
    """Return the files below a folder that have the password in them."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if PASSWORD.encode() in path.read_bytes()]


def test_a_password_is_neither_listed_nor_kept(search: Search) -> None:
    with search.running("--trials", 1000, *SIZE) as driver:
        shown = Path(f"/proc/{driver.pid}/cmdline")
        wait_until(lambda: PASSWORD.encode() not in shown.read_bytes())
        assert b"//dlf:**************@127.0.0.1" in shown.read_bytes()
        search.wait_for_epochs(3, driver)
        listed = living_in_group(driver.pid)
        ray = {Path(process.words[0]).name: process.words for process in listed}
        assert "raylet" in ray
        assert not [process for process in listed if PASSWORD in " ".join(process.words)]
        (session,) = [word for word in ray["raylet"] if word.startswith("--session_dir=")]
        assert files_that_tell(Path(session.partition("=")[2])) == []
        driver.send_signal(signal.SIGINT)
        out, err = driver.communicate(timeout=120)
    assert driver.returncode == 130, err
    assert PASSWORD not in out + err
    assert "go on with: " in err
    assert files_that_tell(search.folder) == []


@pytest.mark.usefixtures("ray_here")
def test_a_password_is_not_told_with_what_a_search_came_to(search: Search) -> None:
    done = search.run("--trials", 2, *SIZE)
    assert done.code == 0, done.err
    assert "--storage" in done.out
    assert PASSWORD not in done.out + done.err
    assert search.status()
    assert files_that_tell(search.folder) == []


@pytest.mark.parametrize("command", [status, report, audit])
def test_a_password_is_not_told_with_a_server_that_is_away(command: ModuleType) -> None:
    nobody = f"postgresql+psycopg://dlf:{PASSWORD}@127.0.0.1:1/dlf"
    done = run_here(command.main, "command", "--study", "mosi", "--storage", nobody)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("the study's database postgresql+psycopg://dlf:***@127.0.0.1:1/dlf")
    assert len(done.err.splitlines()) == 1
    assert PASSWORD not in done.err
