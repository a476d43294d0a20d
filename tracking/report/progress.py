"""How the search went: the best value so far, over trials and over time, and learning curves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import plotly.graph_objects as go

from tracking.records import TrialState
from tracking.report import style
from tracking.report.records import ReportedTrial, StudyReport
from tracking.report.style import figure, frame_of, paper_level, points, tell_of_hidden
from tracking.report.thinning import CURVES, POINTS, thinned

HEIGHT = 300
CURVES_HEIGHT = 420


def best_over_trials(study: StudyReport) -> go.Figure | None:
    """Return the values of trials by number, and the best complete one up to each."""
    return _best_so_far(
        study,
        order={trial.number: trial.number for trial in study.with_value},
        title="trial",
    )


def best_over_time(study: StudyReport) -> go.Figure | None:
    """Return the values of trials by the time of their end, and the best complete one up to it."""
    begun = [trial.begun for trial in study.trials if trial.begun is not None]
    ends = {t.number: t.ended for t in study.with_value if t.ended is not None}
    if not begun or not ends:
        return None
    first = min(begun)
    hours = {number: _hours(first, end) for number, end in ends.items()}
    unit, scale = _unit(max(hours.values()))
    return _best_so_far(
        study,
        order={number: value * scale for number, value in hours.items()},
        title=f"{unit} since the first trial began, pauses included",
    )


def learning_curves(study: StudyReport) -> go.Figure | None:
    """Return the best value so far of every trial by epoch; pruned ones are grey."""
    curves = [t for t in study.trials if t.finite_curve and t.twin is None]
    if not curves:
        return None
    drawn = thinned(curves, CURVES)
    marked = [trial for trial in (study.paper, study.best) if trial is not None]
    special = {trial.number for trial in marked}
    values = [value for trial in drawn for _, value in trial.finite_curve]
    last = [trial.finite_curve[-1][1] for trial in [*marked, *drawn[:1]] if trial.finite_curve]
    low, high = frame_of(values, last)
    out = figure(
        height=CURVES_HEIGHT,
        x={"title": "epoch", "range": [0.5, study.max_epochs + 0.5], **_whole(study.max_epochs)},
        y={"title": "best validation MAE so far", "range": [low, high]},
        legend=True,
    )
    groups: list[tuple[str, TrialState | None, str, dict[str, Any]]] = [
        ("pruned", TrialState.PRUNED, style.PRUNED, {"width": 1}),
        ("failed", TrialState.FAILED, style.FAILED, {"width": 1, "dash": "dot"}),
        ("complete", TrialState.COMPLETE, style.COMPLETE, {"width": 1.2}),
        ("under way", None, style.UNDER_WAY, {"width": 1.5}),
    ]
    for name, state, color, line in groups:
        of_state = [t for t in drawn if t.state is state and t.number not in special]
        if of_state:
            out.add_trace(_curves(name, of_state, {"color": color, **line}))
    if study.best is not None and not study.best.paper:
        name = f"best, {study.best.name}"
        out.add_trace(_curves(name, [study.best], {"color": style.BEST, "width": 3}))
    if study.paper is not None and study.paper.finite_curve:
        out.add_trace(_curves(style.PAPER_NAME, [study.paper], {"color": style.PAPER, "width": 3}))
    return out


def curves_left_out(study: StudyReport) -> int:
    """Return how many learning curves are not drawn."""
    return max(0, sum(bool(t.finite_curve) and t.twin is None for t in study.trials) - CURVES)


def _best_so_far(study: StudyReport, order: dict[int, float], title: str) -> go.Figure | None:
    trials = sorted(
        (t for t in study.with_value if t.number in order), key=lambda t: order[t.number]
    )
    values = [trial.reached for trial in trials if trial.reached is not None]
    if not values:
        return None
    reference = [] if study.paper is None else [study.paper.reached]
    low, high = frame_of(values, [value for value in reference if value is not None])
    last = max(order[trial.number] for trial in trials)
    out = figure(
        height=HEIGHT,
        x={"title": title, "range": [-0.03 * (last or 1), 1.03 * (last or 1)]},
        y={"title": style.OBJECTIVE_TITLE, "range": [low, high]},
    )
    drawn = thinned(trials, POINTS)
    for name, of_group, marker in (
        ("pruned", [t for t in drawn if t.pruned], {"color": style.PRUNED, "size": 5}),
        ("complete", [t for t in drawn if t.complete], {"color": style.COMPLETE, "size": 6}),
    ):
        others = [t for t in of_group if not t.paper]
        out.add_trace(_cloud(name, others, order, **marker))
    out.add_trace(_best_line(trials, order))
    paper, best = study.paper, study.best
    if best is not None and best.number in order:
        out.add_trace(style.best_points([order[best.number]], [best.reached], [hover_of(best)]))
    if paper is not None and paper.reached is not None and paper.number in order:
        paper_level(out, paper.reached)
        out.add_trace(style.paper_points([order[paper.number]], [paper.reached], [hover_of(paper)]))
    tell_of_hidden(out, values, high)
    return out


def _best_line(trials: Sequence[ReportedTrial], order: dict[int, float]) -> go.Scatter:
    """The lowest value of the complete trials up to each, as steps to the right edge."""
    x: list[float] = []
    y: list[float] = []
    for trial in trials:
        if trial.complete and trial.reached is not None and (not y or trial.reached < y[-1]):
            x.append(order[trial.number])
            y.append(trial.reached)
    if y:
        x.append(max(order[trial.number] for trial in trials))
        y.append(y[-1])
    return go.Scatter(
        name="best so far",
        x=x,
        y=y,
        mode="lines",
        line={"color": style.BEST, "width": 2, "shape": "hv"},
        hovertemplate="best so far %{y:.4f}<extra></extra>",
    )


def _cloud(
    name: str, trials: Sequence[ReportedTrial], order: dict[int, float], **marker: Any
) -> go.Scatter:
    return points(
        name,
        [order[trial.number] for trial in trials],
        [trial.reached for trial in trials],
        [hover_of(trial) for trial in trials],
        **marker,
    )


def _curves(name: str, trials: Sequence[ReportedTrial], line: dict[str, Any]) -> go.Scatter:
    """Many curves as one line with gaps, which a browser draws at once."""
    x: list[int | None] = []
    y: list[float | None] = []
    numbers: list[int | None] = []
    for trial in trials:
        for epoch, value in trial.finite_curve:
            x.append(epoch)
            y.append(value)
            numbers.append(trial.number)
        x.append(None)
        y.append(None)
        numbers.append(None)
    return go.Scatter(
        name=name,
        x=x,
        y=y,
        customdata=numbers,
        mode="lines+markers" if any(len(t.finite_curve) == 1 for t in trials) else "lines",
        marker={"size": 4},
        line=line,
        hovertemplate="trial %{customdata}, epoch %{x}: %{y:.4f}<extra></extra>",
    )


def hover_of(trial: ReportedTrial) -> str:
    """Return what is shown of a trial under the pointer."""
    reached = "no value" if trial.reached is None else f"validation MAE {trial.reached:.4f}"
    last = trial.curve[-1][0] if trial.curve else 0
    early = f"<br>stopped early, after epoch {last}" if trial.pruned else ""
    return f"{style.plain(trial.name)}<br>{reached}{early}"


def _whole(epochs: int) -> dict[str, int]:
    """Keep ticks to whole epochs, which is not left to Plotly where they are few."""
    return {"tick0": 1, "dtick": 1} if epochs <= 12 else {}


def _hours(begin: datetime, end: datetime) -> float:
    return (end - begin).total_seconds() / 3600


def _unit(hours: float) -> tuple[str, float]:
    """Return a unit in which so many hours are a readable number, and how many make an hour."""
    if hours >= 2:
        return "hours", 1.0
    return ("minutes", 60.0) if hours >= 2 / 60 else ("seconds", 3600.0)
