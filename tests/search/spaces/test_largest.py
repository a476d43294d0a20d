"""The configuration of a space that takes the most memory, and which ones take the same."""

from typing import Any

import optuna
import pytest
from optuna.samplers import RandomSampler

from dlf.config import Config
from dlf.presets import preset
from search.spaces.largest import TAKES_MEMORY, distinct_in_memory, largest_of
from search.spaces.space import SHIPPED, Space

LAYERS = ("encoder_layers", "attractor_layers", "memory_layers")
KERNELS = ("text_kernel", "audio_kernel", "vision_kernel")


def space(**parameters: dict[str, Any]) -> Space:
    return Space.model_validate({"parameters": parameters})


def whole(low: int, high: int, **more: Any) -> dict[str, Any]:
    return {"type": "int", "low": low, "high": high, **more}


def choice(*choices: Any, **more: Any) -> dict[str, Any]:
    return {"type": "categorical", "choices": choices, **more}


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("dataset", ["mosi", "mosei"])
def test_no_trial_of_a_shipped_space_takes_more(dataset: str, name: str) -> None:
    shipped, base = Space.of_text("finetune", name), preset("paper", dataset)
    largest = largest_of(shipped, base).values()
    study = optuna.create_study(sampler=RandomSampler(seed=1))
    for _ in range(200):
        values = base.with_values(shipped.suggest(study.ask(), base)).values()
        for each, order in TAKES_MEMORY.items():
            assert order(largest[each]) >= order(values[each]), each


def test_the_wide_space() -> None:
    largest = largest_of(Space.of_text("precomputed", "wide"), preset("paper", "mosei"))
    assert (largest.model.width, largest.model.heads, largest.training.batch_size) == (100, 10, 64)
    assert [largest.values()[name] for name in LAYERS] == [3, 3, 4]
    assert [largest.values()[name] for name in KERNELS] == [9, 9, 9]


def test_what_takes_no_memory_stays_as_it_is() -> None:
    varied = space(
        learning_rate={"type": "float", "low": 1e-4, "high": 1e-2},
        accumulation=whole(1, 10),
        width=whole(20, 60, step=20),
    )
    base = Config()
    assert largest_of(varied, base) == base.with_values({"width": 60})


def test_choices_are_taken_by_what_they_need() -> None:
    varied = space(
        padding=choice("masked", "reference"),
        precision=choice("bfloat16", "tf32"),
        modalities=choice("text", "text+audio", "audio+vision"),
        text_gradient_checkpointing=choice(True, False),
        text_frozen_layers=whole(2, 6),
        disentangled=choice(False, True),
    )
    values = largest_of(varied, Config()).values()
    assert {name: values[name] for name in varied.parameters} == {
        "padding": "reference",
        "precision": "tf32",
        "modalities": "text+audio",
        "text_gradient_checkpointing": False,
        "text_frozen_layers": 2,
        "disentangled": True,
    }


def test_widths_and_heads_are_the_largest_that_fit_together() -> None:
    both = largest_of(space(width=whole(40, 64), heads=choice(5, 7, 9)), Config())
    assert (both.model.width, both.model.heads) == (63, 9)
    mosei = preset("paper", "mosei")
    wide = largest_of(space(width=choice(60, 64, 70), heads=choice(1, 2, 32)), mosei)
    assert (wide.model.width, wide.model.heads) == (70, 2)


def test_what_only_a_condition_keeps_apart_is_taken_together() -> None:
    varied = space(
        padding=choice("masked", "reference"),
        batch_size=whole(8, 64, when={"padding": "masked"}),
    )
    largest = largest_of(varied, Config())
    assert (largest.model.padding, largest.training.batch_size) == ("reference", 64)


def test_configurations_that_take_the_same_are_one() -> None:
    base = Config()
    same = base.with_values({"learning_rate": 1e-3, "margin": 0.7, "text_dropout": 0.1})
    wider = base.with_values({"width": 60})
    without = base.with_values({"text_dropout": 0.0})
    assert len(distinct_in_memory([base, same])) == 1
    assert distinct_in_memory([base, wider, without, base]) == [base, wider, without]
