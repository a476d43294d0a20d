"""The page as a whole: complete, well-formed, self-contained, and harmless whatever it is told."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from plotly.offline import get_plotlyjs

from dlf.command import WorkFailedError
from tests.support.report_studies import reported, searched, study_of
from tracking.records import TrialState
from tracking.report import REPORT_FILE
from tracking.report.page import page_of, write_page
from tracking.report.records import StudyReport

SECTIONS = [
    "progress",
    "curves",
    "importance",
    "slices",
    "parallel",
    "regularisers",
    "states",
    "top",
]
VOID = {"meta", "link", "wbr", "br", "img"}
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\"'<b>{{ 7 * 7 }}"
NOT_FINITE = ((1, float("nan")), (2, float("inf")))

STUDIES: dict[str, StudyReport] = {
    "no trial": study_of(),
    "nothing ended": study_of(reported(0, None, epochs=2), reported(1, None, epochs=0)),
    "the paper's only": study_of(reported(0)),
    "two": study_of(reported(0), reported(1)),
    "all failed": study_of(
        *(reported(n, TrialState.FAILED, epochs=n % 3, value=None, reason=EVIL) for n in range(60)),
        faults=[f"trial {n} failed: {EVIL}" for n in range(60)],
    ),
    "paper failed": study_of(
        reported(0, TrialState.FAILED, epochs=0, value=None, reason="nan"),
        *(reported(n) for n in range(1, 6)),
    ),
    "paper pruned": study_of(reported(0, TrialState.PRUNED), *(reported(n) for n in range(1, 6))),
    "all pruned": study_of(*(reported(n, TrialState.PRUNED) for n in range(1, 9))),
    "not finite": study_of(
        reported(0),
        reported(1, curve=NOT_FINITE, value=float("inf")),
        reported(2, TrialState.PRUNED, curve=NOT_FINITE, value=float("nan")),
        reported(3, TrialState.FAILED, curve=NOT_FINITE, value=None),
        reported(4),
    ),
    "searched": searched(90),
}


class Page(HTMLParser):
    """What a page holds, and whether its tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self.scripts: list[str] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        assert len(known) == len(attrs)
        self.tags.append((tag, known))
        if known.get("id"):
            self.ids.append(str(known["id"]))
        if tag == "script":
            self.scripts.append("")
        if tag == "h1":
            self.headings.append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self._open[-1] if self._open else ""
        if inside == "script":
            self.scripts[-1] += data
            return
        if inside == "h1":
            self.headings[-1] += data
        if inside != "style":
            self.words += data

    @property
    def figures(self) -> dict[str, Any]:
        def refuse(constant: str) -> None:
            raise ValueError(f"{constant} is no JSON")

        found = json.loads(self.scripts[1], parse_constant=refuse)
        assert isinstance(found, dict)
        return found


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(page_of(STUDIES["searched"]))


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_a_well_formed_page_with_all_sections(name: str) -> None:
    page = Page(page_of(STUDIES[name]))
    sections = [known["id"] for tag, known in page.tags if tag == "section"]
    assert sections == SECTIONS
    assert len(set(page.ids)) == len(page.ids)
    assert set(page.figures) <= set(page.ids)
    assert {each for each in page.ids if each.startswith("figure-")} == set(page.figures)
    assert "None" not in page.words
    assert "nan" not in page.words.replace("(nan)", "")


def test_the_papers_configuration_is_marked_in_every_plot(page: Page) -> None:
    assert len(page.figures) == 2 + 1 + 1 + 3 + 1 + 2 * 4
    for name, drawn in page.figures.items():
        text = json.dumps(drawn)
        assert "paper" in text.replace('"xref": "paper"', "").replace('"yref": "paper"', ""), name


def test_the_papers_value_and_its_trial_stand_in_every_slice(page: Page) -> None:
    value = STUDIES["searched"].trials[0].value
    for name, drawn in page.figures.items():
        if name in ("figure-over-trials", "figure-over-time") or name.endswith("weight_decay"):
            level = value
        elif name.startswith("figure-slice") or name[-2:] in ("-0", "-1"):
            (mark,) = [t for t in drawn["data"] if t["name"] == "the paper's configuration"]
            (line,) = drawn["layout"]["shapes"]
            assert line["x0"] == line["x1"] == mark["x"][0]
            continue
        else:
            continue
        (line,) = drawn["layout"]["shapes"]
        assert line["y0"] == line["y1"] == level


def test_values_that_are_no_numbers_leave_the_frames_alone() -> None:
    for drawn in Page(page_of(STUDIES["not finite"])).figures.values():
        for axis in ("xaxis", "yaxis"):
            assert None not in drawn["layout"][axis].get("range", [])


def test_pruned_curves_are_grey_and_the_papers_is_over_all(page: Page) -> None:
    traces = {trace["name"]: trace for trace in page.figures["figure-curves"]["data"]}
    assert next(iter(traces)) == "pruned"
    assert list(traces)[-1] == "the paper's configuration"
    colors = {name: trace["line"]["color"] for name, trace in traces.items()}
    red, green, blue = (int(colors["pruned"][i : i + 2], 16) for i in (1, 3, 5))
    assert max(red, green, blue) - min(red, green, blue) < 25
    assert len(set(colors.values())) == len(colors)


