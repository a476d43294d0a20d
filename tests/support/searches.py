"""Searches of the tiny dataset, in this process or in one of their own, and what they left."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import optuna
import ray
from ray._raylet import PlacementGroupID
from ray.util.placement_group import PlacementGroup

import search.audit
import search.run
import search.status
import tracking.sync
from search.engine.run_trials import run_trials
from search.engine.trainable import DLFTrainable
from search.study.open_study import StudyPlace
from tests.support.commands import ROOT, Command, run_here
from tests.support.small_models import SMALL_VALUES
from tests.support.tracking_stores import store_at
from tracking.journal.file import TRACKING_FILE

SECONDS = 300.0
STORE = "ml.db"
SMALL = tuple(f"{name}={value}" for name, value in SMALL_VALUES.items())


class Search(NamedTuple):
    """A study in a folder, its trials in MLflow beside it."""

    folder: Path
    data: Path
    storage: str | None = None
    at_once: int = 1
    name: str = "faulty"
    tracking: str | None = None
    output: str | None = None
    """an address; the working copy then lies in the folder, from where commands are started"""

    @property
    def place(self) -> StudyPlace:
        return StudyPlace(self.name, self.folder / "runs", self.storage)

    @property
    def study(self) -> optuna.Study:
        return self.place.load().study

    @property
    def states(self) -> list[str]:
        return [trial.state.name for trial in self.study.trials]

    @property
    def flags(self) -> list[str]:
        """Where everything lies."""
        flags = ["--study", self.name, "--output", self.output or str(self.folder / "runs")]
        flags += ["--tracking-uri", self.tracking or f"sqlite:///{self.folder / STORE}"]
        return flags if self.storage is None else [*flags, "--storage", self.storage]

    def words(self, *more: str | int) -> list[str]:
        """A command line of a search of small models that no rule stops early."""
        fixed = [word for value in SMALL for word in ("--set", value)]
        words = ["--dataset", "synthetic", "--data-dir", str(self.data), *fixed]
        words += ["--sampler", "random", "--scheduler", "none"]
        words += ["--max-concurrent", str(self.at_once)]
        return [*words, *self.flags, *map(str, more)]

    def run(self, *more: str | int, trainable: type[DLFTrainable] = DLFTrainable) -> Command:
        """Run the search here, on the Ray of this process."""
        store_at(self.folder / STORE)
        with patch("search.run.run_trials", partial(run_trials, trainable=trainable)):
            done = run_here(search.run.main, str(ROOT / "search/run.py"), *self.words(*more))
        clear_ray()
        return done

    @contextmanager
    def running(self, *more: str | int, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Run the search in a process group of its own, which is killed in the end."""
        store_at(self.folder / STORE)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        process = subprocess.Popen(
            [sys.executable, ROOT / "search/run.py", *self.words(*more)],
            cwd=self.folder,
            env={**kept, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with process:
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def audit(self) -> list[str]:
        """Return on what Optuna, Tune and MLflow do not agree, and what waits to be sent."""
        where = [word for word in self.flags if word != "--json"]
        told = json.loads(run_here(search.audit.main, "audit", *where, "--json").out)
        return [*told["differences"], *told["waiting"]]

    def sync(self) -> Command:
        """Run `python -m tracking.sync`."""
        where = [word for word in self.flags if word != "--json"]
        return run_here(tracking.sync.main, "sync", *where)

    def status(self, *more: str | int) -> str:
        """Return what `python -m search.status` prints."""
        uri = self.flags.index("--tracking-uri")
        where = self.flags[:uri] + self.flags[uri + 2 :]
        return run_here(search.status.main, "status", *where, *map(str, more)).out

    def epochs(self) -> int:
        """Return how many epochs the recorder was told of up to now."""
        try:
            text = (self.place.folder / TRACKING_FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return 0
        return text.count('"metrics"')

    def wait_for_epochs(self, count: int, driver: subprocess.Popen[str] | None = None) -> None:
        """Wait until so many epochs are recorded."""

        def recorded() -> bool:
            assert driver is None or driver.poll() is None, "the driver has ended by itself"
            return self.epochs() >= count

        wait_until(recorded)

    @contextmanager
    def after_epochs(self, count: int, act: Callable[[], None]) -> Iterator[None]:
        """Do something, in a thread, once so many epochs are recorded."""
        failures: list[BaseException] = []

        def work() -> None:
            try:
                self.wait_for_epochs(count)
                act()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        yield
        thread.join()
        assert not failures, failures[0]


def clear_ray() -> None:
    """Free what a search that was broken off holds of a Ray that outlives it."""
    for identity, group in ray.util.placement_group_table().items():
        if group["state"] != "REMOVED":
            held = PlacementGroup(PlacementGroupID.from_hex(identity))
            ray.util.remove_placement_group(held)


def wait_until(condition: Callable[[], bool]) -> None:
    """Look again and again, for two minutes at most."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.02)


def resume_to_the_end(search: Search, trials: int | None = None) -> Command:
    """Go on with a study that was broken off; see that nothing was lost and nothing comes twice.

    Without a number of trials those under way are trained to their end, and one more.
    """
    before = search.study.trials
    wanted = trials or len(before) + 1
    done = search.run("--resume", "--trials", wanted)
    assert done.code == 0, done.err
    assert done.err == ""
    after = search.study.trials
    assert [trial.number for trial in after] == list(range(wanted))
    assert {trial.state.name for trial in after} == {"COMPLETE"}
    assert all(after[t.number] == t for t in before if t.state.is_finished())
    assert search.audit() == []
    assert "nobody drives it" in search.status()
    return done
