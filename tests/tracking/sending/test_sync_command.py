"""The command that is shown for what MLflow lacks is one that can be typed."""

import shlex
from pathlib import Path

import pytest

import tracking.sync
from tracking.sending.sync_command import sync_command
from tracking.store.location import resolve


@pytest.mark.parametrize("below", ["", "promotions/20261130-120000-000000"])
def test_it_has_what_is_not_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    here = Path("runs", "a study", below, "tracking.jsonl")
    assert sync_command(here, resolve(None)) == "python -m tracking.sync --study 'a study'"
    elsewhere = tmp_path / "others" / "a study" / below / "tracking.jsonl"
    command = sync_command(elsewhere, resolve("http://user:secret@127.0.0.1:5000"))
    assert command == (
        f"python -m tracking.sync --study 'a study' --output {tmp_path / 'others'} "
        "--tracking-uri 'http://user:***@127.0.0.1:5000'"
    )
    args = tracking.sync.argument_parser().parse_args(shlex.split(command)[3:])
    assert (args.study, args.output.folder) == ("a study", tmp_path / "others")


def test_an_address_from_the_environment_need_not_be_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    journal = Path("runs/a/tracking.jsonl")
    assert "--tracking-uri" not in sync_command(journal, resolve(None))
    assert "--tracking-uri" in sync_command(journal, resolve("sqlite:///mlflow.db"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "ftp://nobody")
    assert "--tracking-uri" in sync_command(journal, resolve("sqlite:///mlflow.db"))
