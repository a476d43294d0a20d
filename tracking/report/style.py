"""How the report's figures look: colours, frames, and the marks of the paper's and the best trial.

Colours mean the same in every figure; `page.css` has them too.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

INK, MUTED, GRID = "#1f2933", "#5b6673", "#e6e9ed"
COMPLETE, BEST, PAPER = "#4285be", "#0b3d6b", "#d9480f"
PRUNED, FAILED, UNDER_WAY = "#b9c0c9", "#a61e4d", "#2b8a3e"

PAPER_NAME = "the paper's configuration"
OBJECTIVE_TITLE = "validation MAE"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

LEAST_ROOM = 0.005
"""above and below what is drawn, for differences beyond the third digit are noise"""

CROWD = 0.95
"""the share of points that a frame holds when a few lie far above"""


_DASHED = {"color": PAPER, "width": 1.2, "dash": "dash"}
_PAPER_WORDS = {
    "font": {"color": PAPER, "size": 11},
    "bgcolor": "rgba(255,255,255,0.8)",
    "showarrow": False,
}


def plain(text: str) -> str:
    """Return a text as Plotly shows it letter by letter, where it would read tags in it."""
    return escape(text, quote=False)


def figure(
    *,
    height: int,
    x: Mapping[str, Any],
    y: Mapping[str, Any],
    legend: bool = False,
    margin: Mapping[str, int] | None = None,
) -> go.Figure:
    """Return an empty figure of the report's looks.

    Args:
        height: in pixels; the width is the page's.
        x: what the horizontal axis is beyond that.
        y: likewise the vertical axis.
        legend: whether names of traces are shown, above the figure.
        margin: around the plot, in pixels, where the usual one does not do.
    """
    axis = {
        "gridcolor": GRID,
        "linecolor": "#c3c9d1",
        "zeroline": False,
        "showline": True,
        "ticks": "outside",
        "tickcolor": "#c3c9d1",
        "ticklen": 4,
        "title": {"standoff": 8},
    }
    return go.Figure(
        layout={
            "template": "none",
            "height": height,
            "margin": {"l": 56, "r": 14, "t": 30 if legend else 12, "b": 44, **(margin or {})},
            "font": {"family": FONT, "size": 12, "color": INK},
            "paper_bgcolor": "#ffffff",
            "plot_bgcolor": "#ffffff",
            "hovermode": "closest",
            "hoverlabel": {"bgcolor": "#ffffff", "bordercolor": MUTED, "align": "left"},
            "showlegend": legend,
            "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "itemwidth": 30},
            "xaxis": _merged(axis, x),
            "yaxis": _merged(axis, y),
        }
    )


def points(
    name: str, x: Sequence[Any], y: Sequence[float | None], hover: Sequence[str], **marker: Any
) -> go.Scatter:
    """Return a cloud of points, each with its own text."""
    return go.Scatter(
        name=name,
        x=list(x),
        y=list(y),
        mode="markers",
        hovertext=list(hover),
        hoverinfo="text",
        marker={"size": 7, "line": {"width": 0}, **marker},
    )


def paper_points(x: Sequence[Any], y: Sequence[float | None], hover: Sequence[str]) -> go.Scatter:
    """Return the mark of the paper's configuration."""
    line = {"width": 1.5, "color": "#ffffff"}
    return points(PAPER_NAME, x, y, hover, symbol="diamond", size=12, color=PAPER, line=line)


def best_points(x: Sequence[Any], y: Sequence[float | None], hover: Sequence[str]) -> go.Scatter:
    """Return the mark of the best trial."""
    line = {"width": 1, "color": "#ffffff"}
    return points("best trial", x, y, hover, symbol="star", size=14, color=BEST, line=line)


def paper_level(drawn: go.Figure, value: float) -> None:
    """Draw the level of the paper's configuration across a figure."""
    drawn.add_shape(type="line", xref="paper", x0=0, x1=1, y0=value, y1=value, line=_DASHED)
    drawn.add_annotation(
        text=f"paper {value:.4f}",
        **{"xref": "paper", "x": 1, "y": value, "xanchor": "right", "yanchor": "bottom"},
        **_PAPER_WORDS,
    )


def paper_place(drawn: go.Figure, at: float, text: str, *, share: float) -> None:
    """Draw where the paper's value of a parameter stands.

    Args:
        drawn: the figure.
        at: the position.
        text: the value.
        share: the position from 0 to 1, for words at an end must not run out of the figure.
    """
    drawn.add_shape(type="line", yref="paper", y0=0, y1=1, x0=at, x1=at, line=_DASHED)
    anchor = "left" if share < 0.15 else "right" if share > 0.85 else "center"
    drawn.add_annotation(
        text=plain(f"paper {text}"),
        **{"yref": "paper", "y": 1, "x": at, "xanchor": anchor, "yanchor": "bottom"},
        **_PAPER_WORDS,
    )


def frame_of(values: Sequence[float], must_show: Sequence[float] = ()) -> tuple[float, float]:
    """Return the ends of a vertical axis: all values, or the crowd where a few lie far above.

    Args:
        values: what is drawn, at least one.
        must_show: those that the frame holds however far they lie.
    """
    low, high = float(min(values)), float(max(values))
    crowd = float(np.quantile(values, CROWD))
    if high - low > 2 * (crowd - low) > 0:
        high = low + 1.3 * (crowd - low)
    high, low = max([high, *must_show]), min([low, *must_show])
    room = max(0.06 * (high - low), LEAST_ROOM)
    return low - room, high + room


def tell_of_hidden(drawn: go.Figure, values: Sequence[float], top: float) -> None:
    """Say how many values lie above the frame."""
    hidden = sum(value > top for value in values)
    if hidden:
        drawn.add_annotation(
            text=f"{hidden} above the frame",
            **{"x": 0.01, "xref": "paper", "y": 1, "yref": "paper", "showarrow": False},
            **{"xanchor": "left", "yanchor": "top", "font": {"color": MUTED, "size": 11}},
            bgcolor="rgba(255,255,255,0.8)",
        )


def _merged(axis: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**axis, **more}
    if isinstance(more.get("title"), str):
        merged["title"] = {"text": more["title"], "standoff": 8, "font": {"color": MUTED}}
    return merged
