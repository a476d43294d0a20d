"""What a search settles before it trains, and what a resumed one may not change."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlf.command import BadInputError
from dlf.data import read_manifest
from dlf.presets import preset
from search.planning.plan import SearchPlan, plan_search
from search.planning.request import read_request
from search.resources.allotment import Resources
from search.study.open_study import OpenStudy, StudyPlace
from search.study.schedulers import Stopping

Plan = Callable[..., SearchPlan]

RESOURCES = Resources(cpus_per_trial=1, gpus_per_trial=0, max_concurrent=2)
NEW = ("--dataset", "synthetic", "--study", "s")
AGAIN = ("--study", "s", "--resume")


@pytest.fixture
def plan(tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Settle a search from the words of its command line."""

    def settle(*words: str, former: OpenStudy | None = None) -> SearchPlan:
        places = ("--data-dir", str(tiny_data), "--output", str(tmp_path / "runs"))
        monkeypatch.setattr(sys, "argv", ["run.py", *words, *places])
        manifest = read_manifest("synthetic", tiny_data)
        return plan_search(read_request(), manifest, RESOURCES, former, None)

    return settle


@pytest.fixture
def former(plan: Plan, tmp_path: Path) -> OpenStudy:
    """A study that was begun with flags of its own."""
    begun = plan(*NEW, "--trials", "7", "--seed", "3", "--sampler", "random", "--max-epochs", "9")
    place = StudyPlace("s", tmp_path / "runs", None)
    place.create(begun.identity, begun.settings)
    return place.load()


def test_the_paper_stays_as_it_is_where_values_are_fixed(plan: Plan) -> None:
    settled = plan(*NEW, "--set", "margin=0.4", "--set", "patience=5").identity
    assert settled.paper == preset("paper", "synthetic")
    assert settled.base == settled.paper.with_values({"margin": 0.4, "patience": 5})
    assert "margin" not in settled.space.parameters
    assert settled.config_of(0, {}) == settled.paper
    assert settled.config_of(1, {}).training.patience == 5


def test_a_resumed_search_takes_what_is_left_open_from_the_study(
    plan: Plan, former: OpenStudy
) -> None:
    settled = plan(*AGAIN, former=former)
    assert settled.identity == former.identity
    assert settled.settings == former.settings
    assert settled.budget.trials == 7
    assert settled.identity.max_epochs == 9


@pytest.fixture
def wide_and_fixed(plan: Plan, tmp_path: Path) -> OpenStudy:
    """A study on another space than the default one, in which the heads are fixed."""
    begun = plan(*NEW, "--space", "wide", "--set", "heads=5")
    place = StudyPlace("s", tmp_path / "runs", None)
    place.create(begun.identity, begun.settings)
    return place.load()


@pytest.mark.parametrize(
    "words", [("--set", "heads=5"), ("--space", "wide"), ("--space", "wide", "--set", "heads=5")]
)
def test_space_and_fixed_values_are_each_taken_from_the_study_where_they_are_left_out(
    plan: Plan, wide_and_fixed: OpenStudy, words: tuple[str, ...]
) -> None:
    assert plan(*AGAIN, *words, former=wide_and_fixed).identity == wide_and_fixed.identity


def test_another_space_keeps_what_the_study_has_fixed(
    plan: Plan, wide_and_fixed: OpenStudy
) -> None:
    words = ("--space", "default", "--force-new-space")
    settled = plan(*AGAIN, *words, former=wide_and_fixed).identity
    assert settled.base == wide_and_fixed.identity.base
    assert "width" not in settled.space.parameters


def test_what_lies_outside_of_the_identity_may_change(plan: Plan, former: OpenStudy) -> None:
    words = ("--trials", "30", "--sampler", "tpe", "--scheduler", "median", "--grace-epochs", "4")
    settled = plan(*AGAIN, *words, former=former)
    assert settled.identity == former.identity
    assert settled.settings.trials == 30
    assert settled.settings.sampler == "tpe"
    assert settled.settings.stopping == Stopping(scheduler="median", grace_epochs=4)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--max-epochs", "8"), "max epochs is 8, was 9"),
        (("--replicates", "3"), "replicates is 3, was 1"),
        (("--set", "patience=4"), "patience is fixed at 4, was 10"),
        (("--space", "wide"), "width is new"),
        (("--seed", "4"), "leave --seed out"),
        (("--text", "frozen", "--text-encoder", "minilm"), "the text is frozen by minilm"),
    ],
)
def test_a_change_of_the_study_is_refused_with_what_changed(
    plan: Plan, former: OpenStudy, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(BadInputError, match=said) as refusal:
        plan(*AGAIN, *words, former=former)
    assert len(str(refusal.value).splitlines()) == 1


def test_other_data_is_refused(plan: Plan, former: OpenStudy) -> None:
    identity = former.identity.model_copy(update={"dataset_digest": "f" * 64})
    changed = former.model_copy(update={"identity": identity})
    with pytest.raises(BadInputError, match="the data of synthetic has the digest"):
        plan(*AGAIN, former=changed)


def test_another_space_can_be_forced_but_not_other_choices(
    plan: Plan, former: OpenStudy, tmp_path: Path
) -> None:
    file = tmp_path / "space.yaml"
    file.write_text("margin: {type: float, low: 0.0, high: 2.0}")
    words = ("--space", str(file))
    with pytest.raises(BadInputError, match="margin ranges over 0 to 2, was 0 to 1"):
        plan(*AGAIN, *words, former=former)
    settled = plan(*AGAIN, *words, "--force-new-space", former=former)
    assert list(settled.identity.space.parameters) == ["margin"]
    file.write_text("margin: {type: categorical, choices: [0.15, 0.5]}")
    with pytest.raises(BadInputError, match="--warm-start s"):
        plan(*AGAIN, *words, "--force-new-space", former=former)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--resume",), "name it with --study"),
        (("--trials", "3"), "--dataset is missing"),
        ((*NEW, "--force-new-space"), "goes with --resume"),
        ((*NEW, "--warm-start", "s"), "cannot warm-start itself"),
        ((*NEW, "--time-budget", "soon"), "no time such as 2h"),
        ((*NEW, "--target", "valid/corr=0.8"), "valid/mae"),
        ((*NEW, "--set", "marign=0.2"), "did you mean margin"),
        ((*NEW, "--set", "margin"), "KEY=VALUE"),
        ((*NEW, "--space", "nowhere.yaml"), "no space file"),
        ((*NEW, "--enqueue", "nowhere.yaml"), "cannot be read"),
        ((*NEW, "--scheduler", "none", "--grace-epochs", "2"), "--grace-epochs"),
        ((*NEW, "--sampler", "gp", "--scheduler", "asha"), "gp"),
        ((*NEW, "--reduction", "1"), "--reduction is 2 at least"),
    ],
)
def test_flags_that_make_no_sense_are_refused_in_one_sentence(
    plan: Plan, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(BadInputError, match=said) as refusal:
        plan(*words)
    assert len(str(refusal.value).splitlines()) == 1


def test_budgets_are_read(plan: Plan) -> None:
    budget = plan(*NEW, "--time-budget", "1h30m", "--epoch-budget", "50", "--patience", "9").budget
    assert (budget.seconds, budget.epochs, budget.patience) == (5400, 50, 9)


def test_the_identity_is_named_by_all_of_it(plan: Plan) -> None:
    digests: set[Any] = {
        plan(*NEW, *words).identity.digest
        for words in ((), ("--replicates", "2"), ("--space", "wide"), ("--set", "patience=4"))
    }
    assert len(digests) == 4
