"""The commands of a study and of its promotion: they name all that is not the default."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from benchmarks.study_commands import promotion_command, search_command
from dlf.config import Config
from dlf.text.source import TextSource, TextWay
from dlf.training.request import DEFAULT_EPOCHS
from search.promotion.finalists import PAPER_EPOCHS
from search.spaces.fixed_values import parse_fixed_values
from search.spaces.space import Space
from search.study.identity import StudyIdentity
from search.study.open_study import SearchSettings, StudyPlace
from search.study.schedulers import Stopping
from tests.support.promotion_plans import promotion_plan


def identity(way: TextWay = "precomputed", **changes: Any) -> StudyIdentity:
    values: dict[str, Any] = {
        "dataset": "synthetic",
        "dataset_digest": "0" * 64,
        "text": TextSource(way=way),
        "max_epochs": DEFAULT_EPOCHS,
        "paper": Config(),
        "base": Config(),
        "space": Space.of_text(way),
    }
    return StudyIdentity(**(values | changes))


def command(folder: Path, study: StudyIdentity, **settings: Any) -> str:
    """Return what is told of a study, between its trials and its name."""
    place = StudyPlace("lab", folder, None)
    opened = place.create(study, SearchSettings(**({"trials": 20, "seed": 0} | settings)))
    words = search_command(opened)
    begin = "python search/run.py --dataset synthetic --text precomputed --trials 20"
    assert words.startswith(begin)
    assert words.endswith(" --study lab")
    return words.removeprefix(begin).removesuffix("--study lab").strip()


def test_defaults_are_left_out(tmp_path: Path) -> None:
    assert command(tmp_path, identity()) == ""


def test_all_that_a_study_remembers_is_told(tmp_path: Path) -> None:
    rule = Stopping(scheduler="hyperband", grace_epochs=2, reduction=4)
    study = identity(max_epochs=9, replicates=3)
    assert command(tmp_path, study, seed=14, sampler="random", stopping=rule) == (
        "--max-epochs 9 --seed 14 --sampler random --scheduler hyperband --grace-epochs 2 "
        "--reduction 4 --replicates 3"
    )


def test_a_scheduler_is_told_where_it_is_not_that_of_the_sampler(tmp_path: Path) -> None:
    median, none = Stopping(scheduler="median"), Stopping(scheduler="none")
    assert command(tmp_path / "a", identity(), sampler="gp", stopping=median) == "--sampler gp"
    assert command(tmp_path / "b", identity(), sampler="gp", stopping=none) == (
        "--sampler gp --scheduler none"
    )


def test_fixed_values_are_told_also_where_they_are_the_papers(tmp_path: Path) -> None:
    paper = Config()
    space = Space.of_text("precomputed").without(["margin", "learning_rate"])
    study = identity(base=paper.with_values({"margin": 0.75, "patience": 7}), space=space)
    words = shlex.split(command(tmp_path, study))
    assert set(words[::2]) == {"--set"}
    assert parse_fixed_values(words[1::2], paper) == {
        "learning_rate": paper.values()["learning_rate"],
        "margin": 0.75,
        "patience": 7,
    }


def test_the_wide_space_is_named_and_a_file_is_left_to_the_reader(tmp_path: Path) -> None:
    wide = Space.of_text("precomputed", "wide")
    assert command(tmp_path / "a", identity(space=wide)) == "--space wide"
    own = Space(parameters={"margin": wide.parameters["margin"].model_copy(update={"high": 9.0})})
    assert command(tmp_path / "b", identity(space=own)) == "--space FILE"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, ""),
        ({"max_epochs": 12}, " --max-epochs 12"),
        ({"paper_epochs": 80}, " --paper-epochs 80"),
        ({"refit": True, "again": True}, " --refit --again"),
        ({"allow_tie": True, "only_if_better": True}, " --allow-tie --only-if-better"),
    ],
)
def test_a_promotion_names_what_was_asked_for(changes: dict[str, Any], told: str) -> None:
    plan = promotion_plan(**{"max_epochs": 30, "paper_epochs": PAPER_EPOCHS} | changes)
    assert promotion_command("lab", plan, 30) == (
        f"python search/promote.py --study lab --top 3 --seeds 4 --final-seeds 6{told}"
    )
