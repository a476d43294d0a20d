"""The commands that a search ends with can be typed as they are printed."""

import shlex
import sys
from pathlib import Path

import pytest

from search.next_steps import PROJECT, look_command, promote_command
from tracking.location import resolve


def test_in_the_project_the_default_store_is_opened_by_make(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(PROJECT)
    assert look_command(resolve(None)) == "make ui"


def test_elsewhere_the_store_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(look_command(resolve(None)))
    assert words[0] == sys.executable
    assert words[-1] == f"sqlite:///{tmp_path}/mlflow.db"
    assert look_command(resolve("http://me:secret@host:5000")) == "open http://me:***@host:5000"


def test_the_promotion_is_typed_as_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = {
        "--data-dir": Path("my data"),
        "--storage": "postgresql://me:secret@host/db",
        "--tracking-uri": None,
    }
    command = promote_command("mosi-1", flags)
    words = shlex.split(command)
    assert Path(words[0]).exists()
    assert Path(words[1]).name == "promote.py"
    assert Path(words[1]).exists()
    assert words[words.index("--data-dir") + 1] == "my data"
    assert "--tracking-uri" not in words
    assert "secret" not in command
