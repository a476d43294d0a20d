"""What the weight of each regulariser did: the objective against it, and a plain sentence."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from dlf.config import LAMBDAS
from tracking.records import Record
from tracking.report import style
from tracking.report.axes import Axis, axis_of, shown
from tracking.report.effects import Bin, Effect, effects_of
from tracking.report.parameters import axis_layout, mark_paper, value_hover
from tracking.report.records import Parameter, ReportedTrial, StudyReport
from tracking.report.style import figure, frame_of, points, tell_of_hidden
from tracking.report.thinning import POINTS, thinned

WEIGHTS = frozenset(LAMBDAS.values())
"""those of which magnitudes count, so that they get a log axis"""

REGULARISERS: Mapping[str, str] = {
    **{weight: f"weight of the {name} loss" for name, weight in LAMBDAS.items()},
    "margin": "margin of the margin loss",
}

REACHED_BY = 0.9
"""the share of trials that have come as far as the epoch at which all are compared"""

SLIGHT = 0.2
"""a rank correlation below which an effect is called slight, however clear it is"""

HEIGHT = 280


class Comparison(Record):
    """Trials held against each other after the same epoch."""

    epoch: int
    title: str
    trials: Sequence[ReportedTrial]
    values: Sequence[float]
    """of each trial, the best validation MAE up to the epoch"""
    left_out: int
    """trials that had ended before it"""


class RegulariserView(NamedTuple):
    """One regulariser: its sentences, and its figures in the same order."""

    name: str
    what: str
    sentences: Sequence[str]
    figures: Sequence[go.Figure | None] = ()


def comparisons(study: StudyReport) -> list[Comparison]:
    """Return all trials at the last epoch that nearly all reached, and complete ones at the end."""
    trials = [t for t in study.trials if t.finite_curve and t.twin is None]
    ended = [trial for trial in trials if trial.state is not None]
    if not ended:
        return []
    reach = sorted((_reach(trial, study) for trial in ended), reverse=True)
    epoch = reach[int(np.ceil(REACHED_BY * len(reach))) - 1]
    end = study.max_epochs
    complete = _at(
        end, "at the end, complete trials only", [t for t in trials if t.complete], study
    )
    if epoch >= end:
        return [complete]
    return [_at(epoch, f"after epoch {epoch}, all trials", trials, study), complete]


def regulariser_views(study: StudyReport) -> list[RegulariserView]:
    """Return what each regulariser did, in the order of the paper."""
    varied = {p.name: p for p in study.parameters}
    names = [name for name in REGULARISERS if name in varied]
    held = comparisons(study)
    effects = [
        effects_of(names, [trial.params for trial in each.trials], each.values) for each in held
    ]
    views = []
    for name, what in REGULARISERS.items():
        if name not in varied:
            said = f"This study does not vary {name}."
            views.append(RegulariserView(name=name, what=what, sentences=[said]))
            continue
        views.append(
            RegulariserView(
                name=name,
                what=what,
                sentences=[
                    sentence(effect[name], each.title)
                    for each, effect in zip(held, effects, strict=True)
                ],
                figures=[
                    _drawn(study, varied[name], each, effect[name].bins)
                    for each, effect in zip(held, effects, strict=True)
                ],
            )
        )
    return views


def sentence(effect: Effect, title: str) -> str:
    """Return in plain words what was found of one parameter."""
    where = title[0].upper() + title[1:]
    if effect.trials < effect.needed:
        return f"{where}: too few to tell ({effect.trials}; it takes {effect.needed})."
    if effect.correlation is None:
        return f"{where}: its value hardly varies, so there is nothing to tell."
    among = f"among {effect.trials} trials"
    correlation = f"rank correlation {_signed(effect.correlation)}"
    if effect.has_trend:
        way = "lower" if effect.correlation > 0 else "higher"
        little = "slightly " if abs(effect.correlation) < SLIGHT else ""
        return f"{where}: {way} values went with a {little}lower MAE ({correlation} {among})."
    if effect.has_shape and len(effect.bins) > 1:
        best, *others = sorted(effect.bins, key=lambda each: each.median)
        elsewhere = np.median([each.median for each in others])
        return (
            f"{where}: MAE was lowest for values {_span(best)}, with a median of "
            f"{best.median:.4f} there and of {elsewhere:.4f} elsewhere ({among}; no trend in one "
            "direction)."
        )
    return f"{where}: no clear effect {among} ({correlation})."


def _signed(number: float) -> str:
    text = f"{number:+.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", "\N{MINUS SIGN}")


def _span(of: Bin) -> str:
    return (
        f"of {shown(of.low)}" if of.low == of.high else f"from {shown(of.low)} to {shown(of.high)}"
    )


def _reach(trial: ReportedTrial, study: StudyReport) -> int:
    """The last epoch at which the trial's value is known: one that is complete keeps its own."""
    return study.max_epochs if trial.complete else trial.finite_curve[-1][0]


