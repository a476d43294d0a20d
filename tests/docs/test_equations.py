"""Equations become drawings that stand on the line of the text."""

import re

import pytest

from docs.equations import EM, drawing

VIEW = re.compile(r'viewBox="0 (\S+) (\S+) (\S+)"')
ALIGN = re.compile(r"vertical-align: (\S+)em")


def height(tex: str) -> float:
    """The height of a drawing."""
    found = VIEW.search(drawing(tex))
    assert found is not None
    return float(found[3])


def depth(tex: str) -> float:
    """How far a drawing reaches below the line, in the font's height."""
    found = ALIGN.search(drawing(tex))
    assert found is not None
    return -float(found[1])


def test_a_drawing_has_the_size_of_its_symbols() -> None:
    assert 0.4 * EM < height("x") < 0.6 * EM
    assert height("x") < height("X") < height(r"\frac{X}{Y}")


def test_it_reaches_as_far_below_the_line_as_its_symbols_do() -> None:
    assert depth("x") == pytest.approx(0, abs=0.02)
    assert depth("x_i") > 0.1
    assert depth(r"\frac{X}{Y}") > depth("x_i")


def test_it_is_read_out_as_it_was_written_and_has_the_colour_of_the_text() -> None:
    svg = drawing(r"a < b \; \mathrm{and} \; c")
    assert r'aria-label="a &lt; b \; \mathrm{and} \; c"' in svg
    assert 'fill="currentColor"' in svg
    assert svg.count("<path") == 1


def test_what_is_no_equation_is_refused() -> None:
    with pytest.raises(ValueError, match="frac"):
        drawing(r"\frac{a}")
