"""The page and its Markdown twin: the same figures and words, whole, and harmless."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dlf.command import WorkFailedError
from dlf.config import Config
from tests.support.promotion_reports import (
    BEST,
    PAPER,
    PROMOTIONS,
    failed,
    finalist,
    picture,
    promotion,
    readings,
    typed,
    with_pictures,
)
from tracking.promotion_report import MARKDOWN_FILE, PAGE_FILE
from tracking.promotion_report.document import document_of
from tracking.promotion_report.markdown import markdown_of, plain
from tracking.promotion_report.page import page_of
from tracking.promotion_report.records import Figure, NotRegistered, PromotionReport, TextFacts
from tracking.promotion_report.writing import write_promotion

EVIL = (
    "</style><script>alert(1)</script><img src=x onerror=alert(2)>|`*_[a](b)\"'&amp;{{ 7 * 191 }}"
)
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?%?")
ADDRESS = re.compile(r"(?<=\])\([^)]*\)")
VOID = {"meta", "link", "img", "line", "circle"}


class Page(HTMLParser):
    """The tags of a page, all closed, and the words that are shown of it, tables by rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data
        if not {"style", "figure", "head", "nav"} & set(self._open):
            self.words.append(data)

    @property
    def text(self) -> str:
        """Everything that is shown, on one line."""
        return " ".join(" ".join(self.words).split())


def both(report: PromotionReport) -> tuple[Page, str]:
    document = document_of(report)
    return Page(page_of(document)), markdown_of(document)


