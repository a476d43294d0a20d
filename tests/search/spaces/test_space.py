"""The search space: the shipped ones, how trials and configurations relate to it, what it says."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from dlf.command import BadInputError
from dlf.config import Config, ModelConfig, Value
from dlf.presets import preset
from dlf.text.source import TextWay
from search.spaces.space import SHIPPED, Space

DEFAULT = Space.of_text("precomputed")
WIDE = Space.of_text("precomputed", "wide")

REQUIRED = {
    *("margin", "lambda_r", "lambda_s", "lambda_m", "lambda_o"),
    *("beta_sh", "beta_sp_l", "beta_sp_v", "beta_sp_a"),
    *("encoder_layers", "attractor_layers", "memory_layers", "learning_rate", "accumulation"),
}
MARGIN = {"type": "float", "low": 0.0, "high": 1.0}
OPTIMIZER = {"type": "categorical", "choices": ["adam", "adamw"]}
DECAY = {"type": "float", "low": 0.0, "high": 0.1, "when": {"optimizer": "adamw"}}
ADAMW = Config().with_values({"optimizer": "adamw"})


def space(**parameters: dict[str, Any]) -> Space:
    return Space.model_validate({"parameters": parameters})


def random_study() -> optuna.Study:
    return optuna.create_study(sampler=RandomSampler(seed=1))


@pytest.mark.parametrize("way", ["precomputed", "finetune"])
@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("dataset", ["mosi", "mosei"])
def test_the_papers_configuration_lies_in_the_shipped_spaces(
    dataset: str, name: str, way: TextWay
) -> None:
    shipped, paper = Space.of_text(way, name), preset("paper", dataset)
    assert set(shipped.parameters) >= REQUIRED
    assert shipped.outside(paper, paper) is None
    assert shipped.missing_from(paper, paper) == []
    for parameter, kind in shipped.parameters.items():
        assert kind.contains(paper.values()[parameter]), parameter


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("dataset", ["mosi", "mosei"])
def test_whatever_a_shipped_space_draws_is_a_configuration(dataset: str, name: str) -> None:
    shipped, base, study = Space.of_text("finetune", name), preset("paper", dataset), random_study()
    for _ in range(300):
        values = shipped.suggest(study.ask(), base)
        config = base.with_values(values)
        assert shipped.values_of(config) == values
        assert shipped.outside(config, base) is None


def test_the_wide_space_adds_the_architecture_and_the_optimiser() -> None:
    added = WIDE.parameters.keys() - DEFAULT.parameters.keys()
    dropouts = {name for name in ModelConfig.model_fields if name.endswith("_dropout")}
    assert added == dropouts | {
        *("width", "heads", "text_kernel", "audio_kernel", "vision_kernel"),
        *("batch_size", "optimizer", "weight_decay"),
    }
    assert DEFAULT.parameters.items() <= WIDE.parameters.items()
    assert WIDE.is_conditional
    assert not DEFAULT.is_conditional


def test_the_default_space_reaches_what_frozen_text_needs() -> None:
    assert str(DEFAULT.parameters["learning_rate"]) == "5e-05 to 0.005, log"
    assert str(DEFAULT.parameters["accumulation"]) == "1 to 10"


def test_a_space_is_chosen_by_name_or_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("margin: {type: float, low: 1e-1, high: 5e-1}")
    mine = space(margin={"type": "float", "low": 0.1, "high": 0.5})
    assert Space.chosen("mine.yaml", "finetune") == mine
    assert Space.chosen("wide", "precomputed") == WIDE
    added = Space.chosen("wide", "finetune").parameters.keys() - WIDE.parameters.keys()
    assert added == {"text_learning_rate", "text_warm_up"}
    assert Space.chosen("default", "frozen") == Space.load() == DEFAULT
    with pytest.raises(BadInputError, match="no space file wdie; did you mean wide"):
        Space.chosen("wdie", "frozen")


def test_a_space_is_the_same_again_through_json() -> None:
    again = Space.model_validate_json(WIDE.model_dump_json())
    assert again == WIDE
    assert list(again.parameters) == list(WIDE.parameters)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("margn: {type: float, low: 0, high: 1}", "'margn'; did you mean margin"),
        ("margin: {type: float, low: 1, high: 0}", "margin: low 1.0 is not below high 0.0"),
        ("margin: {type: float, low: 0, high: x}", "margin high: .*valid number"),
        ("margin: {type: float, low: 0, high: 1, setp: 1}", "margin setp: Extra"),
        ("margin: {type: real, low: 0, high: 1}", "margin: .*'real'"),
        ("margin: {type: categorical, choices: [1]}", "margin choices: .*at least 2"),
        ("margin: 3", "margin: "),
        ("margin: [", "not YAML"),
        ("{margin: {}, margin: {}}", "margin stands there twice"),
        ("", "not a list of names"),
        ("{}", "the file: .*at least 1"),
    ],
)
def test_a_bad_space_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(text)
    with pytest.raises(BadInputError, match=said) as refusal:
        Space.load(file)
    assert str(file) in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_missing_space_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"nowhere\.yaml"):
        Space.load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"margin": MARGIN | {"when": {"optimiser": 1}}}, "did you mean optimizer"),
        ({"margin": MARGIN | {"when": {"margin": 1}}}, "of margin depends on margin itself"),
        ({"weight_decay": DECAY, "optimizer": OPTIMIZER}, "optimizer, which must stand before"),
        (
            {"optimizer": OPTIMIZER | {"when": {"weight_decay": 0.1}}, "weight_decay": DECAY},
            "depends on optimizer itself, by way of weight_decay",
        ),
        (
            {"optimizer": OPTIMIZER, "margin": MARGIN | {"when": {"optimizer": ["adam", "sgd"]}}},
            "margin exists when optimizer = sgd, which optimizer never is: it is adam",
        ),
    ],
)
def test_conditions_that_cannot_be_followed_are_refused(
    parameters: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInputError, match=said):
        space(**parameters)


def test_a_parameter_is_suggested_only_when_it_exists() -> None:
    conditional, study = space(optimizer=OPTIMIZER, weight_decay=DECAY), random_study()
    drawn = []
    for _ in range(40):
        trial = study.ask()
        values = conditional.suggest(trial, Config())
        assert trial.params == values
        assert ("weight_decay" in values) == (values["optimizer"] == "adamw")
        drawn.append(values["optimizer"])
    assert set(drawn) == {"adam", "adamw"}


def test_outside_the_space_a_condition_is_that_of_the_base() -> None:
    conditional = space(margin=MARGIN, weight_decay=DECAY)
    assert not conditional.is_conditional
    assert set(conditional.suggest(random_study().ask(), Config())) == {"margin"}
    assert set(conditional.suggest(random_study().ask(), ADAMW)) == {"margin", "weight_decay"}


def test_a_trial_made_again_keeps_the_values_it_has(tmp_path: Path) -> None:
    def study() -> optuna.Study:
        backend = JournalFileBackend(str(tmp_path / "journal.log"))
        return optuna.create_study(
            storage=JournalStorage(backend), study_name="s", load_if_exists=True
        )

    first = study().ask()
    began = {name: WIDE.parameters[name].suggest(first, name) for name in ("margin", "beta_sh")}
    again = WIDE.suggest(optuna.Trial(study(), first._trial_id), Config())
    assert began.items() <= again.items()
    assert WIDE.suggest(optuna.Trial(study(), first._trial_id), Config()) == again


def test_values_outside_a_range_are_not_the_spaces() -> None:
    narrow = space(
        margin=MARGIN,
        learning_rate={"type": "float", "low": 1e-3, "high": 1e-2},
        orthogonality_width={"type": "int", "low": 10, "high": 50, "step": 10},
    )
    paper = preset("paper", "mosi")
    assert narrow.values_of(paper) == {"margin": 0.15}
    assert narrow.missing_from(paper, paper) == ["learning_rate", "orthogonality_width"]


def test_what_a_condition_keeps_out_is_not_missing() -> None:
    assert WIDE.missing_from(Config(), Config()) == []
    assert WIDE.without(["optimizer"]).missing_from(Config(), ADAMW) == ["weight_decay"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, None),
        ({"margin": 0.7, "optimizer": "adamw", "weight_decay": 0.05}, None),
        ({"width": 60, "margin": 2.0}, "width is 60, and the search keeps 50"),
        ({"margin": 1.5}, "margin is 1.5, and the space has 0 to 1"),
        ({"weight_decay": 0.05}, "weight_decay is 0.05, and the space varies it only when"),
        ({"optimizer": "adamw", "weight_decay": 0.5}, "weight_decay is 0.5, and the space has 0"),
    ],
)
def test_a_configuration_outside_is_told_by_its_first_leaf(
    values: dict[str, Value], said: str | None
) -> None:
    searched = space(margin=MARGIN, optimizer=OPTIMIZER, weight_decay=DECAY)
    told = searched.outside(Config().with_values(values), Config())
    assert told is None if said is None else told is not None and told.startswith(said)


def test_a_value_out_of_range_is_outside_though_the_base_has_it() -> None:
    high = space(learning_rate={"type": "float", "low": 1e-3, "high": 1e-2})
    assert high.outside(Config(), Config()) == (
        "learning_rate is 0.0001, and the space has 0.001 to 0.01"
    )


def test_fixed_parameters_leave_the_space() -> None:
    left = WIDE.without(["optimizer", "padding"])
    assert WIDE.parameters.keys() - left.parameters.keys() == {"optimizer"}
    assert not left.is_conditional
    with pytest.raises(BadInputError, match="--set fixes every parameter"):
        space(margin=MARGIN).without(["margin"])


@pytest.mark.parametrize(
    ("searched", "said"),
    [
        (space(width={"type": "int", "low": 48, "high": 52}), "10 heads do not divide a width"),
        (space(width={"type": "float", "low": 40, "high": 60}), "model.width: .*integer"),
        (space(margin={"type": "float", "low": -1, "high": 1}), "margin: .*greater than"),
        (space(weight_decay=DECAY), "leave no parameter"),
        (space(margin=MARGIN | {"when": {"optimizer": "admw"}}), "'adam' or 'adamw'"),
    ],
)
def test_a_space_that_draws_what_cannot_be_is_refused(searched: Space, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        searched.refuse_impossible(Config())


@pytest.mark.parametrize("dataset", ["mosi", "mosei"])
def test_the_shipped_spaces_are_not_refused(dataset: str) -> None:
    for name in SHIPPED:
        Space.of_text("finetune", name).refuse_impossible(preset("paper", dataset))


def test_the_table_shows_the_papers_values_beside_the_ranges() -> None:
    searched = space(
        margin=MARGIN,
        learning_rate={"type": "float", "low": 1e-3, "high": 1e-2, "log": True},
        optimizer=OPTIMIZER,
        weight_decay=DECAY,
        accumulation={
            "type": "int",
            "low": 2,
            "high": 10,
            "step": 4,
            "when": {"padding": "masked"},
        },
        clip_at={"type": "float", "low": 0.1, "high": 1, "when": {"clipping": "norm"}},
    )
    base = Config().with_values({"width": 40, "disentangled": False})
    rows = [line.split("  ") for line in searched.table(Config(), base)]
    assert [[cell.strip() for cell in row if cell] for row in rows] == [
        ["parameter", "range", "the paper's"],
        ["margin", "0 to 1", "0.15"],
        ["learning_rate", "0.001 to 0.01, log", "0.0001, outside the range"],
        ["optimizer", "adam | adamw", "adam"],
        ["weight_decay", "0 to 0.1, when optimizer = adamw", "0"],
        ["accumulation", "2 to 10, step 4, when padding = masked", "10"],
        ["clip_at", "0.1 to 1, when clipping = norm, so never", "0.6"],
        ["width", "fixed at 40", "50"],
        ["disentangled", "fixed at false", "true"],
    ]


def test_the_table_is_aligned() -> None:
    lines = WIDE.table(Config(), Config())
    assert len({line.rindex("  ") for line in lines}) == 1
    assert all(line == line.rstrip() for line in lines)
