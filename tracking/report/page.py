"""The report as one HTML page: plots, words and tables, with all that draws them inside."""

import json
from functools import lru_cache
from pathlib import Path

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from dlf.command import WorkFailedError, reason_of
from dlf.whole_file import replaced_whole
from tracking.report import REPORT_FILE
from tracking.report.parallel import chosen_axes, lines_left_out, parallel_coordinates
from tracking.report.parameters import (
    absent_from,
    importance,
    slice_of,
    sliced,
    standing_out,
)
from tracking.report.progress import (
    best_over_time,
    best_over_trials,
    curves_left_out,
    learning_curves,
)
from tracking.report.records import StudyReport
from tracking.report.regularisers import comparisons, regulariser_views
from tracking.report.thinning import POINTS
from tracking.report.top_table import top_rows
from tracking.report.verdict import caution, states_in_words, verdict
from tracking.store.run_links import LOCAL_UI

MOST_FAULTS = 40
LONG_NAME = 9


def write_page(study: StudyReport, folder: Path) -> Path:
    """Write the report of a study into its folder, in the place of an older one, all at once.

    Raises:
        WorkFailedError: when it cannot be written.
    """
    path = folder / REPORT_FILE
    try:
        with replaced_whole(path) as unfinished:
            unfinished.write_text(page_of(study), encoding="utf-8")
    except OSError as error:
        raise WorkFailedError(f"the report {path} cannot be written: {reason_of(error)}") from error
    return path


def page_of(study: StudyReport) -> str:
    """Return the page."""
    figures = _Figures()
    shown_slices = [(p, figures.add(f"slice-{p.name}", slice_of(study, p))) for p in sliced(study)]
    regularisers = [
        (view, [figures.add(f"{view.name}-{i}", each) for i, each in enumerate(view.figures)])
        for view in regulariser_views(study)
    ]
    held = comparisons(study)
    axes = [parameter.name for parameter in chosen_axes(study)]
    text = _template().render(
        study=study,
        verdict=verdict(study),
        caution=caution(study),
        over_trials=figures.add("over-trials", best_over_trials(study)),
        over_time=figures.add("over-time", best_over_time(study)),
        curves=figures.add("curves", learning_curves(study)),
        curves_left_out=curves_left_out(study),
        standing_out=standing_out(study),
        importance=figures.add("importance", importance(study)),
        slices=[(parameter, place) for parameter, place in shown_slices if place],
        points_left_out=max(0, len(study.with_value) - POINTS),
        parallel=figures.add("parallel", parallel_coordinates(study)),
        lines_left_out=lines_left_out(study),
        axes_left_out=len(study.parameters) - len(axes),
        absent=absent_from(study, axes),
        regularisers=regularisers,
        compared=bool(held),
        common=held[0] if len(held) > 1 else None,
        states=states_in_words(study),
        faults=study.faults[:MOST_FAULTS],
        faults_left_out=max(0, len(study.faults) - MOST_FAULTS),
        rows=top_rows(study),
        linked=any(trial.link for trial in study.trials),
        local_ui=LOCAL_UI if _links_locally(study) else None,
        figures=Markup(figures.as_json()),
        plotly=Markup(get_plotlyjs()),
    )
    return text + "\n"


class _Figures:
    """The figures of a page by the places where they are to be drawn."""

    def __init__(self) -> None:
        self._drawn: dict[str, str] = {}

    def add(self, name: str, drawn: go.Figure | None) -> str | None:
        """Take a figure in; return its place, none where there is nothing to draw."""
        if drawn is None:
            return None
        place = f"figure-{name}"
        self._drawn[place] = drawn.to_json(engine="json")
        return place

    def as_json(self) -> str:
        """Return one JSON object, in which Plotly has left nothing that looks like a tag."""
        members = (f"{json.dumps(place)}:{drawn}" for place, drawn in self._drawn.items())
        return "{" + ",\n".join(members) + "}"


def _links_locally(study: StudyReport) -> bool:
    return any(trial.link and trial.link.startswith(LOCAL_UI) for trial in study.trials)


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("tracking.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment.get_template("page.html")


def _breakable(name: str) -> Markup:
    """Return a name that may be broken after its underscores, if it is long."""
    return Markup("_<wbr>" if len(name) > LONG_NAME else "_").join(name.split("_"))
