"""The best trials as rows, with the paper's configuration for comparison."""

from collections.abc import Sequence

from tracking.records import ParamValue, Record
from tracking.report.axes import shown
from tracking.report.records import ReportedTrial, StudyReport

TOP = 10


class Row(Record):
    """A trial in the table."""

    rank: str
    name: str
    link: str | None
    value: str
    difference: str
    """from the paper's configuration"""
    epochs: str
    cells: Sequence[str]
    """its parameters, in the order of the study"""
    paper: bool


def top_rows(study: StudyReport) -> list[Row]:
    """Return the ten best configurations, and the paper's after them if it is not one of them."""
    ranked = [trial for trial in study.ranked if trial.twin is None]
    rows = [_row(study, trial, str(i)) for i, trial in enumerate(ranked[:TOP], start=1)]
    paper = study.paper
    if paper is not None and all(trial.number != paper.number for trial in ranked[:TOP]):
        place = ranked.index(paper) + 1 if paper in ranked else None
        rows.append(_row(study, paper, "" if place is None else str(place)))
    return rows


def _row(study: StudyReport, trial: ReportedTrial, rank: str) -> Row:
    reached, paper = trial.reached, study.paper
    difference = ""
    if paper is not None and paper.complete and paper.reached is not None and not trial.paper:
        difference = "" if reached is None else f"{reached - paper.reached:+.4f}"
    return Row(
        rank=rank,
        name=trial.name,
        link=trial.link,
        value="none" if reached is None else f"{reached:.4f}",
        difference=difference.replace("-", "\N{MINUS SIGN}"),
        epochs=str(trial.curve[-1][0]) if trial.curve else "0",
        cells=[
            _brief(trial.params[p.name]) if p.name in trial.params else "\N{EN DASH}"
            for p in study.parameters
        ],
        paper=trial.paper,
    )


def _brief(value: ParamValue) -> str:
    return f"{value:.3g}" if isinstance(value, float) else shown(value)
