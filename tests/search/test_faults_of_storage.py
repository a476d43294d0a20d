"""A storage of the study that is full, locked or moved away while it is searched."""

import resource
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from search.study.open_study import JOURNAL_FILE
from tests.support.commands import Command
from tests.support.faulty_trainable import limited
from tests.support.searches import Search, resume_to_the_end

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_here")]

ENDLESS = ("--trials", 1000, "--max-epochs", 3)
SOME_EPOCHS = 7

LOCKER = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None) as database:
    database.execute("BEGIN EXCLUSIVE")
    print("locked", flush=True)
    sys.stdin.read()
"""


def assert_told_in_words(done: Command, *said: str) -> None:
    """The command to go on with, and one sentence."""
    assert done.code == 1, done.err
    command, sentence = done.err.splitlines()
    assert command.startswith("go on with: ")
    assert sentence.startswith("the study in ")
    assert "what was told to it is kept, and --resume goes on" in sentence
    for words in said:
        assert words in sentence


def test_a_journal_on_a_full_disk_ends_the_search_in_words(tiny_data: Path, tmp_path: Path) -> None:
    search = Search(tmp_path, tiny_data)
    journal = search.place.folder / JOURNAL_FILE
    with ExitStack() as disk:

        def fill() -> None:
            disk.enter_context(limited(resource.RLIMIT_FSIZE, journal.stat().st_size + 100))

        with search.after_epochs(SOME_EPOCHS, fill):
            done = search.run(*ENDLESS)
    assert_told_in_words(done, "File too large", str(search.place.folder.parent))
    finished = search.states.count("COMPLETE")
    assert finished > 0
    resume_to_the_end(search)


def test_a_journal_that_was_moved_away_ends_the_search_in_words(
    tiny_data: Path, tmp_path: Path
) -> None:
    search = Search(tmp_path, tiny_data)
    journal = search.place.folder / JOURNAL_FILE
    with search.after_epochs(SOME_EPOCHS, lambda: journal.rename(tmp_path / "away")):
        done = search.run(*ENDLESS)
    assert_told_in_words(done, "No such file or directory")
    assert not journal.exists()
    lost = search.run("--resume")
    assert (lost.code, lost.out) == (2, "")
    assert lost.err.startswith(f"there is no study {search.place.name!r}")
    assert len(lost.err.splitlines()) == 1
    (tmp_path / "away").rename(journal)
    resume_to_the_end(search)


def test_a_database_that_is_locked_ends_the_search_in_words(
    tiny_data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "study.db"
    search = Search(tmp_path, tiny_data, storage=f"sqlite:///{file}")
    with ExitStack() as locked:

        def lock() -> None:
            words = [sys.executable, "-c", LOCKER, str(file)]
            locker = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            locked.callback(locker.communicate)
            assert locker.stdout is not None
            assert locker.stdout.readline() == b"locked\n"

        with search.after_epochs(SOME_EPOCHS, lock):
            done = search.run(*ENDLESS)
    assert_told_in_words(done, "database is locked", str(file))
    resume_to_the_end(search)
