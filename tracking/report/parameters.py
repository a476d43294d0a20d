"""Which parameters decide, and the objective against each of the important ones."""

from collections.abc import Sequence

import plotly.graph_objects as go

from tracking.report import style
from tracking.report.axes import Axis, axis_of, shown
from tracking.report.progress import hover_of
from tracking.report.records import Parameter, ReportedTrial, StudyReport
from tracking.report.style import figure, frame_of, paper_level, paper_place, points, tell_of_hidden
from tracking.report.thinning import POINTS, thinned

SLICES = 6
SLICE_HEIGHT = 270


def importance(study: StudyReport) -> go.Figure | None:
    """Return the importances as bars, with the paper's and the best trial's value of each."""
    shares = study.importances.shares
    if not shares:
        return None
    names, chance = list(shares)[::-1], study.importances.chance
    parameters = {parameter.name: parameter for parameter in study.parameters}
    out = figure(
        height=70 + 24 * len(names),
        x={
            "title": "importance, as a share of all",
            "tickformat": ".0%",
            "range": [0, max(1.75 * max(shares.values()), 1.05 * (chance or 0.0))],
        },
        y={"showgrid": False, "automargin": True, "tickfont": {"size": 13}},
        margin={"l": 130, "t": 24},
    )
    out.add_trace(
        go.Bar(
            name="importance",
            orientation="h",
            y=[style.plain(name) for name in names],
            x=[shares[name] for name in names],
            marker={"color": [_bar_color(study, shares[name]) for name in names]},
            text=[_values_of(study, parameters.get(name), shares[name]) for name in names],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    if chance is not None:
        line = {"color": style.MUTED, "width": 1.2, "dash": "dot"}
        ends = {"yref": "paper", "y0": 0, "y1": 1, "x0": chance, "x1": chance}
        out.add_shape(type="line", layer="below", line=line, **ends)
        out.add_annotation(
            text="chance",
            **{"x": chance, "yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False},
            font={"color": style.MUTED, "size": 11},
        )
    return out


def standing_out(study: StudyReport) -> str:
    """Return in a sentence which importances chance does not explain."""
    shares, chance = study.importances.shares, study.importances.chance
    if not shares or chance is None:
        return ""
    names = [name for name, share in shares.items() if share > chance]
    if not names:
        return "No parameter stands out beyond chance so far."
    return f"Beyond chance: {', '.join(names)}."


def sliced(study: StudyReport) -> list[Parameter]:
    """Return the parameters that get a slice plot: the important ones, else the first ones."""
    known = {parameter.name: parameter for parameter in study.parameters}
    ranked = [known[name] for name in study.importances.shares if name in known]
    return (ranked or list(study.parameters))[:SLICES]


def slice_of(study: StudyReport, parameter: Parameter) -> go.Figure | None:
    """Return the objective of the trials against one parameter."""
    name = parameter.name
    trials = [t for t in study.with_value if name in t.params and not t.paper]
    values = [trial.reached for trial in trials if trial.reached is not None]
    paper = study.paper
    at_paper = None if paper is None else paper.reached
    if not values:
        return None
    axis = axis_of(parameter, [trial.params[name] for trial in trials])
    marked = [trial.reached for trial in (paper, study.best) if trial is not None]
    low, high = frame_of(values, [value for value in marked if value is not None])
    out = figure(
        height=SLICE_HEIGHT,
        x=axis_layout(axis),
        y={"title": style.OBJECTIVE_TITLE, "range": [low, high]},
        margin={"t": 24, "b": 34},
    )
    drawn = thinned(trials, POINTS)
    for label, of_group, color in (
        ("pruned", [t for t in drawn if t.pruned], style.PRUNED),
        ("complete", [t for t in drawn if t.complete], style.COMPLETE),
    ):
        out.add_trace(
            points(
                label,
                [axis.place(trial.params[name]) for trial in of_group],
                [trial.reached for trial in of_group],
                [value_hover(trial, name) for trial in of_group],
                color=color,
                size=6,
                opacity=0.75,
            )
        )
    best = study.best
    if best is not None and name in best.params and not best.paper:
        at = [axis.place(best.params[name])]
        out.add_trace(style.best_points(at, [best.reached], [value_hover(best, name)]))
    mark_paper(out, axis, parameter, paper, at_paper)
    tell_of_hidden(out, values, high)
    return out


def mark_paper(
    out: go.Figure,
    axis: Axis,
    parameter: Parameter,
    paper: ReportedTrial | None,
    value: float | None,
) -> None:
    """Draw the paper's value of a parameter, and its trial where there is a value to show.

    Where it has no such parameter the level of its trial is drawn.
    """
    at = None if parameter.paper is None else axis.place(parameter.paper)
    if parameter.paper is None or at is None:
        if value is not None:
            paper_level(out, value)
        return
    share = (at - axis.low) / (axis.high - axis.low)
    paper_place(out, at, shown(parameter.paper), share=share)
    if paper is not None and value is not None:
        hover = f"{hover_of(paper)}<br>{style.plain(f'{parameter.name} = {parameter.paper}')}"
        out.add_trace(style.paper_points([at], [value], [hover]))


def axis_layout(axis: Axis) -> dict[str, object]:
    """Return an axis as Plotly takes it."""
    return {
        "range": list(axis.frame),
        "tickmode": "array",
        "tickvals": [tick.at for tick in axis.ticks],
        "ticktext": [style.plain(tick.text) for tick in axis.ticks],
    }


def value_hover(trial: ReportedTrial, name: str) -> str:
    """Return what is shown of a trial where it stands by its value of a parameter."""
    return f"{hover_of(trial)}<br>{style.plain(f'{name} = {shown(trial.params[name])}')}"


def absent_from(study: StudyReport, names: Sequence[str]) -> dict[str, int]:
    """Return in how many trials each of these parameters does not exist, where it is in some."""
    absent = {name: sum(name not in t.params for t in study.with_value) for name in names}
    return {name: count for name, count in absent.items() if count}


def _bar_color(study: StudyReport, share: float) -> str:
    chance = study.importances.chance
    return style.PRUNED if chance is not None and share <= chance else style.COMPLETE


def _values_of(study: StudyReport, parameter: Parameter | None, share: float) -> str:
    """What stands behind a bar: its share, and where the paper and the best trial are."""
    words = [f"{share:.0%}"]
    if parameter is not None:
        value = style.plain("none" if parameter.paper is None else shown(parameter.paper))
        words.append(f'<span style="color:{style.PAPER}">paper {value}</span>')
    best = study.best
    if parameter is not None and best is not None and parameter.name in best.params:
        value = style.plain(shown(best.params[parameter.name]))
        words.append(f'<span style="color:{style.BEST}">best {value}</span>')
    return " &#183; ".join(words)
