"""The rows of Table 2: what each changes of a configuration, and which need no training."""

import pytest

from dlf.config import Config, Value
from dlf.metrics import Metrics
from dlf.presets import preset
from dlf.published_results import TABLE_1, TABLE_2
from search.ablation.rows import ABLATIONS, rows_of

CHANGES: dict[str, dict[str, Value]] = {
    "DLF": {},
    "only A": {"modalities": "audio"},
    "only V": {"modalities": "vision"},
    "only L": {"modalities": "text"},
    "L&A": {"modalities": "text+audio"},
    "L&V": {"modalities": "text+vision"},
    "w/o L_r": {"lambda_r": 0},
    "w/o L_s": {"lambda_s": 0},
    "w/o L_m": {"lambda_m": 0},
    "w/o L_o": {"lambda_o": 0},
    "w/o FDM": {"disentangled": False},
    "w/o LFA": {"attractor": "own"},
    "w/o HP": {"hierarchical": False},
}


def same_as(config: Config) -> dict[str, str]:
    return {p.row.name: p.same_as for p in rows_of(config) if p.same_as is not None}


def changed(**values: Value) -> Config:
    return preset("paper", "mosi").with_values(values)


@pytest.mark.parametrize("dataset", ["mosi", "mosei"])
def test_every_row_changes_what_its_name_says_and_nothing_else(dataset: str) -> None:
    paper = preset("paper", dataset)
    before = paper.values()
    found = {
        planned.row.name: {k: v for k, v in planned.config.values().items() if v != before[k]}
        for planned in rows_of(paper)
    }
    assert found == CHANGES
    assert [dict(row.values) for row in ABLATIONS] == list(CHANGES.values())
    assert list(found) == list(CHANGES)
    assert same_as(paper) == {}


def test_the_groups_are_those_of_the_paper() -> None:
    groups = [row.group for row in ABLATIONS]
    assert [(group, groups.count(group)) for group in dict.fromkeys(groups)] == [
        ("full model", 1),
        ("modalities", 5),
        ("regularisers", 4),
        ("components", 3),
    ]


@pytest.mark.parametrize("name", [name for name in CHANGES if CHANGES[name]])
def test_a_row_that_the_configuration_is_already_is_not_trained_twice(name: str) -> None:
    config = changed(**CHANGES[name])
    assert same_as(config)[name] == "DLF"
    assert rows_of(config)[0].config == config


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"disentangled": False}, {"w/o L_r", "w/o L_s", "w/o L_m", "w/o L_o", "w/o FDM"}),
        ({"modalities": "audio+vision"}, {"w/o LFA"}),
        ({"modalities": "audio"}, {"only A", "w/o LFA"}),
        ({"modalities": "text"}, {"only L"}),
        ({"lambda_m": 0, "lambda_o": 0}, {"w/o L_m", "w/o L_o"}),
    ],
)
def test_values_that_a_configuration_does_not_read_make_no_difference(
    values: dict[str, Value], expected: set[str]
) -> None:
    assert same_as(changed(**values)) == dict.fromkeys(expected, "DLF")


def test_figures_are_shares_under_the_names_of_the_metrics() -> None:
    names = set(Metrics.model_fields)
    assert set(TABLE_1) == {"mosi", "mosei"}
    for figures in TABLE_1.values():
        assert set(figures) == names
    assert set(TABLE_2) == {row.name for row in ABLATIONS}
    for figures in TABLE_2.values():
        assert set(figures) == {"acc7", "acc2", "f1", "mae"}
    for figures in (*TABLE_1.values(), *TABLE_2.values()):
        assert all(0 < value < 1 for name, value in figures.items() if name != "mae")


def test_the_full_model_of_both_tables_is_the_same() -> None:
    full = ABLATIONS[0].published
    assert full == {name: TABLE_1["mosi"][name] for name in full}
