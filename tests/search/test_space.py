"""The search space file: what is in the default one, and what is refused."""

from pathlib import Path

import pytest

from dlf.command import BadInputError
from dlf.config import Config
from dlf.presets import preset
from search.space import Space

REQUIRED = {
    *("margin", "lambda_r", "lambda_s", "lambda_m", "lambda_o"),
    *("beta_sh", "beta_sp_l", "beta_sp_v", "beta_sp_a"),
    *("encoder_layers", "attractor_layers", "memory_layers", "learning_rate", "accumulation"),
}


@pytest.mark.parametrize("dataset", ["mosi", "mosei"])
def test_the_papers_configuration_lies_in_the_default_space(dataset: str) -> None:
    space = Space.load()
    paper = space.values_of(preset("paper", dataset))
    assert set(paper) == set(space.parameters) >= REQUIRED
    for name, distribution in space.distributions().items():
        assert distribution._contains(distribution.to_internal_repr(paper[name])), name


def test_every_corner_of_the_default_space_is_a_configuration() -> None:
    parameters = Space.load().parameters
    for end in ("low", "high"):
        Config().with_values({name: getattr(p, end) for name, p in parameters.items()})


def test_the_default_space_reaches_what_frozen_text_needs() -> None:
    parameters = Space.load().parameters
    assert parameters["learning_rate"].high == 5e-3
    assert (parameters["accumulation"].low, parameters["accumulation"].high) == (1, 10)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("margn: {type: float, low: 0, high: 1}", "margin"),
        ("margin: {type: float, low: 1, high: 0}", "low 1.0 is not below high 0.0"),
        ("margin: {type: float, low: 0, high: 1, log: true}", "log range cannot begin at 0"),
        ("margin: {type: real, low: 0, high: 1}", "margin"),
        ("margin: {type: categorical, choices: [1]}", "at least 2"),
        ("margin: [", "not YAML"),
        ("", "valid dictionary"),
    ],
)
def test_a_bad_space_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(text)
    with pytest.raises(BadInputError, match=said) as refusal:
        Space.load(file)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_missing_space_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"nowhere\.yaml"):
        Space.load(tmp_path / "nowhere.yaml")
