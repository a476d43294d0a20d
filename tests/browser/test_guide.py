"""The guide to comparing trials: its filters are understood, its pictures are there."""

import re
from pathlib import Path

import pytest
from PIL import Image

from tests.support.shown_study import PROJECT, Shown
from tracking.store.connection import connect
from tracking.store.location import resolve

pytestmark = pytest.mark.slow

GUIDE = PROJECT / "docs" / "how-to" / "compare.md"
FILTERS = re.findall(r"^\| `((?:attributes|metrics|tags)\..+?)` \|", GUIDE.read_text(), re.M)
PICTURES = sorted(GUIDE.parent.glob("images/*.png"))
LARGEST, WIDEST = 250_000, 1280


def test_the_guide_shows_all_pictures_that_are_there() -> None:
    shown = re.findall(r"^!\[.+\]\((images/.+)\)$", GUIDE.read_text(), re.M)
    assert sorted(GUIDE.parent / each for each in shown) == PICTURES
    assert len(FILTERS) > 5


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
def test_a_picture_is_small(picture: Path) -> None:
    assert picture.stat().st_size < LARGEST
    assert Image.open(picture).width <= WIDEST


@pytest.mark.parametrize("words", FILTERS)
def test_a_filter_finds_runs(words: str, shown: Shown) -> None:
    found = connect(resolve(shown.address)).client.search_runs(["1"], words)
    # How good simulated trials are is another matter.
    assert found or "<" in words
