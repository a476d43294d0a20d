"""Telling a clip's valid steps from its padding, for whole splits at once.

Padding may stand on either side, and zero rows between valid steps are data.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class StepRange:
    """Per clip the first step and the number of steps, int64 of shape [clips]; length 0 is none."""

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


def marked_range(marked: NDArray[np.bool_]) -> StepRange:
    """Return per clip the range from the first to the last marked step of `marked` [clips, T]."""
    steps = marked.shape[1]
    starts = marked.argmax(axis=1).astype(np.int64)
    ends = steps - marked[:, ::-1].argmax(axis=1).astype(np.int64)
    return StepRange(starts, np.where(marked.any(axis=1), ends - starts, 0))


def nonzero_range(features: NDArray[np.float32]) -> StepRange:
    """Return per clip the range from the first to the last non-zero row of [clips, T, width]."""
    return marked_range((features != 0).any(axis=2))


def covers(outer: StepRange, inner: StepRange) -> NDArray[np.bool_]:
    """Tell per clip whether `outer` holds every step of `inner`; an empty `inner` is held."""
    first = outer.starts <= inner.starts
    last = outer.starts + outer.lengths >= inner.starts + inner.lengths
    held: NDArray[np.bool_] = (first & last) | (inner.lengths == 0)
    return held


def range_of_length(
    filled: StepRange, lengths: NDArray[np.int64], steps: int
) -> tuple[StepRange, NDArray[np.bool_]]:
    """Place `lengths` [clips] steps at the front or the back, so that they hold `filled`.

    `steps` is the length of the time axis. Where both places hold a clip's filled rows, as when it
    ends in rows of zeros, it is the side that most of the other clips tell: a file pads on one. The
    second result tells per clip whether either place holds the filled rows. A clip without filled
    rows gets no steps, whatever its length.
    """
    present = filled.lengths > 0
    front = StepRange(np.zeros_like(lengths), lengths)
    back = StepRange(steps - lengths, lengths)
    in_front, in_back = covers(front, filled), covers(back, filled)
    only_in_front = np.count_nonzero(in_front & ~in_back)
    only_in_back = np.count_nonzero(in_back & ~in_front)
    at_front = in_front & ~in_back if only_in_back > only_in_front else in_front
    placed = StepRange(np.where(at_front, front.starts, back.starts), np.where(present, lengths, 0))
    return placed, in_front | in_back


def take_steps(
    features: NDArray[np.float32], steps: StepRange
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the steps of all clips of [clips, T, width] one after the other, and their lengths.

    The first result is a copy of shape [total steps, width]. A clip without steps gets one of
    zeros, so that every length is at least 1.
    """
    empty = steps.lengths == 0
    starts, lengths = np.where(empty, 0, steps.starts), np.where(empty, 1, steps.lengths)
    positions = np.arange(features.shape[1])
    inside = (positions >= starts[:, None]) & (positions < (starts + lengths)[:, None])
    values = features[inside]
    values[(np.cumsum(lengths) - lengths)[empty]] = 0
    return values, lengths
