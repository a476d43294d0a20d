"""The commands that a search ends with can be typed as they are printed."""

import shlex
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from dlf.config import Config
from dlf.text.source import Encoder, TextSource
from dlf.training import request as train_request
from search.planning.next_steps import look_command, promote_command
from search.promotion.next_steps import promotion_command, train_command
from search.promotion.request import read_request
from search.spaces.space import Space
from search.study.identity import StudyIdentity
from search.trial.code_version import PROJECT
from search.trial.seeds import final_seed
from tests.support.promotion_plans import promotion_plan
from tests.support.seeded_trainings import entrant
from tracking.store.location import resolve


def test_in_the_project_the_default_store_is_opened_by_make(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(PROJECT)
    assert look_command(resolve(None)) == "make ui"


def test_elsewhere_the_store_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(look_command(resolve(None)))
    assert words[:2] == ["MLFLOW_DISABLE_TELEMETRY=true", sys.executable]
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


@pytest.mark.parametrize(
    ("refit", "allow_tie", "only_if_better", "again"),
    [(False,) * 4, (True, False, False, True), (False, True, True, False)],
)
def test_a_promotion_is_reproduced_by_a_command_that_says_all_of_its_plan(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refit: bool,
    allow_tie: bool,
    only_if_better: bool,
    again: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = promotion_plan(
        refit=refit, allow_tie=allow_tie, only_if_better=only_if_better, again=again
    )
    flags = {"--data-dir": Path("my data"), "--storage": None}
    command = promotion_command("mosi-1", plan, flags)
    with patch.object(sys, "argv", shlex.split(command)[1:]):
        request = read_request()
    assert (request.study, request.data_dir) == ("mosi-1", Path("my data"))
    flags_of_plan = ("top", "seeds", "final_seeds", "max_epochs", "paper_epochs")
    for flag in (*flags_of_plan, "refit", "allow_tie", "only_if_better"):
        assert getattr(request, flag) == getattr(plan, flag), flag
    assert request.again, "the promotion that is reproduced has read the split"
    assert not request.resume


@pytest.mark.parametrize("encoder", [None, "a folder/with an encoder"])
def test_what_is_kept_can_be_trained_without_ray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    text = TextSource(way="precomputed")
    if encoder is not None:
        found = Encoder(name=encoder, revision="0" * 64, width=16, layers=2, max_tokens=50)
        text = TextSource(way="frozen", encoder=found)
    identity = StudyIdentity(
        dataset="synthetic",
        dataset_digest="0" * 64,
        text=text,
        max_epochs=9,
        paper=Config(),
        base=Config(),
        space=Space.load(),
    )
    file, data = tmp_path / "my runs" / "config.yaml", Path("my data")
    command = train_command(file, entrant(4, max_epochs=70), 5, identity, data)
    words = shlex.split(command)
    assert words[1:3] == ["-m", "dlf.train"]
    with patch.object(sys, "argv", ["dlf.train", *words[3:]]):
        request = train_request.read_request()
    assert (request.config, request.data_dir) == ("my runs/config.yaml", data)
    assert (request.dataset, request.max_epochs) == ("synthetic", 70)
    assert list(request.all_seeds) == [final_seed(index) for index in range(5)]
    assert (request.text, request.text_encoder) == (text.way, encoder)
