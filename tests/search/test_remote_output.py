"""Studies whose output is on a remote file system: read, resumed and promoted from elsewhere."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

import search.ablate
import search.promote
import search.report
import search.run
import tracking.sync
from search.study.records import NOTES
from search.trial.checkpoints import STATE_FILE, Checkpoints
from tests.support.commands import ROOT
from tests.support.processes import processes
from tests.support.promotions import FEW
from tests.support.s3_server import SECRET, S3Server
from tests.support.searches import Search, clear_ray, resume_to_the_end, run_here, wait_until
from tests.support.small_models import SMALL
from tests.support.tracking_stores import store_at
from tracking.remote.folder import RemoteFolder

slow = pytest.mark.slow


class Machine(NamedTuple):
    """A folder in which commands are started, as the only thing that a machine has of a study."""

    search: Search
    remote: RemoteFolder

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(folder=self.remote.child(self.search.name).child("checkpoints"))

    @property
    def copy(self) -> Path:
        return self.search.place.folder

    def is_alike(self) -> bool:
        """Tell whether the files here are those there; checkpoints lie there alone."""
        there = self.remote.child(self.search.name).files()
        return all(
            (self.copy / name).stat().st_size == each.size
            for name, each in there.items()
            if not name.startswith("checkpoints/")
        )

    def where(self) -> list[str]:
        return self.search.flags


@pytest.fixture
def machine(tmp_path: Path, tiny_data: Path, s3_server: S3Server) -> Callable[..., Machine]:
    """Make the machines of one study."""
    uri = s3_server.bucket()

    def made(name: str, at_once: int = 1) -> Machine:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        storage = f"sqlite:///{tmp_path / 'study.db'}"
        tracking = store_at(tmp_path / "ml.db").uri
        search = Search(folder, tiny_data, storage, at_once, tracking=tracking, output=uri)
        return Machine(search, RemoteFolder.at(uri))

    return made


def secrets_in(folder: Path) -> list[str]:
    """Return the files that have the credentials in them."""
    # Tune has what it was asked to run in files of its own, which go when a search ends.
    files = [p for p in folder.rglob("*") if p.is_file() and "tune" not in p.parts]
    return [path.name for path in files if SECRET.encode() in path.read_bytes()]


def workers_of(driver: int) -> set[int]:
    """Return the processes that train for a driver: children of a child, the raylet."""
    there = processes()
    children = {process.pid for process in there if process.parent == driver}
    return {p.pid for p in there if p.parent in children and p.words[0].startswith("ray::")}


@slow
def test_a_study_is_read_resumed_and_promoted_without_its_working_copy(
    machine: Callable[..., Machine],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ray_here: None,
) -> None:
    here = machine("here")
    monkeypatch.chdir(here.search.folder)
    done = here.search.run("--trials", 3, "--max-epochs", 2)
    assert (done.code, done.err) == (0, "")
    assert here.is_alike()
    assert here.checkpoints.numbers() == set()
    shutil.rmtree(here.copy)

    assert "3 complete" in here.search.status()
    assert not here.copy.exists()
    report = run_here(search.report.main, "report", *here.where())
    assert Path(report.out.strip()).read_text().startswith("<!DOCTYPE html>")
    shutil.rmtree(here.copy)
    assert here.search.audit() == []
    assert run_here(tracking.sync.main, "sync", *here.where()[:-2]).code == 0
    assert here.is_alike()

    resume_to_the_end(here.search, 4)
    assert here.is_alike()
    shutil.rmtree(here.copy)
    words = ["--data-dir", str(here.search.data), *here.where(), *map(str, FEW), "--json"]
    promoted = run_here(search.promote.main, str(ROOT / "search/promote.py"), *words)
    clear_ray()
    assert promoted.code == 0, promoted.err
    assert here.is_alike()
    there = here.remote.child(here.search.name).files()
    assert any(name.startswith("promotions/") and name.endswith("/result.json") for name in there)
    assert not any("/checkpoints/" in name or "/tune/" in name for name in there)
    assert SECRET not in "".join([*done, *report, *promoted][1:3])
    assert secrets_in(tmp_path) == []


@slow
def test_a_killed_search_goes_on_from_another_machine(
    machine: Callable[..., Machine],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ray_here: None,
) -> None:
    first, second = machine("first", at_once=2), machine("second", at_once=2)
    with first.search.running("--trials", 20, "--max-epochs", 5) as driver:
        first.search.wait_for_epochs(15, driver)
        workers = workers_of(driver.pid)
        assert workers
        os.killpg(driver.pid, signal.SIGKILL)
    # One that is at an epoch still writes its checkpoint.
    wait_until(lambda: workers.isdisjoint(p.pid for p in processes() if p.state != "Z"))
    states = first.search.states
    assert "COMPLETE" in states
    *whole, damaged = (n for n in first.checkpoints.numbers() if states[n] == "RUNNING")
    there = first.remote.child(first.search.name).child("checkpoints")
    with (ROOT / "README.md").open("rb") as file:
        there.upload(f"trial-{damaged}/{STATE_FILE}", file)

    monkeypatch.chdir(second.search.folder)
    resume_to_the_end(second.search)
    trials = second.search.study.trials
    assert not any(NOTES in trials[number].user_attrs for number in whole)
    (note,) = trials[damaged].user_attrs[NOTES]
    assert note.startswith("trained again from the start: s3://key:***@bucket")
    assert second.is_alike()
    assert secrets_in(tmp_path) == []

    # What the first machine had not sent is not thrown away, nor does it spoil anything.
    monkeypatch.chdir(first.search.folder)
    told = run_here(search.report.main, "report", *first.where())
    if told.code:
        assert "that was never sent to s3://key:***@" in told.err
        shutil.rmtree(first.copy)
        told = run_here(search.report.main, "report", *first.where())
    assert told.code == 0


@slow
def test_a_store_that_is_silent_for_a_while_costs_the_search_nothing(
    machine: Callable[..., Machine], s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machine("here")
    monkeypatch.chdir(here.search.folder)
    with here.search.running("--trials", 8, "--max-epochs", 3) as driver:
        here.search.wait_for_epochs(4, driver)
        s3_server.fall_silent()
        try:
            before = here.search.epochs()
            here.search.wait_for_epochs(before + 4, driver)
        finally:
            s3_server.come_back()
        out, err = driver.communicate()
    assert driver.returncode == 0, err
    assert here.search.states == ["COMPLETE"] * 8
    assert "cannot be written" in out + err
    assert "can be written again" in out + err
    assert here.is_alike()
    assert here.search.audit() == []


@slow
def test_an_ablation_has_its_results_there(
    machine: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch, ray_here: None
) -> None:
    here = machine("here")
    monkeypatch.chdir(here.search.folder)
    words = [*here.where()[2:-2], "--data-dir", str(here.search.data), "--dataset", "synthetic"]
    Path("small.yaml").write_text(SMALL.to_yaml())
    words += ["--config", "small.yaml", "--name", "rows", "--max-epochs", "1", "--seeds", "2"]
    done = run_here(search.ablate.main, str(ROOT / "search/ablate.py"), *words)
    clear_ray()
    assert done.code == 0, done.err
    assert {"result.json", "ablation.md"} <= here.remote.child("rows").files().keys()


@pytest.mark.parametrize(
    ("output", "storage", "words"),
    [
        ("s3://bucket/runs?region=us-east-1", None, "give the study a database by --storage"),
        ("s4://bucket/runs", "sqlite:///s.db", "Unrecognized filesystem type"),
        ("file:///proc/runs", "sqlite:///s.db", "file:///proc/runs/faulty cannot be used"),
    ],
)
def test_an_output_of_no_use_is_refused_at_once(
    output: str, storage: str | None, words: str, tmp_path: Path, tiny_data: Path
) -> None:
    search_there = Search(tmp_path, tiny_data, storage, output=output)
    done = run_here(search.run.main, "run.py", *search_there.words())
    assert done.code == 2
    assert words in done.err
    assert len(done.err.splitlines()) == 1


def test_a_bucket_that_is_not_there_is_refused_at_once(
    tmp_path: Path, tiny_data: Path, s3_server: S3Server
) -> None:
    uri = s3_server.uri(f"missing-{uuid4()}/runs")
    search_there = Search(tmp_path, tiny_data, f"sqlite:///{tmp_path / 's.db'}", output=uri)
    done = run_here(search.run.main, "run.py", *search_there.words())
    assert done.code == 2
    assert "cannot be used" in done.err
    assert SECRET not in done.err
