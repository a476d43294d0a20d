"""Journals that were torn by a kill or a full disk: readable and writable again, nothing lost."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from dlf.command import BadInputError
from search.storage.journal_file import ABANDONED_SECONDS, StudyJournal, mend_journal
from tests.support.commands import ROOT

WRITER = """
import sys
from pathlib import Path
from tests.search.storage.test_journal_file import open_study
study = open_study(Path(sys.argv[1]))
study.set_user_attr("text", "x" * 100_000)
print("open", flush=True)
while True:
    study.set_user_attr("text", "x" * 100_000)
"""


def open_study(path: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(path)))
    return optuna.create_study(study_name="torn", storage=storage, load_if_exists=True)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The journal of three finished trials."""
    path = tmp_path / "journal.log"
    study = open_study(path)
    for value in (3.0, 1.0, 2.0):
        trial = study.ask()
        trial.report(value, step=1)
        study.tell(trial, value)
    return path


@contextmanager
def little_space(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_journal_that_is_fit_is_left_alone(journal: Path) -> None:
    content = journal.read_bytes()
    assert mend_journal(journal) is None
    assert journal.read_bytes() == content
    assert [path.name for path in journal.parent.iterdir()] == ["journal.log"]


def test_a_journal_that_is_not_there_or_empty_is_fit(tmp_path: Path) -> None:
    assert mend_journal(tmp_path / "journal.log") is None
    (tmp_path / "journal.log").touch()
    assert mend_journal(tmp_path / "journal.log") is None


def test_a_journal_torn_anywhere_keeps_every_complete_record(journal: Path) -> None:
    content = journal.read_bytes()
    lines = content.splitlines(keepends=True)
    ends = {0, *(len(b"".join(lines[:count])) for count in range(len(lines) + 1))}
    for size in range(len(content) + 1):
        journal.write_bytes(content[:size])
        kept = max(end for end in ends if end <= size)
        said = mend_journal(journal)
        assert journal.read_bytes() == content[:kept]
        assert (said is None) == (kept == size)
        if said is not None:
            assert said.endswith(f"last line of {size - kept} bytes was cut off")


@pytest.mark.parametrize("lost", [1, 2, 40, 100])
def test_optuna_goes_on_with_a_mended_journal(journal: Path, lost: int) -> None:
    journal.write_bytes(journal.read_bytes()[:-lost])
    assert mend_journal(journal) is not None
    study = open_study(journal)
    assert [trial.value for trial in study.trials[:2]] == [3.0, 1.0]
    for _ in range(2):
        study.tell(study.ask(), 0.5)
    assert [trial.value for trial in open_study(journal).trials[-2:]] == [0.5, 0.5]


@pytest.mark.parametrize("garbage", [b"\0" * 5000, b"\xff\xfe\0\n", b'{"op_code":4,"wor{"a":1}\n'])
def test_garbage_behind_the_last_record_is_cut_off(journal: Path, garbage: bytes) -> None:
    content = journal.read_bytes()
    journal.write_bytes(content + garbage)
    assert f"{len(garbage)} bytes" in str(mend_journal(journal))
    assert journal.read_bytes() == content


def test_a_torn_line_longer_than_a_block_is_cut_off(journal: Path) -> None:
    content = journal.read_bytes()
    journal.write_bytes(content + b'{"op_code":' + b"1" * 200_000)
    assert mend_journal(journal) is not None
    assert journal.read_bytes() == content


def test_a_full_disk_is_mended_under_a_study_that_is_open(journal: Path) -> None:
    study = open_study(journal)
    with little_space(journal.stat().st_size + 50), pytest.raises(OSError, match="File too large"):
        study.set_user_attr("text", "x" * 1000)
    assert not journal.read_bytes().endswith(b"\n")
    assert mend_journal(journal) is not None
    for number in range(3):
        study.set_user_attr("number", number)
    assert open_study(journal).user_attrs == {"number": 2}


def test_a_killed_writer_leaves_nothing_that_is_not_mended(journal: Path) -> None:
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(journal)], cwd=ROOT, stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"open\n"
            writer.kill()
        lock = journal.with_name("journal.log.lock")
        if lock.is_symlink():
            age(lock)
        mend_journal(journal)
        assert not lock.is_symlink()
        study = open_study(journal)
        study.tell(study.ask(), 0.5)
        assert len(open_study(journal).trials) == len(study.trials)


def test_a_journal_that_is_moved_away_is_not_begun_anew(journal: Path) -> None:
    class LockOfMoved(JournalFileSymlinkLock):
        def acquire(self) -> bool:
            journal.rename(journal.with_name("away"))
            return super().acquire()

    kept = journal.read_bytes()
    with pytest.raises(FileNotFoundError):
        StudyJournal(str(journal), LockOfMoved(str(journal))).append_logs([{"op_code": 0}])
    assert [path.name for path in journal.parent.iterdir()] == ["away"]
    assert journal.with_name("away").read_bytes() == kept


def test_a_lock_of_the_dead_is_removed_even_when_the_folder_has_moved(journal: Path) -> None:
    assert JournalFileSymlinkLock(str(journal)).acquire()
    age(journal.with_name("journal.log.lock"))
    moved = journal.parent.rename(journal.parent.with_name("moved")) / "journal.log"
    assert "a lock of a killed process was removed" in str(mend_journal(moved))
    assert [path.name for path in moved.parent.iterdir()] == ["journal.log"]


def test_a_lock_in_use_is_waited_for(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes() + b"{")
    code = "import sys; sys.stdin.readline(); from search.storage.journal_file import *; "
    code += "print(mend_journal(Path(sys.argv[1])), flush=True)"
    lock = JournalFileSymlinkLock(str(journal))
    with subprocess.Popen(
        [sys.executable, "-c", code, str(journal)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as mender:
        lock.acquire()
        assert mender.stdin is not None
        mender.stdin.write("\n")
        mender.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            mender.wait(ABANDONED_SECONDS / 5)
        with journal.open("ab") as file:
            file.write(b"}\n")
        lock.release()
        assert mender.stdout is not None
        assert mender.stdout.read() == "None\n"
    assert journal.read_bytes().endswith(b"{}\n")


def test_a_record_under_way_is_not_taken_for_a_torn_one(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = journal.read_bytes()
    journal.write_bytes(content[:-5])
    acquire = JournalFileSymlinkLock.acquire

    def end_the_write_first(lock: JournalFileSymlinkLock) -> bool:
        journal.write_bytes(content)
        return acquire(lock)

    monkeypatch.setattr(JournalFileSymlinkLock, "acquire", end_the_write_first)
    assert mend_journal(journal) is None
    assert journal.read_bytes() == content


def test_a_journal_that_cannot_be_mended_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.log").mkdir()
    with pytest.raises(BadInputError, match=r"journal\.log cannot be mended \(Is a directory\)"):
        mend_journal(tmp_path / "journal.log")


def age(lock: Path) -> None:
    """Make a lock as old as an abandoned one."""
    then = time.time() - 2 * ABANDONED_SECONDS
    os.utime(lock, (then, then), follow_symlinks=False)
