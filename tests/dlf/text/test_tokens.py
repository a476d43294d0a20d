"""Whose token ids an encoder is given."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dlf.command import BadInputError
from dlf.data import Split, TokenIds, open_split, prepare_dataset
from dlf.text.source import Encoder
from dlf.text.tokens import has_words, token_ids, tokens_from


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Split:
    folder: Path = tmp_path_factory.mktemp("data")
    prepare_dataset("synthetic", folder)
    return open_split("synthetic", folder, "train")


def test_ids_of_the_encoders_own_vocabulary_are_taken(train: Split, minilm: Encoder) -> None:
    assert tokens_from(train, minilm) == "text_bert"
    found = token_ids(train, minilm, "text_bert", 50)
    assert np.array_equal(found.values, train.token_ids.values)


def test_words_are_taken_for_an_encoder_of_another_vocabulary(
    train: Split, tiny_encoder: Encoder
) -> None:
    assert tokens_from(train, tiny_encoder) == "raw_text"
    found = token_ids(train, tiny_encoder, "raw_text", 50)
    assert found.lengths.tolist() == [min(50, len(text.split()) + 2) for text in train.raw_text]
    assert found.values.max() < 60


def test_a_file_some_of_whose_words_were_cleaned_is_still_of_that_vocabulary(
    train: Split, minilm: Encoder
) -> None:
    cleaned = [
        text.upper() + " and more" if i % 4 == 0 else text for i, text in enumerate(train.raw_text)
    ]
    assert tokens_from(replace(train, raw_text=cleaned), minilm) == "text_bert"


def test_ids_that_were_cut_are_of_that_vocabulary(train: Split, minilm: Encoder) -> None:
    short = token_ids(train, minilm, "text_bert", 6)
    assert tokens_from(replace(train, token_ids=short), minilm) == "text_bert"


@pytest.mark.parametrize("source", ["text_bert", "raw_text"])
def test_no_clip_is_longer_than_the_limit_nor_empty(
    train: Split, tiny_encoder: Encoder, source: str
) -> None:
    lengths = train.token_ids.lengths.copy()
    lengths[3] = 0
    ids = TokenIds(train.token_ids.values, train.token_ids.starts, lengths)
    split = replace(train, token_ids=ids)
    found = token_ids(split, tiny_encoder, source, 7)  # type: ignore[arg-type]
    assert len(found.lengths) == len(train)
    assert (found.lengths.min(), found.lengths.max()) == (1 if source == "text_bert" else 3, 7)
    assert np.array_equal(found.starts, np.cumsum(found.lengths) - found.lengths)
    if source == "text_bert":
        assert found.values[found.starts[3]] == 0


def test_a_file_without_words_is_refused(train: Split, minilm: Encoder) -> None:
    wordless = replace(train, raw_text=["", " \t"] * (len(train) // 2))
    assert has_words(train)
    assert not has_words(wordless)
    with pytest.raises(BadInputError, match="no raw_text by which a text encoder could read it"):
        tokens_from(wordless, minilm)
