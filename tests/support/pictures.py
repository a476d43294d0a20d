"""What is to be seen in a PNG."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def pixels_of(png: bytes) -> NDArray[np.int16]:
    """Return the colours [height, width, 3], 0 to 255."""
    picture = Image.open(BytesIO(png))
    assert picture.format == "PNG"
    return np.asarray(picture.convert("RGB"), np.int16)


def count_of(png: bytes, colour: str, tolerance: int = 40) -> int:
    """Return how many pixels are nearly of a colour, such as `#0072B2`."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((np.abs(pixels_of(png) - wanted).max(axis=2) <= tolerance).sum())