def rows_of(markdown: str) -> list[list[str]]:
    """Return the rows of all tables without escapes, and without the lines below their heads."""
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    cells = [[unescaped(c.strip()) for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if row[0] != "---"]


def named_rows(markdown: str) -> dict[str, list[str]]:
    return {row[0]: [typed(cell) for cell in row[1:]] for row in rows_of(markdown)}


def unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def numbers(text: str) -> list[str]:
    return sorted(NUMBER.findall(typed(text)))


@pytest.mark.parametrize("case", PROMOTIONS)
def test_page_and_markdown_have_the_same_figures_and_words(case: str) -> None:
    page, markdown = both(PROMOTIONS[case])
    shown = unescaped(ADDRESS.sub("", markdown))
    assert numbers(page.text) == numbers(shown)
    assert len(numbers(shown)) > 60
    rows = [[" ".join(cell.split()) for cell in row] for row in page.rows]
    assert rows == rows_of(markdown)
    for sentence in document_of(PROMOTIONS[case]).verdict:
        assert sentence in page.text
        assert sentence in shown


@pytest.mark.parametrize("case", PROMOTIONS)
def test_a_page_asks_nobody_for_anything(case: str) -> None:
    page, _ = both(with_pictures(PROMOTIONS[case]))
    assert "script" not in {tag for tag, _ in page.tags}
    asked = [attrs.get("src") for _, attrs in page.tags if "src" in attrs]
    assert len(asked) == 2
    assert all(each is not None and each.startswith("data:image/png;base64,") for each in asked)
    assert {attrs["href"] for tag, attrs in page.tags if tag == "link"} == {"data:,"}


def test_metrics_stand_beside_those_of_table_1_in_its_units() -> None:
    _, markdown = both(PROMOTIONS["clear"])
    rows = named_rows(markdown)
    assert rows["metric"] == [
        "trial 12 (kept)",
        "its ensemble",
        "the paper's configuration",
        "its ensemble",
        "DLF in Table 1",
    ]
    assert rows["MAE ↓"] == [
        "0.912 [0.901, 0.924]",
        "0.916",
        "0.946 [0.935, 0.958]",
        "0.949",
        "0.731",
    ]
    assert rows["Acc-7 (%) ↑"][0] == "34.11 [33.00, 35.33]"
    assert rows["Acc-7 (%) ↑"][-1] == "47.08"


def test_what_is_kept_stands_first() -> None:
    _, markdown = both(PROMOTIONS["a tie"])
    rows = named_rows(markdown)
    assert rows["metric"][::2] == ["the paper's configuration (kept)", "trial 12", "DLF in Table 1"]
    assert rows["MAE ↓"][0] == "0.946 [0.935, 0.958]"


def test_a_finalist_has_its_interval_its_comparison_and_its_end() -> None:
    report = promotion(finalists=(PAPER, BEST, failed(4)))
    rows = named_rows(both(report)[1])
    assert rows["trial 12 (candidate, kept)"] == [
        "0.9410 [0.9330, 0.9500]",
        "-",
        "-",
        "all seeds",
        "0.9310 0.9370 0.9410 0.9440 0.9520",
    ]
    assert rows["the paper's configuration"][1:4] == [
        "-0.0312 [-0.0450, -0.0171]",
        "over 99.9%",
        "all seeds",
    ]
    assert rows["trial 4"] == ["-", "-", "-", "failed", "-"]


def test_intervals_are_drawn_where_they_lie() -> None:
    page, _ = both(PROMOTIONS["clear"])
    means = [attrs["cx"] for tag, attrs in page.tags if attrs.get("class") == "mean"]
    places = [float(str(at).rstrip("%")) for at in means]
    # Trials 12, 3 and the paper's at 0.941, 0.948 and 0.979; trial 7 lies beyond the scale.
    assert len(places) == 3
    assert (places[2] - places[0]) / (places[1] - places[0]) == pytest.approx(38 / 7, abs=0.01)
    assert "beyond the scale: mean 1.0120" in page_of(document_of(PROMOTIONS["clear"]))


def test_configurations_differ_line_by_line() -> None:
    page, markdown = both(PROMOTIONS["clear"])
    rows = named_rows(markdown)
    assert rows["value"] == ["trial 12", "the paper's configuration"]
    assert rows["accumulation"] == ["2", "10"]
    assert f"They differ in 3 of {len(Config().values())} values." in page.text
    assert f"The same in both ({len(Config().values()) - 3})" in page.text
    assert "batch_size 16" in unescaped(markdown)
    assert (
        "is the paper's configuration itself"
        in both(PROMOTIONS["the paper's is the candidate"])[0].text
    )


def test_every_reading_of_test_is_listed_for_ever() -> None:
    once, _ = both(PROMOTIONS["clear"])
    assert "have read the test split once, at 2026-11-23 15:31:04 UTC." in once.text
    _, markdown = both(promotion(readings=readings(3)))
    assert ["3", "2026-11-25 15:31:04 UTC", "promotion 3"] in rows_of(markdown)


def test_what_became_of_the_model_is_told() -> None:
    assert (
        "Registered as dlf-mosi version 3, alias champion; version 2, which had it, is now "
        "previous."
    ) in both(PROMOTIONS["clear"])[0].text
    assert "Nothing was registered: the registry is away: Connection refused. Written" in (
        both(PROMOTIONS["not registered"])[0].text
    )


def test_a_refit_tells_its_epochs() -> None:
    said = both(PROMOTIONS["with a refit"])[0].text
    assert (
        "trained on train and valid together for 9 (the candidate) and 14 (the paper's "
        "configuration) epochs." in said
    )


def test_what_it_is_told_is_shown_letter_by_letter() -> None:
    report = promotion(
        study=EVIL,
        finalists=(PAPER, finalist(12, name=EVIL, link="javascript:alert(1)"), failed(4, EVIL)),
        registration=NotRegistered(reason=EVIL),
        text=TextFacts(way="frozen", encoder=EVIL),
        packages={EVIL: EVIL},
        commands={EVIL: EVIL},
        figures=(Figure(caption=EVIL, png=picture(), file="a) b.png"),),
    )
    page, markdown = both(report)
    assert "script" not in {tag for tag, _ in page.tags}
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 1
    assert EVIL in page.text
    assert "1337" not in numbers(page.text)
    rows = [[" ".join(cell.split()) for cell in row] for row in page.rows]
    assert rows == rows_of(markdown)
    outside = re.sub(r"(`{3,})\n.*?\n\1", "", markdown, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)<", outside)
    assert "(a%29%20b.png)" in markdown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0.9 is lower", "0.9 is lower"),
        ("1. first", "1\\. first"),
        ("- item", "\\- item"),
        ("two\nlines", "two lines"),
        ("a_b|c", "a\\_b\\|c"),
    ],
)
def test_markdown_reads_nothing_into_words(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_command_with_a_fence_stays_in_its_own() -> None:
    _, markdown = both(promotion(commands={"it": "echo ```"}))
    assert "````\necho ```\n````" in markdown


def test_both_files_are_written_whole(tmp_path: Path) -> None:
    page, markdown = write_promotion(PROMOTIONS["clear"], tmp_path)
    assert (page, markdown) == (tmp_path / PAGE_FILE, tmp_path / MARKDOWN_FILE)
    assert page.read_text("utf-8").endswith("</html>\n")
    assert markdown.read_text("utf-8").startswith("# mosi-20261123-153104\n")
    assert sorted(tmp_path.iterdir()) == [page, markdown]


def test_what_cannot_be_written_leaves_the_old_ones(tmp_path: Path) -> None:
    with pytest.raises(WorkFailedError, match=r"the report .*promotion\.html cannot be written"):
        write_promotion(PROMOTIONS["clear"], tmp_path / "missing")
    (tmp_path / MARKDOWN_FILE).mkdir()
    (tmp_path / PAGE_FILE).write_text("old")
    with pytest.raises(WorkFailedError):
        write_promotion(PROMOTIONS["clear"], tmp_path)
    assert (tmp_path / PAGE_FILE).read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_report_needs_no_search_and_no_plots() -> None:
    code = (
        "import sys\n"
        "import tracking.promotion_report.writing\n"
        "bad = {'ray', 'optuna', 'search', 'torch', 'plotly', 'mlflow'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=True)
