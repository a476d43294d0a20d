"""The token ids of a split in an encoder's own vocabulary."""

from collections.abc import Sequence
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dlf.command import BadInputError
from dlf.data import Split, TokenIds
from dlf.text.encoder import encoder_folder
from dlf.text.source import Encoder

NO_WORDS = "the train split has no raw_text by which a text encoder could read it"

TokensFrom = Literal["text_bert", "raw_text"]

LOOKED_AT = 200
"""clips by which a vocabulary is told"""

AGREEING = 0.5
"""The share of them whose ids must be those of the encoder's tokenizer. Of a file made with its
vocabulary nearly all are, some may have been cleaned differently; of any other hardly one is."""


def has_words(train: Split) -> bool:
    """Tell whether an encoder could read a split, by which of its clips any has words."""
    return any(text.strip() for text in train.raw_text)


def tokens_from(train: Split, encoder: Encoder) -> TokensFrom:
    """Tell whether the ids of a file are of the encoder's vocabulary, else its words are taken.

    Raises:
        BadInputError: when there are neither ids of this vocabulary nor words.
    """
    tokenizer = tokenizer_of(encoder)
    with_words = (i for i, text in enumerate(train.raw_text) if text.strip())
    looked_at = list(islice(with_words, LOOKED_AT))
    if not looked_at:
        raise BadInputError(f"{NO_WORDS}; use --text precomputed")
    expected = tokenizer([train.raw_text[i] for i in looked_at])["input_ids"]
    agreeing = sum(
        _agree(_ids_of(train.token_ids, i).tolist(), ids)
        for i, ids in zip(looked_at, expected, strict=True)
    )
    return "text_bert" if agreeing >= AGREEING * len(looked_at) else "raw_text"


def token_ids(split: Split, encoder: Encoder, source: TokensFrom, limit: int) -> TokenIds:
    """Return the ids of every clip, special tokens included, cut to `limit`.

    A clip without any is the padding token alone, so that every length is at least 1.
    """
    tokenizer = tokenizer_of(encoder)
    if source == "raw_text":
        clips: Sequence[Sequence[int] | NDArray[np.int32]] = spelled(
            tokenizer, split.raw_text, limit
        )
    else:
        clips = [_ids_of(split.token_ids, i)[:limit] for i in range(len(split))]
    padding = [tokenizer.pad_token_id or 0]
    filled = [np.asarray(ids if len(ids) else padding, np.int32) for ids in clips]
    lengths = np.array([len(ids) for ids in filled], np.int64)
    return TokenIds(np.concatenate(filled), np.cumsum(lengths) - lengths, lengths)


def spelled(tokenizer: Any, texts: list[str], limit: int) -> list[list[int]]:
    """Return the ids of texts, special tokens included, cut to `limit` before the last of those."""
    ids: list[list[int]] = tokenizer(texts, truncation=True, max_length=limit)["input_ids"]
    return ids


def _agree(stored: list[int], spelled: list[int]) -> bool:
    """Compare ids of which the stored ones may have been cut, before the last special token."""
    return bool(stored) and stored[:-1] == spelled[: len(stored) - 1]


def _ids_of(tokens: TokenIds, clip: int) -> NDArray[np.int32]:
    start = tokens.starts[clip]
    return tokens.values[start : start + tokens.lengths[clip]]


def tokenizer_of(encoder: Encoder) -> Any:
    """Return the tokenizer that lies in an encoder's folder."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(encoder_folder(encoder.name), local_files_only=True)
