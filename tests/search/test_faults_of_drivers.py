"""Drivers that are killed, interrupted or bereft of Ray's head, and those that go on after them."""

import os
import shlex
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from dlf.command import BadInputError
from search.study.open_study import StudyPlace
from tests.support.commands import ROOT
from tests.support.processes import Process, child_named, living_in_group
from tests.support.searches import SMALL, Search, resume_to_the_end, wait_until
from tracking.study_files import CHECKPOINTS_FOLDER, StudyFiles

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_here")]

TRIALS = 5
SIZE = ("--trials", TRIALS, "--max-epochs", 6)
SOME_EPOCHS = 13
"""recorded when the fault comes: a trial has ended, and others are under way"""

Driver = subprocess.Popen[str]


@pytest.fixture
def search(tiny_data: Path, tmp_path: Path) -> Search:
    return Search(tmp_path, tiny_data)


def test_a_killed_driver_is_followed_by_one_that_finishes(search: Search) -> None:
    search = search._replace(at_once=2)
    with search.running(*SIZE) as driver:
        search.wait_for_epochs(SOME_EPOCHS, driver)
        driver.kill()
        driver.communicate()
        assert driver.returncode == -signal.SIGKILL
        assert "COMPLETE" in search.states
        assert "nobody drives it" in search.status()
        done = resume_to_the_end(search, TRIALS)
    assert f"{TRIALS} complete, 0 pruned, 0 failed; {6 * TRIALS} epochs" in done.out


@pytest.mark.parametrize("name", ["gcs_server", "raylet"])
def test_a_driver_whose_ray_head_is_killed_ends_in_words(search: Search, name: str) -> None:
    # Where Tune waits for the head at this very moment, Ray ends the driver itself after a while.
    with search.running(*SIZE, RAY_gcs_rpc_server_reconnect_timeout_s="5") as driver:
        search.wait_for_epochs(SOME_EPOCHS, driver)
        os.kill(child_named(driver.pid, name), signal.SIGKILL)
        _, err = driver.communicate(timeout=120)
    assert driver.returncode == 1, err
    assert "Traceback" not in err
    assert f"Ray has lost its {name}" in err or "Failed to connect to GCS" in err
    assert "FAIL" not in search.states
    resume_to_the_end(search, TRIALS)


def test_ctrl_c_prints_the_command_that_goes_on(search: Search) -> None:
    with search.running(*SIZE) as driver:
        search.wait_for_epochs(SOME_EPOCHS, driver)
        # A terminal sends it to all of them.
        os.killpg(driver.pid, signal.SIGINT)
        _, err = driver.communicate(timeout=120)
    assert driver.returncode == 130, err
    assert "Traceback" not in err
    assert set(search.states) - {"COMPLETE", "RUNNING", "WAITING"} == set()
    assert search.audit() == []
    with sqlite3.connect(search.folder / "ml.db") as database:
        running = "select count(*) from runs where status = 'RUNNING'"
        assert database.execute(running).fetchone() == (0,)
    (printed,) = [line for line in err.splitlines() if line.startswith("go on with: ")]
    words = shlex.split(printed.partition(":")[2])
    assert words[0] == sys.executable
    assert words[1] == str(ROOT / "search/run.py")
    again = subprocess.run(words, cwd=search.folder, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert again.stderr == ""
    assert search.states == ["COMPLETE"] * TRIALS
    assert search.audit() == []


def test_what_finds_the_budget_spent_leaves_no_checkpoint(
    search: Search,
) -> None:
    with search.after_epochs(SOME_EPOCHS, lambda: os.kill(os.getpid(), signal.SIGINT)):
        assert search.run(*SIZE).code == 130
    (number,) = [t.number for t in search.study.trials if not t.state.is_finished()]
    done = search.run("--resume", "--epoch-budget", 1)
    assert done.code == 0, done.err
    assert search.states[number] == "PRUNED"
    assert search.audit() == []
    assert list((search.place.folder / CHECKPOINTS_FOLDER).glob("trial-*")) == []
    # Its checkpoint may have an epoch more than was told of when it was left.
    kept = StudyFiles(search.place.folder).predictions(number).is_file()
    assert kept or f"a part of trial {number} could not be kept: its predictions" in done.out


def test_ctrl_c_twice_ends_it_at_once(search: Search) -> None:
    with search.running(*SIZE) as driver:
        search.wait_for_epochs(SOME_EPOCHS, driver)
        os.killpg(driver.pid, signal.SIGINT)
        assert driver.stderr is not None
        assert any(line.startswith("stopping safely; Ctrl-C again") for line in driver.stderr)
        os.killpg(driver.pid, signal.SIGINT)
        driver.communicate(timeout=120)
        assert driver.returncode == 130
        wait_until(lambda: not workers_of(driver))
    resume_to_the_end(search, TRIALS)


def workers_of(driver: Driver) -> list[Process]:
    """Return what trains; Ray's own agents take a minute to see that they are alone."""
    return [p for p in living_in_group(driver.pid) if "Trainable" in p.words[0]]


def test_sigterm_is_a_ctrl_c_and_a_second_driver_is_refused_until_then(search: Search) -> None:
    with search.running("--trials", 1000, "--max-epochs", 6) as driver:
        search.wait_for_epochs(1, driver)
        second = search.run("--resume")
        assert (second.code, second.out) == (2, "")
        assert len(second.err.splitlines()) == 1
        assert str(driver.pid) in second.err
        assert (
            f"driven by process {driver.pid}" in search.status()
            or str(driver.pid) in search.status()
        )
        search.wait_for_epochs(SOME_EPOCHS, driver)
        driver.terminate()
        _, err = driver.communicate(timeout=120)
    assert driver.returncode == 130, err
    assert "Traceback" not in err
    assert "go on with: " in err
    assert search.audit() == []
    resume_to_the_end(search)


def test_a_study_whose_driver_is_killed_at_its_creation_is_begun_or_resumed(
    tiny_data: Path, tmp_path: Path
) -> None:
    script = ROOT / "tests/support/killed_at_creation.py"
    words = [sys.executable, script, tmp_path / "runs", tiny_data, *SMALL]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    killed = [Search(tmp_path, tiny_data, name=f"killed-{n}") for n in range(1, int(done.stdout))]
    unborn = [search for search in killed if not can_be_resumed(search.place)]
    assert killed[: len(unborn)] == unborn
    assert 0 < len(unborn) < len(killed)
    for search in unborn:
        search.place.refuse_if_taken()
    last, size = unborn[-1], ("--trials", 1, "--max-epochs", 1)
    refused = last.run("--resume", *size)
    assert (refused.code, refused.out) == (2, "")
    assert "leave --resume out to begin it" in refused.err
    assert last.run(*size).code == 0
    first = killed[len(unborn)]
    assert first.run("--resume", *size).code == 0
    for search in (last, first):
        assert search.states == ["COMPLETE"]
        assert search.audit() == []


def can_be_resumed(place: StudyPlace) -> bool:
    try:
        place.refuse_if_absent()
    except BadInputError:
        return False
    return place.load().study.study_name == place.name