def test_nothing_is_loaded_from_anywhere() -> None:
    linked = [reported(n, link="https+mlflow:run") for n in range(12)]
    text = page_of(study_of(*linked))
    page = Page(text)
    own = text.replace(get_plotlyjs(), "")
    assert len(text) - len(own) == len(get_plotlyjs())
    for tag, known in page.tags:
        assert "src" not in known
        assert tag not in {"iframe", "object", "embed", "base", "form"}
        if tag == "link":
            assert known["href"] == "data:,"
        elif tag == "a" and not str(known["href"]).startswith("#"):
            assert (known["target"], known["rel"]) == ("_blank", "noopener")
    assert not re.search(r"url\(|@import|localStorage|sessionStorage|fetch\(|https?://", own)


def test_links_lead_to_runs_and_to_nothing_else() -> None:
    link = "http://127.0.0.1:5000/#/experiments/1/runs/abc"
    page = Page(page_of(study_of(reported(0, link=link), reported(1))))
    away = [str(k["href"]) for tag, k in page.tags if tag == "a" and k["href"][:1] != "#"]  # type: ignore[index]
    assert away == [link]
    assert "make ui" in page.words
    unlinked = Page(page_of(study_of(reported(0), without_links="The store is away.")))
    assert "The store is away." in unlinked.words
    assert "make ui" not in unlinked.words


def test_words_from_outside_stay_words() -> None:
    told = searched(
        30,
        name=EVIL,
        dataset=EVIL,
        standing=EVIL,
        faults=[EVIL],
        facts={EVIL: EVIL},
        without_links=EVIL,
    )
    trials = [reported(0, name=EVIL, link=f"http://h/{EVIL}"), *told.trials[1:]]
    page = Page(page_of(told.model_copy(update={"trials": trials})))
    assert page.headings == [EVIL]
    assert len(page.scripts) == 3
    assert not [tag for tag, known in page.tags if tag == "img" or "onerror" in known]
    assert page.words.count(EVIL) >= 6
    assert "<" not in page.scripts[1]
    assert "<img" not in json.dumps(page.figures)


def test_values_that_are_choices_stay_words_in_plots() -> None:
    parameters = STUDIES["two"].parameters
    odd = parameters[4].model_copy(update={"choices": ("adam", "<b>adamw</b>")})
    told = study_of(
        *(reported(n, params={"optimizer": "<b>adamw</b>"}) for n in range(4)), parameters=[odd]
    )
    assert "<b>" not in json.dumps(Page(page_of(told)).figures)


def test_many_trials_are_thinned_and_the_page_says_so() -> None:
    many = searched(2000)
    text = page_of(many)
    assert len(text) - len(get_plotlyjs()) < 3_000_000
    page = Page(text)
    assert "1300 trials are left out of these points" in page.words
    assert "1750 curves are left out" in page.words
    assert "1700 trials are left out" in page.words
    drawn = sum(trace["x"].count(None) for trace in page.figures["figure-parallel"]["data"])
    assert drawn == 300 + 1  # the best is drawn with its group and again over all
    best = many.best
    assert best is not None
    slices = page.figures["figure-slice-margin"]["data"]
    stars = [trace for trace in slices if trace["name"] == "best trial"]
    assert stars[0]["x"] == [best.params["margin"]]
    assert "left out" not in Page(page_of(searched(90))).words.partition("had ended before")[0]


def test_the_report_takes_the_place_of_the_older_one_all_at_once(tmp_path: Path) -> None:
    path = write_page(STUDIES["no trial"], tmp_path)
    assert path == tmp_path / REPORT_FILE
    older = path.read_text(encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(WorkFailedError, match="cannot be written"):
        write_page(STUDIES["two"], tmp_path / "absent")
    assert path.read_text(encoding="utf-8") == older
    write_page(STUDIES["two"], tmp_path)
    assert path.read_text(encoding="utf-8") != older
    assert sorted(each.name for each in tmp_path.iterdir()) == ["elsewhere", REPORT_FILE]


def test_a_report_that_cannot_be_put_in_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / REPORT_FILE).mkdir()
    with pytest.raises(WorkFailedError, match=REPORT_FILE):
        write_page(STUDIES["no trial"], tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [REPORT_FILE]


def test_the_table_holds_each_configuration_once_and_the_papers_below() -> None:
    paper, *others = (reported(n) for n in range(40))
    best = min(others, key=lambda trial: trial.value or 0)
    twin = best.model_copy(update={"number": 60, "name": "trial 60", "twin": best.number})
    page = Page(page_of(study_of(paper.model_copy(update={"value": 2.0}), *others, twin)))
    rows = [known for tag, known in page.tags if tag == "tr"]
    assert len(rows) == 1 + 10 + 1
    assert rows[-1]["class"] == "paper"
    assert "trial 60" not in page.words
    assert "2.0000" in page.words
