"""What a feature file must not have, each refused in a sentence that names the clip."""

import re
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from dlf.command import BadInputError
from dlf.metrics import STRONGEST
from dlf.modalities import Modality

CLIP_OF_VIDEO = re.compile(r"\$_\$.*$|\[\d+\]$|_\d+$")
"""what an id has beside the video's: `video$_$3`, `video[3]`, `video_3`"""


def refuse_labels_beyond_the_scale(name: str, ids: list[str], labels: NDArray[np.float32]) -> None:
    """Raise `BadInputError` at a label outside [-3, 3]."""
    beyond = np.flatnonzero(np.abs(labels) > STRONGEST)
    if beyond.size:
        row = int(beyond[0])
        raise BadInputError(
            f"{name}/regression_labels has {labels[row]:g} in row {row} ({ids[row]}) where "
            f"sentiment lies between -3 and 3; {beyond.size} labels must be rescaled or left out"
        )


def refuse_duplicates(name: str, ids: list[str]) -> None:
    """Raise `BadInputError` when an id stands twice in a split."""
    rows: dict[str, int] = {}
    for row, clip in enumerate(ids):
        first = rows.setdefault(clip, row)
        if first != row:
            raise BadInputError(
                f"{name}/id has {clip} in row {first} and in row {row}; leave one of the clips out"
            )


def refuse_silence(name: str, ids: list[str], present: Mapping[str, NDArray[np.bool_]]) -> None:
    """Raise `BadInputError` at a clip in which nothing is there.

    Args:
        name: of the split.
        ids: of its clips.
        present: what of a clip there may be, and for each clip whether it is.
    """
    silent = np.flatnonzero(~np.any(list(present.values()), axis=0))
    if silent.size:
        row = int(silent[0])
        raise BadInputError(
            f"{name} has no {', no '.join(present)} in row {row} ({ids[row]}), an utterance of no "
            f"length; leave {silent.size} such clips out"
        )


def refuse_absence(name: str, modality: Modality, present: NDArray[np.bool_]) -> None:
    """Raise `BadInputError` when a modality is absent from every clip [clips] of a split."""
    if not present.any():
        raise BadInputError(
            f"{name}/{modality} holds nothing but zeros in all {len(present)} clips; get the file "
            f"with the {modality} features"
        )


def count_shared_videos(splits: Iterable[Iterable[str]]) -> int:
    """Return how many videos have clips, given by their ids, in more than one split."""
    seen: set[str] = set()
    shared: set[str] = set()
    for ids in splits:
        videos = {CLIP_OF_VIDEO.sub("", clip) for clip in ids}
        shared |= videos & seen
        seen |= videos
    return len(shared)
