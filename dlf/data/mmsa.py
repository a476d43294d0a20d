"""From an unpickled feature file of the field (the "MMSA layout") to clean splits without padding.

Whatever does not fit the layout is refused in one sentence that names the split, the key and the
two figures that disagree. Sizes are read from the data, never assumed.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dlf.command import BadInputError
from dlf.data.checks import (
    count_shared_videos,
    refuse_absence,
    refuse_duplicates,
    refuse_labels_beyond_the_scale,
    refuse_silence,
)
from dlf.data.manifest import HeardAndSeen, Nonfinite
from dlf.data.padding import (
    StepRange,
    covers,
    marked_range,
    nonzero_range,
    range_of_length,
    take_steps,
)
from dlf.data.scales import feature_statistics
from dlf.data.split import SPLITS, Sequences, Split, TokenIds
from dlf.data.values import listing, numbers, strings, zero_nonfinite
from dlf.modalities import MODALITIES, Modality, PerModality

PREDICTED_FROM = ("raw_text", "id", "text", "text_bert", "audio", "vision")
KEYS = (*PREDICTED_FROM, "regression_labels")

HEARD_AND_SEEN: tuple[Modality, ...] = ("audio", "vision")

TextKind = Literal["tokens", "words"]


@dataclass(frozen=True)
class CleanDataset:
    """Three clean splits, and what was learnt of the source on the way."""

    splits: dict[str, Split]
    widths: PerModality
    time_steps: PerModality
    token_steps: int
    nonfinite: Nonfinite
    text_kind: TextKind

    @property
    def statistics(self) -> HeardAndSeen:
        """The scales of what is heard and seen in train."""
        train = self.splits["train"]
        return HeardAndSeen(**{m: feature_statistics(train[m]) for m in HEARD_AND_SEEN})

    @property
    def shared_videos(self) -> int:
        """How many videos have clips in more than one split."""
        return count_shared_videos(split.ids for split in self.splits.values())


@dataclass(frozen=True)
class _Padded:
    """One split as it stands in the source, checked, with its features in float32.

    `features` are [clips, T, width] per modality; `tokens` is [clips, 3, T]: ids, mask, types.
    """

    name: str
    ids: list[str]
    raw_text: list[str]
    labels: NDArray[np.float32]
    features: dict[Modality, NDArray[np.float32]]
    tokens: NDArray[np.float32]
    lengths: dict[Modality, NDArray[np.int64]]
    nonfinite: dict[Modality, int]


def clean(content: object) -> CleanDataset:
    """Check a feature file's content and cut its padding away; raise `BadInputError` on misfits.

    The content is used up: every array is let go of as soon as its steps are taken, so that never
    more is in memory than the content and one array.

    A step is padding of audio or vision when it lies before the first or after the last non-zero
    row, or beyond the length the file gives. Text that is there at every position the attention
    mask marks, in all clips of train, is token features and the mask gives its steps; other text
    is word features and its non-zero rows do. A modality absent from a clip keeps one zero step.
    """
    in_file = _splits_of(content)
    padded = {name: _read_split(name, in_file, KEYS) for name in SPLITS}
    train = padded["train"]
    for name in SPLITS[1:]:
        for modality in MODALITIES:
            width, expected = (s.features[modality].shape[2] for s in (padded[name], train))
            if width != expected:
                raise BadInputError(
                    f"{name}/{modality} has width {width} where train/{modality} has {expected}"
                )
    text_kind = _text_kind(train)
    widths = PerModality(**{m: train.features[m].shape[2] for m in MODALITIES})
    time_steps = PerModality(
        **{m: max(s.features[m].shape[1] for s in padded.values()) for m in MODALITIES}
    )
    return CleanDataset(
        splits={name: _cut_padding(split, text_kind, whole=True) for name, split in padded.items()},
        widths=widths,
        time_steps=time_steps,
        token_steps=max(split.tokens.shape[2] for split in padded.values()),
        nonfinite=Nonfinite(
            **{m: sum(s.nonfinite[m] for s in padded.values()) for m in HEARD_AND_SEEN}
        ),
        text_kind=text_kind,
    )


def clean_for_prediction(content: object) -> dict[str, Split]:
    """Do as `clean` does with whichever splits there are, for a model to predict of them.

    What only a training needs may be missing: labels, then NaN, and a modality in all clips. What
    text is, is told by train, else by the first split there is.
    """
    in_file = _splits_of(content)
    names = [name for name in SPLITS if name in in_file]
    if not names:
        raise BadInputError(
            f"there is none of the splits {', '.join(SPLITS)}; there are: {listing(in_file)}"
        )
    padded = [_read_split(name, in_file, PREDICTED_FROM) for name in names]
    text_kind = _text_kind(padded[0])
    return {split.name: _cut_padding(split, text_kind, whole=False) for split in padded}


def _splits_of(content: object) -> dict[Any, Any]:
    if not isinstance(content, dict):
        raise BadInputError(f"the file holds a {type(content).__name__}, not a dict of splits")
    return content


def _read_split(name: str, content: dict[Any, Any], needed: tuple[str, ...]) -> _Padded:
    if name not in content:
        raise BadInputError(f"the split {name} is missing; there are: {listing(content)}")
    fields = content[name]
    if not isinstance(fields, dict):
        raise BadInputError(f"{name} is a {type(fields).__name__}, not a dict of features")
    for key in needed:
        if key not in fields:
            raise BadInputError(f"{name}/{key} is missing; there are: {listing(fields)}")

    ids = strings(f"{name}/id", fields["id"])
    if not ids:
        raise BadInputError(f"{name} has no clips")
    raw_text = strings(f"{name}/raw_text", fields["raw_text"])
    labelled = "regression_labels" in fields
    unknown = np.full(len(ids), np.nan, np.float32)
    labels = numbers(f"{name}/regression_labels", fields.get("regression_labels", unknown), 1)
    features = {m: numbers(f"{name}/{m}", fields.pop(m), 3) for m in MODALITIES}
    tokens = numbers(f"{name}/text_bert", fields["text_bert"], 3)
    rows = {"raw_text": len(raw_text), "regression_labels": len(labels), "text_bert": len(tokens)}
    for key, count in (rows | {m: len(features[m]) for m in MODALITIES}).items():
        if count != len(ids):
            raise BadInputError(f"{name}/{key} has {count} rows where {name}/id has {len(ids)}")
    if tokens.shape[1] != 3:
        raise BadInputError(
            f"{name}/text_bert has shape {tokens.shape} where its middle axis must be 3"
        )
    for key, array in (
        ("regression_labels", labels if labelled else labels[:0]),
        ("text", features["text"]),
        ("text_bert", tokens),
    ):
        bad = array.size - int(np.count_nonzero(np.isfinite(array)))
        if bad:
            raise BadInputError(
                f"{name}/{key} has {bad} of {array.size} values that are not finite"
            )
    refuse_labels_beyond_the_scale(name, ids, labels)
    refuse_duplicates(name, ids)
    nonfinite: dict[Modality, int] = {}
    for modality in HEARD_AND_SEEN:
        features[modality], nonfinite[modality] = zero_nonfinite(features[modality])
    return _Padded(
        name, ids, raw_text, labels, features, tokens, _lengths(name, fields, features), nonfinite
    )


def _lengths(
    name: str, fields: dict[Any, Any], features: dict[Modality, NDArray[np.float32]]
) -> dict[Modality, NDArray[np.int64]]:
    lengths: dict[Modality, NDArray[np.int64]] = {}
    for modality in HEARD_AND_SEEN:
        key = f"{modality}_lengths"
        if key not in fields:
            continue
        values = numbers(f"{name}/{key}", fields[key], 1)
        clips, steps = features[modality].shape[:2]
        if len(values) != clips:
            raise BadInputError(f"{name}/{key} has {len(values)} rows where {name}/id has {clips}")
        wrong = np.flatnonzero(~((values >= 0) & (values <= steps)))
        if wrong.size:
            row = int(wrong[0])
            raise BadInputError(
                f"{name}/{key} says {values[row]:g} in row {row} "
                f"where {name}/{modality} has {steps} steps"
            )
        lengths[modality] = values.astype(np.int64)
    return lengths


def _text_kind(train: _Padded) -> TextKind:
    text, tokens = train.features["text"], train.tokens
    if text.shape[1] != tokens.shape[2]:
        return "words"
    mask = marked_range(tokens[:, 1] != 0)
    return "tokens" if bool(covers(nonzero_range(text), mask).all()) else "words"


def _cut_padding(split: _Padded, text_kind: TextKind, *, whole: bool) -> Split:
    marked = split.tokens[:, 1] != 0
    ranges = {m: _feature_range(split, m) for m in HEARD_AND_SEEN}
    _refuse_nothing(split, marked, ranges, whole=whole)
    text = split.features["text"]
    if text_kind == "words":
        text_range = nonzero_range(text)
    elif text.shape[1] == marked.shape[1]:
        text_range = marked_range(marked)
    else:
        raise BadInputError(
            f"{split.name}/text has {text.shape[1]} steps "
            f"where {split.name}/text_bert has {marked.shape[1]}"
        )
    del text
    ranges["text"] = text_range
    token_counts = marked.sum(axis=1, dtype=np.int64)
    return Split(
        name=split.name,
        ids=split.ids,
        raw_text=split.raw_text,
        labels=split.labels,
        **{m: _sequences(split.features.pop(m), ranges[m]) for m in MODALITIES},
        token_ids=TokenIds(
            split.tokens[:, 0][marked].astype(np.int32),
            np.cumsum(token_counts) - token_counts,
            token_counts,
        ),
    )


def _refuse_nothing(
    split: _Padded,
    marked: NDArray[np.bool_],
    heard_and_seen: dict[Modality, StepRange],
    *,
    whole: bool,
) -> None:
    """Refuse a clip in which nothing is there, and of a whole dataset a modality in no clip."""
    ranges = {"text": nonzero_range(split.features["text"])} | heard_and_seen
    present = {m: steps.lengths > 0 for m, steps in ranges.items()}
    for modality in MODALITIES if whole else ():
        refuse_absence(split.name, modality, present[modality])
    refuse_silence(split.name, split.ids, {**present, "tokens": marked_range(marked).lengths > 0})


def _feature_range(split: _Padded, modality: Modality) -> StepRange:
    features = split.features[modality]
    filled = nonzero_range(features)
    if modality not in split.lengths:
        return filled
    lengths = split.lengths[modality]
    steps, fits = range_of_length(filled, lengths, features.shape[1])
    if not fits.all():
        row = int(np.flatnonzero(~fits)[0])
        raise BadInputError(
            f"{split.name}/{modality} has non-zero rows over {filled.lengths[row]} steps in row "
            f"{row}, from step {filled.starts[row]} on, where {split.name}/{modality}_lengths "
            f"says {lengths[row]}"
        )
    return steps


def _sequences(features: NDArray[np.float32], steps: StepRange) -> Sequences:
    values, lengths = take_steps(features, steps)
    return Sequences(values, np.cumsum(lengths) - lengths, lengths)
