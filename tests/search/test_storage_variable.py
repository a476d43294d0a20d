"""$DLF_STORAGE in the place of --storage, for every command that has one."""

from pathlib import Path

import pytest

from dlf.command import BadInputError, CommandParser
from search import audit, promote, report, run, status
from search.arguments import add_study_flags, storage_to_give
from search.study.open_study import SearchSettings, StudyPlace
from tests.support.searches import run_here
from tests.support.simulation import SimulatedSearch

NOWHERE = "sqlite:////nowhere/at/all.db"


def storage_of(*words: str) -> str | None:
    parser = CommandParser(prog="test")
    add_study_flags(parser)
    storage: str | None = parser.parse_args(["--study", "a", *words]).storage
    return storage


def test_the_flag_comes_first_then_the_variable_then_the_journal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DLF_STORAGE", raising=False)
    assert storage_of() is None
    monkeypatch.setenv("DLF_STORAGE", "")
    assert storage_of() is None
    monkeypatch.setenv("DLF_STORAGE", "sqlite:///a.db")
    assert storage_of() == "sqlite:///a.db"
    assert storage_of("--storage", "sqlite:///b.db") == "sqlite:///b.db"


def test_a_command_that_is_shown_gives_what_the_variable_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DLF_STORAGE", raising=False)
    assert storage_to_give(None) is None
    assert storage_to_give("sqlite:///a.db") == "sqlite:///a.db"
    monkeypatch.setenv("DLF_STORAGE", "sqlite:///a.db")
    assert storage_to_give("sqlite:///a.db") is None
    assert storage_to_give("sqlite:///b.db") == "sqlite:///b.db"


def test_every_command_reads_it(
    simulated: SimulatedSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    StudyPlace("mosi", tmp_path, url).create(simulated.identity, SearchSettings(trials=1, seed=0))
    where = ("--study", "mosi", "--output", str(tmp_path))
    monkeypatch.setenv("DLF_STORAGE", url)
    assert run_here(status.main, "status", *where).code == 0
    done = run_here(run.main, "run.py", "--dataset", "synthetic", *where)
    assert "there is a study 'mosi' already" in done.err
    monkeypatch.setenv("DLF_STORAGE", NOWHERE)
    for main in (status.main, report.main, audit.main, promote.main):
        done = run_here(main, "command", *where)
        assert (done.code, done.out) == (2, "")
        assert f"no study 'mosi' in {NOWHERE}" in done.err


def test_help_does_not_tell_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DLF_STORAGE", "postgresql://anna:s3cr3t@lab3/dlf")
    with pytest.raises(SystemExit):
        storage_of("--help")
    said = capsys.readouterr().out
    assert "$DLF_STORAGE" in said
    assert "s3cr3t" not in said


@pytest.mark.parametrize("password", ["s3@cr3t", "s3 cr3t", "s3/cr3t"])
def test_a_password_that_cuts_its_address_is_refused(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgresql://anna:{password}@lab3/dlf"
    with pytest.raises(BadInputError, match="%20, %2F and %40") as refusal:
        storage_of("--storage", url)
    assert "cr3t" not in str(refusal.value)
    monkeypatch.setenv("DLF_STORAGE", url)
    with pytest.raises(BadInputError, match="%20, %2F and %40"):
        storage_of()


def test_a_file_may_have_such_a_name() -> None:
    assert storage_of("--storage", "sqlite:////home/an na/a@b@c.db") is not None
