"""Rows from outside: what is taken of them, and every fault in a sentence that names its place."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dlf.command import BadInputError
from dlf.config import FinetuningConfig
from dlf.data import MODALITIES
from dlf.data.synthetic import LEXICON
from dlf.modalities import InputSizes, Modality, PerModality
from dlf.serving.rows import RowReader
from dlf.text.finetuned import TextEncoder
from dlf.text.reader import TextReader
from dlf.text.source import Encoder
from dlf.training.batching import Clips
from tests.support.small_models import SMALL

WIDTHS = PerModality(text=16, audio=5, vision=3)
SIZES = InputSizes(widths=WIDTHS, time_steps=PerModality(text=6, audio=7, vision=4))
NAN = float("nan")

WORDS = [word for word, _, _ in LEXICON]

Row = dict[str, Any]


def row_of(steps: int = 2, **changed: object) -> Row:
    random = np.random.default_rng(steps)
    features = {m: random.normal(size=(steps, WIDTHS[m])).tolist() for m in MODALITIES}
    return {**features, **changed}


@pytest.fixture
def frozen(tiny_encoder: Encoder) -> RowReader:
    reader = TextReader(tiny_encoder, None, limit=SIZES.time_steps.text, device="cpu")
    return RowReader(MODALITIES, SIZES, reader)


@pytest.fixture
def finetuned(tiny_encoder: Encoder) -> RowReader:
    learned = TextEncoder.pretrained(tiny_encoder, FinetuningConfig())
    reader = TextReader(tiny_encoder, learned, limit=SIZES.time_steps.text, device="cpu")
    return RowReader(MODALITIES, SIZES, reader)


@pytest.fixture
def precomputed() -> RowReader:
    return RowReader(MODALITIES, SIZES, None)


@pytest.fixture
def reader(request: pytest.FixtureRequest) -> RowReader:
    """The reader that a test names."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def test_rows_become_clips_in_their_order(precomputed: RowReader) -> None:
    rows = [row_of(3), row_of(1), row_of(2)]
    clips = precomputed.clips(rows)
    assert clips.labels.shape == (3,)
    for m in MODALITIES:
        assert clips[m].lengths.tolist() == [3, 1, 2]
        assert clips[m].values.dtype == np.float32
        for row, start, length in zip(rows, clips[m].starts, clips[m].lengths, strict=True):
            np.testing.assert_array_equal(
                clips[m].values[start : start + length], np.asarray(row[m], np.float32)
            )


@pytest.mark.parametrize(
    "change",
    [
        np.asarray,
        lambda steps: np.asarray(steps, np.float64),
        lambda steps: [np.asarray(step) for step in steps],
        lambda steps: np.array([None, *map(np.asarray, steps)], object)[1:],
        lambda steps: tuple(map(tuple, steps)),
    ],
)
def test_arrays_are_taken_as_lists_are(
    precomputed: RowReader, change: Callable[[Any], object]
) -> None:
    row = row_of(3)
    expected, found = (
        precomputed.clips([each]) for each in (row, {m: change(row[m]) for m in MODALITIES})
    )
    for m in MODALITIES:
        np.testing.assert_array_equal(found[m].values, expected[m].values)


def test_padding_is_left_out_as_at_an_import(precomputed: RowReader) -> None:
    row = row_of(4)
    row["audio"][1] = [0.0] * WIDTHS.audio
    padded = {m: [[0] * WIDTHS[m]] * 2 + row[m] + [[0] * WIDTHS[m]] * 30 for m in MODALITIES}
    silent = row_of(1, audio=[[0] * WIDTHS.audio] * 9)
    clips = precomputed.clips([padded, silent])
    plain = precomputed.clips([row, row_of(1, audio=[[0] * WIDTHS.audio])])
    for m in MODALITIES:
        np.testing.assert_array_equal(clips[m].values, plain[m].values)
        assert clips[m].lengths.tolist() == [4, 1]


