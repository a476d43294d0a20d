"""Many small numbers drawn as one path of outlines: a text of its own for each takes far longer."""

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import IdentityTransform
from numpy.typing import NDArray

from tracking.figures.sheet import DPI

FONT = "DejaVu Sans"
ADVANCE = dict.fromkeys("0123456789", 0.636) | {".": 0.318, "-": 0.361, "+": 0.838, "e": 0.615}
HEIGHT = 0.729
"""of a digit; all of it where the size of the font is 1"""

NOTHING = Path(np.empty((0, 2)))

Places = NDArray[np.float64]


class Numbers(PathPatch):
    """Numbers of one size and colour, as texts."""

    def __init__(self, points: float, colour: str, align: float = 0.5) -> None:
        """Take the size in points; `align` is 0 where places are left ends, 1 for right ends."""
        super().__init__(NOTHING, lw=0, fc=colour, transform=IdentityTransform())
        self._size = points * DPI / 72
        self._align = align

    def write(self, texts: Iterable[str], places: Places) -> None:
        """Replace the numbers; their places [N, 2] are pixels of the figure, at mid-height.

        Raises:
            KeyError: for a character that no number has.
        """
        outlines = [
            outline
            for text, place in zip(texts, places, strict=True)
            for outline in self._outlines(text, place)
        ]
        self.set_path(Path.make_compound_path(*outlines) if outlines else NOTHING)

    def _outlines(self, text: str, place: Places) -> Iterator[Path]:
        advances = [ADVANCE[character] * self._size for character in text]
        corner = place - [self._align * sum(advances), HEIGHT * self._size / 2]
        for character, advance in zip(text, advances, strict=True):
            outline, codes = _outline(character)
            yield Path(outline * self._size + corner, codes)
            corner[0] += advance


@cache
def _outline(character: str) -> tuple[Places, NDArray[np.uint8]]:
    path = TextPath((0, 0), character, size=1, prop=FontProperties(family=FONT))
    return np.asarray(path.vertices, np.float64), np.asarray(path.codes, np.uint8)
