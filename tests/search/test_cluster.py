"""Searches on a real Ray cluster of several nodes, which join, are lost, and are not there yet."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from search.engine.tune_log import TUNE_LOG_FILE
from search.study.records import NOTES
from tests.support.commands import ROOT
from tests.support.processes import processes
from tests.support.ray_cluster import RayCluster, running_cluster, tokens
from tests.support.searches import Search, wait_until

pytestmark = pytest.mark.slow

SECONDS = 900
EPOCHS = 150
LONG = ("--max-epochs", EPOCHS, "--set", f"patience={EPOCHS}")


class Told:
    """What a process says, line by line, while it runs."""

    def __init__(self, stream: IO[str]) -> None:
        self.lines: list[str] = []
        self._thread = threading.Thread(target=lambda: self.lines.extend(stream), daemon=True)
        self._thread.start()

    def has(self, words: str) -> bool:
        return any(words in line for line in list(self.lines))

    @property
    def text(self) -> str:
        self._thread.join(SECONDS)
        return "".join(self.lines)


@pytest.fixture
def cluster() -> Iterator[RayCluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def search(tiny_data: Path, tmp_path: Path) -> Search:
    return Search(tmp_path, tiny_data, at_once=2)


@contextmanager
def on(cluster: RayCluster, search: Search, *more: str | int) -> Iterator[subprocess.Popen[str]]:
    with search.running("--ray-address", cluster.address, *more, **tokens()) as process:
        yield process


def test_a_lost_node_costs_no_trial_and_one_that_joins_is_used(
    cluster: RayCluster, search: Search
) -> None:
    lost = cluster.add_node()
    cluster.add_node()
    with on(cluster, search, *LONG, "--trials", 3) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        out, err = Told(process.stdout), Told(process.stderr)
        wait_until(lambda: _epochs(search) >= 4)
        cluster.kill_node(lost)
        wait_until(lambda: out.has("lost node"))
        cluster.add_node()
        wait_until(lambda: out.has("joined, and is used from now on"))
        assert process.wait(SECONDS) == 0, err.text
    assert search.states == ["COMPLETE"] * 3
    epochs = [sorted(trial.intermediate_values) for trial in search.study.trials]
    assert epochs[1:] == [list(range(1, EPOCHS + 1))] * 2
    assert epochs[0] == list(range(1, len(epochs[0]) + 1))
    notes = [note for trial in search.study.trials for note in trial.user_attrs.get(NOTES, [])]
    (note,) = notes
    assert "its node died after epoch" in note or "begun again after epoch" in note
    assert search.audit() == []


def test_a_search_waits_for_the_first_node_and_says_so(cluster: RayCluster, search: Search) -> None:
    with on(cluster, search, "--trials", 1, "--max-epochs", 1) as process:
        assert process.stderr is not None
        err = Told(process.stderr)
        wait_until(lambda: err.has("waiting for a node with room for a trial of 1 CPUs"))
        cluster.add_node()
        assert process.wait(SECONDS) == 0, err.text


def test_data_that_no_node_sees_is_carried_and_checkpoints_that_none_sees_are_refused(
    cluster: RayCluster, search: Search, tmp_path: Path
) -> None:
    """A path by a descriptor is one that only the driver can open."""
    cluster.add_node()
    data = os.open(search.data, os.O_RDONLY)
    folder = os.open(tmp_path, os.O_RDONLY)
    words = search.words("--trials", 2, "--max-epochs", 2, "--ray-address", cluster.address)
    words[words.index("--data-dir") + 1] = f"/proc/self/fd/{data}"
    done = _run(words, folder=tmp_path, descriptors=(data,))
    assert done.returncode == 0, done.stderr
    assert search.states == ["COMPLETE"] * 2

    words[words.index("--output") + 1] = f"/proc/self/fd/{folder}/elsewhere"
    done = _run(words, folder=tmp_path, descriptors=(data, folder))
    assert done.returncode == 2
    assert "does not see" in done.stderr
    assert "--output must be a folder that all nodes share" in done.stderr


def test_a_node_with_other_versions_is_refused(
    cluster: RayCluster, search: Search, tmp_path: Path
) -> None:
    cluster.add_node(PYTHONPATH=_older_packages(tmp_path))
    words = search.words("--trials", 1, "--ray-address", cluster.address)
    done = _run(words, folder=tmp_path)
    assert done.returncode == 2
    assert "safetensors 0.0.1 (here " in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not search.place.folder.exists()


def test_a_node_that_joins_with_other_versions_ends_the_search(
    cluster: RayCluster, search: Search, tmp_path: Path
) -> None:
    cluster.add_node()
    with on(cluster, search, *LONG, "--trials", 50) as process:
        assert process.stderr is not None
        err = Told(process.stderr)
        wait_until(lambda: _epochs(search) >= 1)
        cluster.add_node(PYTHONPATH=_older_packages(tmp_path))
        assert process.wait(SECONDS) == 1
    assert "a node has joined that will not do: the node " in err.text
    assert "safetensors 0.0.1 (here " in err.text


def _older_packages(folder: Path) -> str:
    older = folder / "older" / "safetensors-0.0.1.dist-info"
    older.mkdir(parents=True)
    (older / "METADATA").write_text("Metadata-Version: 2.1\nName: safetensors\nVersion: 0.0.1\n")
    return str(older.parent)


def test_a_head_that_is_lost_ends_the_search_in_words(cluster: RayCluster, search: Search) -> None:
    cluster.add_node()
    with on(cluster, search, *LONG, "--trials", 50) as process:
        assert process.stderr is not None
        err = Told(process.stderr)
        wait_until(lambda: _epochs(search) >= 1)
        cluster.kill_head()
        assert process.wait(SECONDS) == 1
        assert "does not answer any more; --resume goes on" in err.text


def test_the_node_that_a_driver_joins_with_ends_with_it(
    cluster: RayCluster, tmp_path: Path
) -> None:
    code = (
        "import sys; from search.cluster.joined_node import joined_node\n"
        f"with joined_node({cluster.address!r}): print('joined', flush=True); sys.stdin.read()"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "joined\n"
        (node,) = [each for each in processes() if each.parent == driver.pid]
        assert f"--address={cluster.address}" in node.words
        driver.send_signal(signal.SIGKILL)
    wait_until(lambda: all(each.group != node.group or each.state == "Z" for each in processes()))


def _run(
    words: list[str], *, folder: Path, descriptors: tuple[int, ...] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "search/run.py", *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        pass_fds=descriptors,
        timeout=SECONDS,
    )


def _epochs(search: Search) -> int:
    """Return how many epochs Tune has reported."""
    log = search.place.folder / TUNE_LOG_FILE
    return log.read_text().count('"epoch"') if log.exists() else 0
