"""Which way a study takes, and why."""

import pytest

from dlf.command import BadInputError
from dlf.text import choice
from dlf.text.choice import choose_text
from dlf.text.source import Encoder, TextSource, TextWay

AT_HAND = Encoder(name="minilm", revision="0" * 64, width=384, layers=6, max_tokens=511)


@pytest.fixture(autouse=True)
def at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "encoder_at_hand", lambda: "minilm")
    monkeypatch.setattr(
        choice, "find_encoder", lambda name: AT_HAND.model_copy(update={"name": name})
    )


@pytest.fixture
def nothing_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "encoder_at_hand", lambda: None)


@pytest.mark.parametrize(
    ("way", "encoder", "synthetic", "gpu", "expected"),
    [
        (None, None, False, False, ("frozen", "minilm")),
        (None, None, False, True, ("finetune", "minilm")),
        (None, None, True, True, ("precomputed", None)),
        (None, "mine", True, False, ("frozen", "mine")),
        (None, "mine", False, True, ("finetune", "mine")),
        ("precomputed", None, False, True, ("precomputed", None)),
        ("frozen", None, False, True, ("frozen", "minilm")),
        ("finetune", "mine", False, False, ("finetune", "mine")),
    ],
)
def test_the_strongest_way_that_is_allowed(
    way: str | None, encoder: str | None, synthetic: bool, gpu: bool, expected: tuple[str, str]
) -> None:
    found = choose_text(way, encoder, synthetic=synthetic, readable=True, gpu=gpu)  # type: ignore[arg-type]
    source = found.source
    assert (source.way, source.encoder and source.encoder.name) == expected
    assert found.reason
    assert str(found).startswith(source.way)


@pytest.mark.usefixtures("nothing_at_hand")
def test_without_an_encoder_the_features_of_the_file_are_taken() -> None:
    found = choose_text(None, None, synthetic=False, readable=True, gpu=True)
    assert found.source.way == "precomputed"
    assert "--text-encoder names one" in found.reason


@pytest.mark.usefixtures("nothing_at_hand")
def test_a_way_that_needs_an_encoder_is_refused_without() -> None:
    with pytest.raises(BadInputError, match="--text frozen needs an encoder, and no text encoder"):
        choose_text("frozen", None, synthetic=False, readable=True, gpu=False)


def test_the_features_of_the_file_have_no_encoder() -> None:
    with pytest.raises(BadInputError, match="has no use for --text-encoder"):
        choose_text("precomputed", "mine", synthetic=False, readable=True, gpu=False)


@pytest.mark.parametrize("gpu", [False, True])
def test_data_that_no_encoder_could_read_is_taken_as_it_is(gpu: bool) -> None:
    found = choose_text(None, None, synthetic=False, readable=False, gpu=gpu)
    assert found.source == TextSource(way="precomputed")
    assert str(found) == (
        "precomputed: the train split has no raw_text by which a text encoder could read it"
    )


@pytest.mark.parametrize(
    ("way", "encoder"),
    [("frozen", None), ("finetune", None), (None, "mine"), ("finetune", "mine")],
)
def test_what_is_named_and_has_nothing_to_read_is_refused(
    way: TextWay | None, encoder: str | None
) -> None:
    with pytest.raises(BadInputError, match=r"has no raw_text by which .* could read it; use"):
        choose_text(way, encoder, synthetic=False, readable=False, gpu=True)


def test_the_features_of_the_file_need_not_be_read() -> None:
    found = choose_text("precomputed", None, synthetic=False, readable=False, gpu=True)
    assert found.source == TextSource(way="precomputed")
    assert found.reason == "as asked"
