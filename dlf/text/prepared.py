"""What is made of a dataset's text once, before any training, and read from then on.

With a frozen encoder these are its features; for one that learns along, the token ids it reads.
"""

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlf.command import WorkFailedError, reason_of
from dlf.data import Sequences, Split, TokenIds, open_split, read_manifest
from dlf.data.encoded import EncodedSplit, Encoding, EncodingFolder
from dlf.data.manifest import Manifest
from dlf.text.encoder import refuse_changed
from dlf.text.sizes import token_limit
from dlf.text.source import Encoder, TextSource
from dlf.text.tokens import token_ids, tokens_from

CLIPS_IN_A_PART = 256

Steps = NDArray[np.float32] | NDArray[np.int32]
Encode = Callable[[Sequence[NDArray[np.int32]]], Sequence[Steps]]
"""token ids of some clips, to the steps [T, width] of each"""


def prepare_text(
    text: TextSource,
    dataset: str,
    data_dir: Path,
    splits: Sequence[Split],
    *,
    device: str = "cpu",
) -> None:
    """Make sure that `open_text` finds what it needs for each of the splits.

    What is there is taken once it agrees with its checksum; what is damaged is made again.

    Raises:
        BadInputError: when the encoder is not to be had, or has changed.
        WorkFailedError: when the folder of the dataset cannot be written.
    """
    if text.encoder is None:
        return
    manifest = read_manifest(dataset, data_dir)
    place = _folder(text, text.encoder, manifest, data_dir)
    missing = [split for split in splits if not place.split(split.name).sound]
    if missing or text.way == "finetune":
        refuse_changed(text.encoder)
    if not missing:
        return
    try:
        encoding = place.encoding() or _begin(text, text.encoder, manifest, data_dir, place)
        limit = token_limit(manifest, text.encoder)
        encode = _encode_with(text, text.encoder, device)
        with _Progress(text.encoder.name, sum(map(len, missing))) as progress:
            for split in missing:
                tokens = token_ids(split, text.encoder, encoding.tokens_from, limit)
                _write(place.split(split.name), tokens, encode, progress)
    except OSError as error:
        raise WorkFailedError(
            f"the encoded text cannot be written to {place.folder}: {reason_of(error)}"
        ) from error


def open_text(text: TextSource, dataset: str, data_dir: Path, split: Split) -> Split:
    """Return the split with its text as the way says, as memory maps.

    Raises:
        BadInputError: when it was not prepared, or is cut short.
    """
    if text.encoder is None:
        return split
    place = _folder(text, text.encoder, read_manifest(dataset, data_dir), data_dir)
    return dataclasses.replace(split, text=place.split(split.name).open())


def _folder(
    text: TextSource, encoder: Encoder, manifest: Manifest, data_dir: Path
) -> EncodingFolder:
    return EncodingFolder(
        manifest,
        data_dir,
        kind="features" if text.way == "frozen" else "tokens",
        encoder=encoder.name,
        revision=encoder.revision,
    )


def _begin(
    text: TextSource, encoder: Encoder, manifest: Manifest, data_dir: Path, place: EncodingFolder
) -> Encoding:
    """Decide by the train split which tokens are taken, for all splits."""
    frozen = text.way == "frozen"
    encoding = Encoding(
        kind="features" if frozen else "tokens",
        encoder=encoder.name,
        revision=encoder.revision,
        width=encoder.width if frozen else 1,
        dataset_digest=manifest.digest,
        tokens_from=tokens_from(open_split(manifest.dataset, data_dir, "train"), encoder),
    )
    place.begin(encoding)
    return encoding


def _encode_with(text: TextSource, encoder: Encoder, device: str) -> Encode:
    if text.way == "finetune":
        return lambda clips: [clip[:, None] for clip in clips]
    from dlf.text.frozen import FrozenEncoder

    return FrozenEncoder(encoder, device).encode


def _write(split: EncodedSplit, tokens: TokenIds, encode: Encode, progress: "_Progress") -> None:
    with split.writing():
        if split.sound:
            return
        starts = range(0, len(tokens.lengths), CLIPS_IN_A_PART)
        for number, start in enumerate(starts):
            clips = list(_clips(tokens, start))
            if not split.has_part(number):
                split.write_part(number, Sequences.end_to_end(encode(clips)))
            progress.advance(len(clips))
        split.finish(len(starts))


def _clips(tokens: TokenIds, start: int) -> Iterator[NDArray[np.int32]]:
    for clip in range(start, min(start + CLIPS_IN_A_PART, len(tokens.lengths))):
        first = tokens.starts[clip]
        yield tokens.values[first : first + tokens.lengths[clip]]


class _Progress:
    """A bar over clips where someone watches, else one line."""

    def __init__(self, encoder: str, clips: int) -> None:
        from tqdm import tqdm

        if not sys.stderr.isatty():
            print(f"encoding the text of {clips} clips with {encoder}, once", file=sys.stderr)
        self._bar = tqdm(total=clips, unit=" clips", desc=f"text by {encoder}", disable=None)

    def advance(self, clips: int) -> None:
        self._bar.update(clips)

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
