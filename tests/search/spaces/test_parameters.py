"""The kinds of parameter: one suite that each of them passes, and what each refuses."""

from typing import Any

import optuna
import pytest
from optuna.samplers import RandomSampler
from pydantic import TypeAdapter, ValidationError

from dlf.config import Value
from search.spaces.parameters import Parameter, shown

ADAPTER: TypeAdapter[Parameter] = TypeAdapter(Parameter)

KINDS: list[dict[str, Any]] = [
    {"type": "float", "low": -1, "high": 1},
    {"type": "float", "low": 1e-4, "high": 10, "log": True},
    {"type": "float", "low": 0.1, "high": 0.8, "step": 0.1},
    {"type": "int", "low": 1, "high": 6},
    {"type": "int", "low": 1, "high": 1000, "log": True},
    {"type": "int", "low": 10, "high": 100, "step": 30},
    {"type": "categorical", "choices": [1, 2.5, "x"]},
    {"type": "categorical", "choices": [True, False]},
]


def parameter(tree: dict[str, Any]) -> Parameter:
    return ADAPTER.validate_python(tree)


@pytest.mark.parametrize("tree", KINDS, ids=str)
def test_what_is_suggested_lies_in_the_range(tree: dict[str, Any]) -> None:
    kind = parameter(tree)
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    drawn = []
    for _ in range(50):
        trial = study.ask()
        value = kind.suggest(trial, "x")
        assert kind.contains(value)
        assert trial.params == {"x": value}
        assert trial.distributions == {"x": kind.distribution()}
        drawn.append(value)
    assert len(set(drawn)) > 1


@pytest.mark.parametrize("tree", KINDS, ids=str)
def test_a_kind_is_the_same_again_through_json(tree: dict[str, Any]) -> None:
    kind = parameter(tree | {"when": {"optimizer": "adamw", "width": [50, 60]}})
    again = ADAPTER.validate_json(ADAPTER.dump_json(kind))
    assert again == kind
    assert str(again) == str(kind)


@pytest.mark.parametrize(
    ("index", "value", "inside"),
    [
        *((0, -1, True), (0, 1.0, True), (0, 1.001, False), (0, "x", False), (0, None, False)),
        *((2, 0.3, True), (2, 0.1 + 0.2, True), (2, 0.35, False), (2, 0.8, True)),
        *((3, 6, True), (3, 6.0, True), (3, 5.5, False), (3, 7, False), (3, "x", False)),
        *((5, 40, True), (5, 41, False), (5, 100, True)),
        *((6, 2.5, True), (6, 1.0, True), (6, "x", True), (6, "y", False), (6, None, False)),
        *((7, True, True), (7, "true", False)),
    ],
)
def test_the_ends_and_the_grid_bound_a_range(index: int, value: Value, inside: bool) -> None:
    assert parameter(KINDS[index]).contains(value) is inside


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"type": "float", "low": 1, "high": 1}, "low 1.0 is not below high 1.0"),
        ({"type": "float", "low": 0, "high": 1, "log": True}, "log range cannot begin at 0"),
        ({"type": "int", "low": 0, "high": 9, "log": True}, "log range cannot begin at 0"),
        ({"type": "float", "low": 1, "high": 2, "log": True, "step": 0.5}, "has no step"),
        ({"type": "float", "low": 0.1, "high": 0.8, "step": 0.2}, "do not arrive at 0.8"),
        ({"type": "int", "low": 1, "high": 10, "step": 2}, "steps of 2 from 1"),
        ({"type": "int", "low": 1, "high": 10, "step": 0}, "greater than 0"),
        ({"type": "int", "low": 1.5, "high": 3}, "valid integer"),
        ({"type": "float", "low": 0, "high": float("inf")}, "finite"),
        ({"type": "categorical", "choices": [1]}, "at least 2"),
        ({"type": "categorical", "choices": ["a", "b", "a"]}, "twice in a | b | a"),
        ({"type": "float", "low": 0, "high": 1, "setp": 1}, "Extra inputs"),
        ({"type": "float", "low": 0, "high": 1, "when": {"width": []}}, "at least 1"),
        ({"type": "float", "low": 0, "high": 1, "when": "width"}, "dictionary"),
    ],
)
def test_what_is_no_range_is_refused(tree: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said.replace("|", r"\|")):
        parameter(tree)


def test_a_parameter_exists_when_all_its_conditions_hold() -> None:
    kind = parameter(KINDS[0] | {"when": {"optimizer": "adamw", "width": [50, 60]}})
    assert kind.conditions == "when optimizer = adamw and width = 50 or 60"
    assert kind.exists_with({"optimizer": "adamw", "width": 60})
    assert not kind.exists_with({"optimizer": "adam", "width": 60})
    assert not kind.exists_with({"optimizer": "adamw", "width": 70})
    assert parameter(KINDS[0]).exists_with({})
    assert parameter(KINDS[0]).conditions == ""


def test_a_range_reads_like_a_range() -> None:
    assert [str(parameter(tree)) for tree in KINDS] == [
        "-1 to 1",
        "0.0001 to 10, log",
        "0.1 to 0.8, step 0.1",
        "1 to 6",
        "1 to 1000, log",
        "10 to 100, step 30",
        "1 | 2.5 | x",
        "true | false",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "none"), (True, "true"), (1e-4, "0.0001"), (3.0, "3"), (0.123456789, "0.123456789")],
)
def test_a_value_is_shown_briefly_and_exactly(value: Value | None, text: str) -> None:
    assert shown(value) == text
