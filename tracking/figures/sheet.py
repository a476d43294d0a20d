"""A figure that is drawn many times: what never changes is drawn once, and kept as pixels.

Text is what takes time, so that a figure of many labels is drawn again in a fraction of it.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

DPI = 100
COMPRESSION = 3
"""of 9 levels; what higher ones take is not worth what they save"""

TITLE_SIZE, LABEL_SIZE, TICK_SIZE = 10.5, 9.5, 8.5
"""in points"""

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILION, PURPLE, SKY = "#D55E00", "#CC79A7", "#56B4E9"
GREY, LIGHT_GREY, DARK = "#8C8C8C", "#DDDDDD", "#222222"
"""the colours of Okabe and Ito, which the colour-blind tell apart, and greys"""

Rectangle = tuple[float, float, float, float]


class Sheet:
    """A figure of some inches, to be filled and then drawn; for one thread at a time."""

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width, height), dpi=DPI)
        self._canvas = FigureCanvasAgg(self.figure)
        self._changing: Sequence[Artist] = ()
        self._background: Any = None

    def axes(self, place: Rectangle) -> Axes:
        """Add axes with small labels in a place, which is fractions of the figure."""
        axes = self.figure.add_axes(place)
        axes.tick_params(labelsize=TICK_SIZE, color=GREY, labelcolor=DARK)
        for spine in axes.spines.values():
            spine.set_color(GREY)
        return axes

    def title(self, x: float, y: float, text: str = "") -> Text:
        """Add a title, centred at `x` and on the line `y`, fractions of the figure."""
        return self.figure.text(x, y, text, fontsize=TITLE_SIZE, color=DARK, ha="center")

    def label(self, x: float, y: float, text: str, *, upright: bool = False) -> None:
        """Add the label of an axis, centred at `x` and `y`."""
        self.figure.text(
            *(x, y, text),
            fontsize=LABEL_SIZE,
            color=DARK,
            ha="center",
            va="center",
            rotation=90 if upright else 0,
        )

    def keep_all_but(self, changing: Sequence[Artist]) -> None:
        """Draw all but these, for good; they are drawn anew in every `png`, in this order."""
        for artist in changing:
            artist.set_animated(True)
        self._canvas.draw()
        self._changing = changing
        self._background = self._canvas.copy_from_bbox(self.figure.bbox)

    def png(self) -> bytes:
        """Return the figure as it is now, in 256 colours: a third of the size in less time."""
        if self._background is None:
            self._canvas.draw()
        else:
            self._canvas.restore_region(self._background)
            for artist in self._changing:
                self.figure.draw_artist(artist)
        size = self._canvas.get_width_height()
        pixels = Image.frombuffer("RGBA", size, self._canvas.buffer_rgba(), "raw", "RGBA", 0, 1)
        file = BytesIO()
        few_colours = pixels.convert("RGB").quantize(method=Image.Quantize.FASTOCTREE)
        few_colours.save(file, "png", compress_level=COMPRESSION)
        return file.getvalue()
