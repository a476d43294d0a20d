"""What makes a study this study: its digest, its configurations, and what is said of a change."""

from pathlib import Path

import pytest

from dlf.config import Config
from dlf.text.source import Encoder, TextSource
from search.spaces.space import Space
from search.study.identity import StudyIdentity
from tests.support.simulation import SimulatedSearch

FROZEN = TextSource(
    way="frozen",
    encoder=Encoder(
        name="minilm", revision="0123456789abcdef", width=384, layers=6, max_tokens=512
    ),
)
NARROW = Space.model_validate({"parameters": {"margin": {"type": "float", "low": 0, "high": 0.5}}})


@pytest.fixture
def identity(simulated: SimulatedSearch) -> StudyIdentity:
    return simulated.identity


CHANGES = {
    "dataset": "mosi",
    "dataset_digest": "1" * 64,
    "text": FROZEN,
    "max_epochs": 8,
    "replicates": 2,
    "paper": Config().with_values({"margin": 0.2}),
    "base": Config().with_values({"patience": 4}),
    "space": NARROW,
}


def test_every_part_is_in_the_digest(identity: StudyIdentity) -> None:
    assert CHANGES.keys() == StudyIdentity.model_fields.keys()
    others = [identity.model_copy(update={name: value}) for name, value in CHANGES.items()]
    assert len({identity.digest, *(other.digest for other in others)}) == 1 + len(CHANGES)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dataset", ["dataset is mosi, was synthetic"]),
        (
            "dataset_digest",
            ["the data of synthetic has the digest 111111111111, was 000000000000"],
        ),
        ("text", ["the text is frozen by minilm (0123456789ab), was precomputed"]),
        ("max_epochs", ["max epochs is 8, was 9"]),
        ("replicates", ["replicates is 2, was 1"]),
        ("base", ["patience is fixed at 4, was 10"]),
    ],
)
def test_a_change_is_said_in_words(identity: StudyIdentity, name: str, said: list[str]) -> None:
    changed = identity.model_copy(update={name: CHANGES[name]})
    assert changed.changes_from(identity) == said
    assert identity.changes_from(identity) == []


def test_another_dataset_has_another_digest_of_course(identity: StudyIdentity) -> None:
    changed = identity.model_copy(update={"dataset": "mosi", "dataset_digest": "1" * 64})
    assert changed.changes_from(identity) == ["dataset is mosi, was synthetic"]


def test_a_change_of_the_space_is_said_parameter_by_parameter(identity: StudyIdentity) -> None:
    heads = {"type": "categorical", "choices": [2, 5]}
    margin = {"type": "float", "low": 0, "high": 0.5}
    one, other = (
        identity.model_copy(update={"space": Space.model_validate({"parameters": parameters})})
        for parameters in (
            {"margin": margin, "heads": heads},
            {"margin": margin | {"high": 0.6}, "lambda_r": margin},
        )
    )
    assert other.space_changes_from(one) == [
        "lambda_r is new (0 to 0.5)",
        "heads is no longer searched",
        "margin ranges over 0 to 0.6, was 0 to 0.5",
    ]
    assert one.space_changes_from(one) == []


def test_the_papers_trial_has_the_papers_configuration_whatever_the_search_fixes(
    identity: StudyIdentity,
) -> None:
    fixed = identity.model_copy(update={"base": Config().with_values({"patience": 4})})
    assert fixed.config_of(0, {"margin": 0.3}) == Config()
    assert fixed.config_of(1, {"margin": 0.3}) == Config().with_values(
        {"patience": 4, "margin": 0.3}
    )


def test_the_papers_parameters_are_shown_also_where_they_are_zero_or_outside(
    identity: StudyIdentity,
) -> None:
    paper = Config().with_values({"margin": 1.5, "lambda_r": 0.0})
    other = identity.model_copy(update={"paper": paper})
    shown = other.shown_params(0, {})
    assert (shown["margin"], shown["lambda_r"]) == (1.5, 0.0)
    assert shown.keys() <= identity.space.parameters.keys()
    assert other.shown_params(1, {"margin": 0.3}) == {"margin": 0.3}


def test_the_data_folder_is_an_absolute_one(
    identity: StudyIdentity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = identity.data_in(Path("data"))
    assert data.data_dir == tmp_path / "data"
    assert (data.dataset, data.dataset_digest, data.text) == ("synthetic", "0" * 64, identity.text)
