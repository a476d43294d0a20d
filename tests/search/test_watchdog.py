"""A process that hangs is ended in time, and leaves where it hung."""

import subprocess
import sys
from pathlib import Path

import pytest

from search.watchdog import hanging_place, watched
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
from search.watchdog import watched

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
    stack_file = tmp_path / "trial" / "hung.txt"
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
    stack_file = tmp_path / "trial" / "hung.txt"
    with watched(60.0, stack_file):
        assert stack_file.exists()
    assert not stack_file.exists()


def test_an_error_passes_and_is_no_hang(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wrong"), watched(60.0, tmp_path / "hung.txt"):
        raise ValueError("wrong")


def test_without_a_limit_nothing_is_watched(tmp_path: Path) -> None:
    with watched(None, tmp_path / "hung.txt"):
        assert not (tmp_path / "hung.txt").exists()
