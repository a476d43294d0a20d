"""All trials as lines across all parameters: parallel coordinates, drawn as plain SVG lines.

Plotly's own need WebGL, which not every browser has, and can neither leave a parameter out nor draw
one trial over the others. Here a group of trials is one line with gaps; the page brings the line
under the pointer to the front.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from tracking.report import style
from tracking.report.axes import Axis, axis_of, shown
from tracking.report.records import Parameter, ReportedTrial, StudyReport
from tracking.report.style import figure
from tracking.report.thinning import LINES, thinned

MOST_AXES = 15
HEIGHT = 520
ABSENT = -0.1
"""where a trial passes a parameter that does not exist in it; axes go from 0 to 1"""

FRONT = "trial under the pointer"

GROUPS: Sequence[tuple[str, float, str, float]] = (
    ("best tenth", 0.1, "#08519c", 1.6),
    ("best quarter", 0.25, "#4285be", 1.2),
    ("better half", 0.5, "#93bbdc", 1.0),
    ("other complete", 1.0, "#b9cfe2", 1.0),
)
"""complete trials by rank, up to which share of them, from dark to light"""


def chosen_axes(study: StudyReport) -> list[Parameter]:
    """Return the parameters that get an axis: all, or the most important where they are many."""
    parameters = list(study.parameters)
    if len(parameters) <= MOST_AXES:
        return parameters
    shares = study.importances.shares
    ranked = sorted(parameters, key=lambda p: -shares.get(p.name, 0.0))[:MOST_AXES]
    return [parameter for parameter in parameters if parameter in ranked]


def parallel_coordinates(study: StudyReport) -> go.Figure | None:
    """Return all complete and pruned trials as lines across their parameters and the objective."""
    trials = thinned(study.with_value, LINES)
    if not trials:
        return None
    lines = _Lines(study, trials)
    drawn = [*trials, *([study.paper] if study.paper else [])]
    absent = any(t.reached is None or not t.params.keys() >= set(lines.names) for t in drawn)
    last = len(lines.names)
    out = figure(
        height=HEIGHT,
        x={"visible": False, "range": [-0.15, last + 0.45], "fixedrange": True},
        y={"visible": False, "range": [ABSENT if absent else 0, 1], "fixedrange": True},
        legend=True,
        margin={"l": 10, "r": 60, "t": 128, "b": 16},
    )
    for trace in _groups(study, trials, lines):
        out.add_trace(trace)
    front = {"color": style.INK, "width": 3}
    out.add_trace(lines.trace(FRONT, [], front, showlegend=False, hoverinfo="skip"))
    bar = {"type": "line", "y0": 0, "y1": 1, "layer": "below"}
    grey = {"color": "#aab2bc", "width": 1}
    out.update_layout(
        legend={"y": 1.27},
        shapes=[{**bar, "x0": at, "x1": at, "line": grey} for at in range(last + 1)],
        annotations=[*_tick_labels(lines.axes), *_headings([*lines.names, style.OBJECTIVE_TITLE])],
    )
    return out


def lines_left_out(study: StudyReport) -> int:
    """Return how many trials are not drawn."""
    return max(0, len(study.with_value) - LINES)


class _Lines:
    """Trials as polylines across the axes."""

    def __init__(self, study: StudyReport, trials: Sequence[ReportedTrial]) -> None:
        chosen = chosen_axes(study)
        self.names = [parameter.name for parameter in chosen]
        self.axes = [
            axis_of(p, [t.params[p.name] for t in trials if p.name in t.params]) for p in chosen
        ]
        reached = [trial.reached for trial in trials if trial.reached is not None]
        ends = style.frame_of(
            reached, [t.reached for t in (study.best, study.paper) if t and t.reached is not None]
        )
        self.axes.append(
            axis_of(Parameter(name=style.OBJECTIVE_TITLE, low=ends[0], high=ends[1]), [])
        )

    def trace(
        self,
        name: str,
        trials: Sequence[ReportedTrial],
        line: Mapping[str, Any],
        **more: Any,
    ) -> go.Scatter:
        x: list[int | None] = []
        y: list[float | None] = []
        hover: list[str] = []
        for trial in trials:
            head = _head(trial)
            for position, axis in enumerate(self.axes):
                x.append(position)
                y.append(self._height(trial, position, axis))
                hover.append(head + self._value(trial, position))
            x.append(None)
            y.append(None)
            hover.append("")
        return go.Scatter(
            name=name,
            x=x,
            y=y,
            hovertext=hover,
            mode="lines",
            line=line,
            **{"hoverinfo": "text", **more},
        )

    def _height(self, trial: ReportedTrial, position: int, axis: Axis) -> float:
        if position == len(self.names):
            value: Any = trial.reached
        else:
            value = trial.params.get(self.names[position])
        share = None if value is None else axis.share(value)
        return ABSENT if share is None else round(min(share, 1.0), 4)

    def _value(self, trial: ReportedTrial, position: int) -> str:
        if position == len(self.names):
            return ""
        name = self.names[position]
        if name not in trial.params:
            return f"<br>{style.plain(name)} does not exist in it"
        return f"<br>{style.plain(f'{name} = {shown(trial.params[name])}')}"


def _groups(study: StudyReport, trials: Sequence[ReportedTrial], lines: _Lines) -> list[go.Scatter]:
    """Return the trials by rank, the worst first, and over them the best and the paper's."""
    pruned = [t for t in trials if t.pruned and not t.paper]
    traces = [lines.trace(f"pruned ({len(pruned)})", pruned, {"color": "#d5d9de", "width": 0.8})]
    rank = {trial.number: i / len(study.ranked) for i, trial in enumerate(study.ranked)}
    floor = 0.0
    grouped = []
    for name, share, color, width in GROUPS:
        group = [
            t for t in trials if t.complete and not t.paper and floor <= rank[t.number] < share
        ]
        floor = share
        line = {"color": color, "width": width}
        if group:
            grouped.append(lines.trace(f"{name} ({len(group)})", group, line))
    traces += reversed(grouped)
    best, paper = study.best, study.paper
    if best is not None and not best.paper:
        line = {"color": style.BEST, "width": 3}
        traces.append(lines.trace(f"best, {style.plain(best.name)}", [best], line))
    if paper is not None:
        line = {"color": style.PAPER, "width": 3}
        traces.append(lines.trace(style.PAPER_NAME, [paper], line))
    return traces


def _head(trial: ReportedTrial) -> str:
    early = ", stopped early" if trial.pruned else ""
    reached = "no value" if trial.reached is None else f"validation MAE {trial.reached:.4f}"
    return f"{style.plain(trial.name)}: {reached}{early}"


def _headings(names: Sequence[str]) -> list[dict[str, Any]]:
    above = {"yref": "paper", "y": 1, "yshift": 6, "xanchor": "left", "yanchor": "bottom"}
    slanted = {"textangle": -35, "showarrow": False, **above}
    return [
        {"text": style.plain(name), "x": at, "font": {"size": 11.5}, **slanted}
        for at, name in enumerate(names)
    ]


def _tick_labels(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """All numbers along all axes, on a ground that sets them off from the lines."""
    beside = {"xanchor": "left", "xshift": 2, "yanchor": "middle", "showarrow": False}
    looks = {"font": {"size": 10, "color": style.MUTED}, "bgcolor": "rgba(255,255,255,0.75)"}
    return [
        {
            "text": style.plain(tick.text),
            "x": position,
            "y": (tick.at - axis.low) / (axis.high - axis.low),
            "borderpad": 0,
            **beside,
            **looks,
        }
        for position, axis in enumerate(axes)
        for tick in axis.ticks
    ]
