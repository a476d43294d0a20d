"""A process that hangs is ended in time, and leaves where it hung."""

import subprocess
import sys
from pathlib import Path

import pytest
from ray.exceptions import RaySystemError

from search.engine.watchdog import hanging_place, stack_file, take_stack, watched
from search.trial.checkpoints import Checkpoints
from tests.support.commands import ROOT

HANGS = {
    "in Python": "while True: pass",
    "with the global lock": "import ctypes; ctypes.PyDLL(None).sleep(600)",
    "in a thread as well": (
        "from threading import Event, Thread; "
        "Thread(target=Event().wait, daemon=True).start(); Event().wait()"
    ),
}
SCRIPT = """
import sys
from pathlib import Path
from search.engine.watchdog import watched

def step():
    with watched(0.5, Path(sys.argv[1])):
        {hang}

step()
"""


@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
def test_a_hang_ends_the_process_and_tells_its_place(tmp_path: Path, hang: str) -> None:
    folder = tmp_path / "search"
    folder.mkdir()
    script = folder / "hanging.py"
    script.write_text(SCRIPT.format(hang=hang))
    stack_file = tmp_path / "hung.txt"
    done = subprocess.run(
        [sys.executable, script, stack_file],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert hanging_place(stack_file.read_text()).startswith(f'File "{script}", line 8 in step')


def test_what_ends_in_time_leaves_nothing(tmp_path: Path) -> None:
    stack_file = tmp_path / "hung.txt"
    with watched(60.0, stack_file):
        assert stack_file.exists()
    assert not stack_file.exists()


def test_an_error_passes_and_is_no_hang(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wrong"), watched(60.0, tmp_path / "hung.txt"):
        raise ValueError("wrong")
    assert not (tmp_path / "hung.txt").exists()


def test_a_stack_is_taken_from_the_node_that_has_it(tmp_path: Path, ray_here: None) -> None:
    checkpoints = Checkpoints(folder=tmp_path)
    assert take_stack(checkpoints, 3) == ""
    file = stack_file(checkpoints, 3)
    file.write_text("where it hung")
    stack_file(checkpoints, 30).write_text("another trial")
    assert take_stack(checkpoints, 3) == "where it hung"
    assert not file.exists()
    assert take_stack(checkpoints, 3) == ""
    assert take_stack(Checkpoints(folder=tmp_path / "another study"), 30) == ""
    assert take_stack(checkpoints, 30) == "another trial"


def test_without_a_node_there_is_no_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_: object, **__: object) -> None:
        raise AssertionError("there is nobody to wait for")

    monkeypatch.setattr("search.engine.watchdog.training_nodes", list)
    monkeypatch.setattr("ray.wait", wait)
    assert take_stack(Checkpoints(folder=tmp_path), 3) == ""


def test_a_node_that_dies_meanwhile_has_no_stack(
    tmp_path: Path, ray_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_: object) -> None:
        raise RaySystemError("the node died")

    monkeypatch.setattr("ray.get", lost)
    assert take_stack(Checkpoints(folder=tmp_path), 3) == ""


def test_a_file_of_somebody_else_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "hung.txt").write_text("mine")
    with watched(60.0, tmp_path / "hung.txt"):
        pass
    assert (tmp_path / "hung.txt").read_text() == "mine"


def test_without_a_limit_nothing_is_watched(tmp_path: Path) -> None:
    with watched(None, tmp_path / "hung.txt"):
        assert not (tmp_path / "hung.txt").exists()