def _at(epoch: int, title: str, trials: Sequence[ReportedTrial], study: StudyReport) -> Comparison:
    there = [t for t in trials if _reach(t, study) >= epoch and t.finite_curve[0][0] <= epoch]
    values = [[v for at, v in trial.finite_curve if at <= epoch][-1] for trial in there]
    left_out = sum(t.state is not None for t in trials) - sum(t.state is not None for t in there)
    return Comparison(epoch=epoch, title=title, trials=there, values=values, left_out=left_out)


def _drawn(
    study: StudyReport, parameter: Parameter, each: Comparison, bins: Sequence[Bin]
) -> go.Figure | None:
    name = parameter.name
    values = {
        t.number: v for t, v in zip(each.trials, each.values, strict=True) if name in t.params
    }
    trials = [trial for trial in each.trials if trial.number in values]
    if not trials:
        return None
    log = parameter.log or name in WEIGHTS
    axis = axis_of(parameter, [trial.params[name] for trial in trials], log=log)
    paper = next((trial for trial in each.trials if trial.paper), None)
    marked = [t for t in (paper, study.best) if t is not None and t.number in values]
    low, high = frame_of(list(values.values()), [values[t.number] for t in marked])
    out = figure(
        height=HEIGHT,
        x={"title": name, **axis_layout(axis)},
        y={"title": f"{style.OBJECTIVE_TITLE} after epoch {each.epoch}", "range": [low, high]},
        margin={"t": 24},
    )
    drawn = [trial for trial in thinned(trials, POINTS) if not trial.paper]
    for label, of_group, color in (
        ("not complete", [t for t in drawn if not t.complete], style.PRUNED),
        ("complete", [t for t in drawn if t.complete], style.COMPLETE),
    ):
        if of_group:
            out.add_trace(
                points(
                    label,
                    [axis.place(trial.params[name]) for trial in of_group],
                    [values[trial.number] for trial in of_group],
                    [f"{value_hover(t, name)}<br>{values[t.number]:.4f} here" for t in of_group],
                    color=color,
                    size=5,
                    opacity=0.7,
                )
            )
    if bins:
        out.add_trace(_medians(bins, axis))
    mark_paper(out, axis, parameter, paper, None if paper is None else values.get(paper.number))
    tell_of_hidden(out, list(values.values()), high)
    return out


def _medians(bins: Sequence[Bin], axis: Axis) -> go.Scatter:
    """Return the medians of the bins, each at the median of its values, with quartiles."""
    return go.Scatter(
        name="median",
        x=[axis.place(each.middle) for each in bins],
        y=[each.median for each in bins],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [each.quartiles[1] - each.median for each in bins],
            "arrayminus": [each.median - each.quartiles[0] for each in bins],
            "color": style.INK,
            "thickness": 1.2,
            "width": 4,
        },
        mode="lines+markers",
        line={"color": style.INK, "width": 1.5},
        marker={"size": 7, "symbol": "square", "color": style.INK},
        hovertext=[
            f"{each.trials} trials, {_span(each)}<br>median {each.median:.4f}" for each in bins
        ],
        hoverinfo="text",
    )
