"""The attractor to language, and each modality its own: who draws from whom."""

import pytest
import torch
from torch import Tensor, nn

from dlf.config import Config
from dlf.modalities import MODALITIES, Modality
from dlf.model.attractor import LanguageAttractor, OwnAttractor
from dlf.model.steps import Features, Sequences, Steps, stacked

WIDTH = 8
STEPS: dict[Modality, int] = {"text": 4, "audio": 6, "vision": 5}
UNEQUAL: dict[Modality, int] = {"text": 2, "audio": 3, "vision": 12}


def features_of(steps: dict[Modality, int], batch: int = 2) -> list[Features]:
    torch.manual_seed(1)
    return [Features(torch.randn(batch, n, WIDTH), torch.full((batch,), n)) for n in steps.values()]


def attractor_of(
    kind: type[LanguageAttractor] | type[OwnAttractor],
    config: Config,
    modalities: tuple[Modality, ...] = MODALITIES,
) -> nn.Module:
    torch.manual_seed(0)
    return kind(config.model, modalities).eval()


def moved_rows(attractor: nn.Module, each: list[Features], moved: int) -> set[int]:
    """Return the rows of the result that change when one modality does."""
    other = each[moved]._replace(values=each[moved].values.flip(2))
    after = attractor(stacked([*each[:moved], other, *each[moved + 1 :]]))
    return changed(attractor(stacked(each)), after)


def changed(first: Tensor, second: Tensor) -> set[int]:
    return {i for i in range(len(first)) if not torch.equal(first[i], second[i])}


@pytest.mark.parametrize("steps", [STEPS, UNEQUAL])
def test_language_draws_from_itself_and_is_the_query_of_the_others(
    tiny_config: Config, steps: dict[Modality, int]
) -> None:
    attractor, each = attractor_of(LanguageAttractor, tiny_config), features_of(steps)
    assert moved_rows(attractor, each, 0) == {0, 1, 2}
    assert moved_rows(attractor, each, 1) == {1}
    assert moved_rows(attractor, each, 2) == {2}


@pytest.mark.parametrize("steps", [STEPS, UNEQUAL])
def test_on_its_own_every_modality_draws_from_all(
    tiny_config: Config, steps: dict[Modality, int]
) -> None:
    attractor, each = attractor_of(OwnAttractor, tiny_config), features_of(steps)
    for moved in range(3):
        assert moved_rows(attractor, each, moved) == {0, 1, 2}


def test_on_its_own_a_modality_draws_from_those_that_are_there(tiny_config: Config) -> None:
    text, audio, vision = features_of(STEPS)
    attractor = attractor_of(OwnAttractor, tiny_config, ("audio", "vision"))
    assert attractor(stacked([audio, vision])).shape == (2, 2, WIDTH)
    assert moved_rows(attractor, [audio, vision], 1) == {0, 1}
    alone = attractor_of(OwnAttractor, tiny_config, ("vision",))
    assert alone(stacked([vision])).shape == (1, 2, WIDTH)
    only_text = attractor_of(LanguageAttractor, tiny_config, ("text",))
    assert only_text(stacked([text])).shape == (1, 2, WIDTH)


def test_on_its_own_no_modality_is_special(tiny_config: Config) -> None:
    """With the same parameters everywhere, swapped modalities give swapped results."""
    attractor, each = attractor_of(OwnAttractor, tiny_config), features_of(STEPS)
    with torch.no_grad():
        for parameter in attractor.parameters():
            parameter.copy_(parameter[:1].expand_as(parameter).clone())
    text, audio, vision = attractor(stacked(each))
    swapped = attractor(stacked([each[0], each[2], each[1]]))
    for found, expected in zip(swapped, (text, vision, audio), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_on_its_own_every_modality_has_a_memory_of_its_own(tiny_config: Config, moved: int) -> None:
    attractor, each = attractor_of(OwnAttractor, tiny_config), stacked(features_of(STEPS))
    before = attractor(each)
    with torch.no_grad():
        for parameter in attractor.memories.parameters():
            parameter[moved] *= 1.5
    assert changed(before, attractor(each)) == {moved}


def test_on_its_own_what_is_drawn_is_averaged(tiny_config: Config) -> None:
    """With the same parameters everywhere, to draw from one twice is to draw from it once."""
    twice, once = (
        attractor_of(OwnAttractor, tiny_config, modalities)
        for modalities in (MODALITIES, ("text", "audio"))
    )
    with torch.no_grad():
        for more, fewer in zip(twice.parameters(), once.parameters(), strict=True):
            first = more[:1].clone()
            more.copy_(first.expand_as(more))
            fewer.copy_(first.expand_as(fewer))
    text, audio, _ = features_of(STEPS)
    drawn_twice = twice(stacked([text, audio, audio]))
    torch.testing.assert_close(drawn_twice[0], once(stacked([text, audio]))[0])


def test_on_its_own_the_query_is_as_long_as_its_modality(tiny_config: Config) -> None:
    """The offset of the causal mask is that of the two lengths; the result is the query's end."""
    attractor, each = attractor_of(OwnAttractor, tiny_config), features_of(STEPS)
    expected = attractor(stacked(each))
    garbage = [x._replace(values=nn.functional.pad(x.values, (0, 0, 0, 3), value=9)) for x in each]
    torch.testing.assert_close(attractor(stacked(garbage)), expected)


@pytest.mark.parametrize("kind", [LanguageAttractor, OwnAttractor])
def test_stacked_or_separate_is_the_same(
    tiny_config: Config, kind: type[LanguageAttractor] | type[OwnAttractor]
) -> None:
    attractor, each = attractor_of(kind, tiny_config), features_of(STEPS)
    together = stacked(each)
    assert len(together) == 1
    apart: Sequences = tuple(Steps(values[None], lengths[None]) for values, lengths in each)
    torch.testing.assert_close(attractor(apart), attractor(together))


@pytest.mark.parametrize(
    ("kind", "name", "reached"),
    [
        (LanguageAttractor, "text_attention_dropout", {0, 1, 2}),
        (LanguageAttractor, "audio_attention_dropout", {1}),
        (LanguageAttractor, "vision_attention_dropout", {2}),
        (OwnAttractor, "text_attention_dropout", {0, 1, 2}),
        (OwnAttractor, "audio_attention_dropout", {0, 2}),
        (OwnAttractor, "vision_attention_dropout", {0, 1}),
    ],
)
def test_attention_dropout_is_that_of_the_source(
    tiny_config: Config,
    kind: type[LanguageAttractor] | type[OwnAttractor],
    name: str,
    reached: set[int],
) -> None:
    none = {key: 0.0 for key in tiny_config.values() if key.endswith("_dropout")}
    attractor = attractor_of(kind, tiny_config.with_values(none | {name: 0.5}))
    each = stacked(features_of(STEPS, batch=6))
    assert changed(attractor.eval()(each), attractor.train()(each)) == reached