def test_too_long_sequences_are_cut_to_what_the_model_knows(precomputed: RowReader) -> None:
    clips = Clips(precomputed.clips([row_of(40), row_of(3)]), SIZES, SMALL, "cpu")
    inputs = clips.batch(np.array([0, 1])).inputs
    for m in MODALITIES:
        steps = SIZES.time_steps[m]
        assert inputs[m].values.shape == (2, steps, WIDTHS[m])
        assert inputs[m].lengths.tolist() == [steps, 3]
        np.testing.assert_array_equal(
            inputs[m].values[0].numpy(), np.asarray(row_of(40)[m][:steps], np.float32)
        )


def test_only_what_the_model_is_given_is_looked_at() -> None:
    reader = RowReader(("text", "vision"), SIZES, None)
    rows = [row_of(2, audio="what?"), {m: row_of(2)[m] for m in ("text", "vision")}]
    assert set(reader.clips(rows).sequences) == {"text", "vision"}


def test_a_string_its_token_ids_and_its_features_are_one_text(frozen: RowReader) -> None:
    said = frozen.clips([row_of(2, text="the movie was great")]).sequences["text"]
    ids = [2, *(5 + WORDS.index(word) for word in ("the", "movie", "was", "great")), 3]
    given = frozen.clips([row_of(2, text=ids), row_of(2, text="the movie was great")])["text"]
    assert given.lengths.tolist() == [6, 6]
    features = frozen.clips([row_of(2, text=given.values[:6])])["text"]
    np.testing.assert_allclose(said.values, given.values[:6], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(features.values, given.values[:6])


@pytest.mark.parametrize("reader", ["frozen", "finetuned"], indirect=True)
def test_kinds_of_text_may_stand_together(reader: RowReader) -> None:
    texts: list[Any] = ["the movie", [2, 5, 3], "great", np.array([2, 27, 3], np.int64)]
    together = reader.clips([row_of(1, text=text) for text in texts])["text"]
    alone = [reader.clips([row_of(1, text=text)])["text"].values for text in texts]
    assert together.lengths.tolist() == [4, 3, 3, 3]
    np.testing.assert_allclose(together.values, np.concatenate(alone), rtol=0, atol=1e-5)


@pytest.mark.parametrize("reader", ["frozen", "finetuned"], indirect=True)
def test_half_a_character_is_read_as_at_an_import(reader: RowReader) -> None:
    broken, marked = (
        reader.clips([row_of(1, text=text)])["text"] for text in ("great \ud83d", "great ?")
    )
    np.testing.assert_array_equal(broken.values, marked.values)


def test_an_encoder_that_learned_along_is_given_token_ids(finetuned: RowReader) -> None:
    text = finetuned.clips([row_of(1, text="the movie"), row_of(1, text=[2, 27, 3])])["text"]
    assert text.values.dtype == np.int32
    assert text.values.shape == (7, 1)
    assert text.values[4:, 0].tolist() == [2, 27, 3]


@pytest.mark.parametrize("reader", ["frozen", "finetuned"], indirect=True)
def test_long_texts_are_cut_as_those_of_the_training_were(reader: RowReader) -> None:
    long = [2, *[5] * 30, 3]
    rows = [row_of(1, text="the " * 30), row_of(1, text=long), row_of(1, text=[*long[:4], 0, 0, 0])]
    text = reader.clips(rows)["text"]
    assert text.lengths.tolist() == [6, 6, 4], "padding is left out, and the rest is cut"
    if text.values.dtype == np.int32:
        assert text.values[:12, 0].tolist() == [2, 5, 5, 5, 5, 3, 2, 5, 5, 5, 5, 5]


FAULTS: list[tuple[str, object, str]] = [
    ("audio", None, "row 1: audio is missing; the model takes text, audio, vision"),
    ("audio", NAN, "row 1: audio is missing"),
    ("vision", np.float32(NAN), "row 1: vision is missing"),
    ("audio", [[1.0] * 6] * 2, "row 1: audio has 6 features a step where the model takes 5"),
    ("audio", [[]], "row 1: audio has 0 features a step where the model takes 5"),
    ("audio", [[1.0] * 5, [1.0] * 4], "row 1: audio has steps of different widths"),
    ("audio", [[1.0] * 5, 3.0], "row 1: audio has steps of different widths"),
    ("audio", [[1.0] * 4 + ["x"]], "row 1: audio holds values that are not numbers"),
    ("audio", [[1.0] * 4 + [None]], "row 1: audio holds values that are not numbers"),
    ("audio", [[True] * 5], "row 1: audio holds values that are not numbers"),
    ("audio", {"a": 1}, "row 1: audio holds values that are not numbers"),
    ("audio", "[[1, 2, 3, 4, 5]]", "row 1: audio is a string where lists of numbers are expected"),
    ("audio", [1.0] * 5, "row 1: audio is a flat list where the model takes a list of steps"),
    ("audio", 3.0, "row 1: audio is one number where the model takes a list of steps"),
    ("audio", [[[1.0] * 5]], "row 1: audio is 3 lists deep where the model takes a list of steps"),
    ("audio", [[NAN] + [1.0] * 4], "row 1: audio has 1 of 5 values that are not finite"),
    ("vision", [[float("inf")] * 3], "row 1: vision has 3 of 3 values that are not finite"),
    ("vision", [[1e300, 0, 0]], "row 1: vision has 1 of 3 values that are not finite"),
    ("audio", [], "row 1: audio is empty; .* give one step of zeros"),
    ("vision", np.zeros((0, 3)), "row 1: vision is empty; .* give one step of zeros"),
]


@pytest.mark.parametrize(("column", "value", "sentence"), FAULTS)
def test_a_fault_is_named_with_its_row_and_column(
    precomputed: RowReader, column: Modality, value: object, sentence: str
) -> None:
    with pytest.raises(BadInputError, match=f"^{sentence}") as refused:
        precomputed.clips([row_of(), row_of(3, **{column: value})])
    assert "\n" not in str(refused.value)


TEXT_FAULTS: list[tuple[str, object, str]] = [
    ("precomputed", "great", "is a string where this model, which has no text encoder, takes a li"),
    ("precomputed", [2, 5, 3], "is a flat list where this model, which has no text encoder"),
    ("precomputed", [[1.0] * 3], "has 3 features a step where the model takes 16"),
    ("precomputed", [[NAN] * 16], "has 16 of 16 values that are not finite"),
    ("precomputed", [], "is empty"),
    ("frozen", "", "is an empty string"),
    ("frozen", " \n", "is an empty string"),
    ("frozen", [], "is an empty list"),
    ("frozen", [2, -1], "has the token id -1 where the vocabulary goes from 0 to 48"),
    ("frozen", [2, 49], "has the token id 49 where the vocabulary goes from 0 to 48"),
    ("frozen", [2.0, 5.5], "is a flat list of fractions, and token ids are whole numbers"),
    ("frozen", ["a", "b"], "holds values that are not numbers"),
    ("frozen", [True], "holds values that are not numbers"),
    ("frozen", [[1.0] * 3], "has 3 features a step where the model takes 16"),
    ("frozen", [[[1.0], [1.0, 2.0]]], "has steps of different widths"),
    ("frozen", 7, "is one number where the model takes a list of steps"),
    ("frozen", None, "is missing; the model takes text, audio, vision"),
    ("finetuned", "", "is an empty string"),
    ("finetuned", [2, 49], "has the token id 49 where the vocabulary goes from 0 to 48"),
    ("finetuned", [[1.0] * 16], "is no string and no flat list of token ids"),
    ("finetuned", 7, "is no string and no flat list of token ids"),
]


@pytest.mark.parametrize(("reader", "value", "sentence"), TEXT_FAULTS, indirect=["reader"])
def test_a_text_that_a_model_cannot_take_is_refused(
    reader: RowReader, value: object, sentence: str
) -> None:
    with pytest.raises(BadInputError, match=f"^row 0: text {sentence}"):
        reader.clips([row_of(2, text=value)])


def test_what_is_no_row_is_refused(precomputed: RowReader) -> None:
    with pytest.raises(BadInputError, match="there are no rows with any of text, audio and vision"):
        precomputed.clips([])
    with pytest.raises(BadInputError, match=r"row 1 is a list where columns by name are expected"):
        precomputed.clips([row_of(), [1, 2]])  # type: ignore[list-item]
    with pytest.raises(
        BadInputError, match="row 0 has txt, video, which no model takes; the columns are text, au"
    ):
        precomputed.clips([{**row_of(), "txt": "x", "video": 1}])
