"""docs/performance.md: it is what the templates and the records give, and no figure is typed in."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from jinja2 import Environment, UndefinedError

from benchmarks.page import PAGE, TEMPLATES, Records, environment, read_records, render, write_page
from benchmarks.recorded import RESULTS
from benchmarks.search_efficiency import SearchEfficiency, Spread
from benchmarks.strategies import DEFAULT
from benchmarks.studies import StudyFigures
from benchmarks.suite import SUITE

MARK = "\N{WHITE SQUARE}"

NOT_MEASURED = {
    "10^9": "the unit",
    "16": "the batch size, and the steps to which attention pads",
    "50": "the width, and the steps of a clip",
    "10": "heads",
    "2": "layers",
    "768": "features of text",
    "5": "features of audio",
    "20": "features of vision, and epochs of a fake trial",
    "74": "features of MOSEI's audio",
    "35": "features of MOSEI's vision",
    "736": "rows of the product that is the measure",
    "200": "columns of that product",
    "64": "slots of the driver without Ray",
    "256": "clips of the synthetic dataset",
    "1,284": "clips of MOSI's train split",
    "229": "clips of MOSI's validation split",
    "95%": "what every interval is",
    "99%": "the probability that a promotion asks for",
    "20%": "the margin of --gpus-per-trial auto",
    "0.8": "the GB that it leaves to CUDA",
}
"""numbers that the templates may state, and what each is"""


def literal_numbers(text: str) -> set[str]:
    """Return the numbers in prose: not in code, nor in names such as Acc-2 or float32."""
    prose = re.sub(
        r"^    [^\n]*$|`[^`]*`|\{[%#].*?[%#]\}", "", text, flags=re.MULTILINE | re.DOTALL
    )
    found = re.findall(r"(?<![\w.,-])\d[\d.,^]*%?(?![\w-])", prose)
    return {number.rstrip(".,") for number in found}


def test_the_page_is_what_templates_and_records_give() -> None:
    assert render(read_records(RESULTS)) == PAGE.read_text(encoding="utf-8"), (
        "docs/performance.md was edited, or a record or a template was: python -m benchmarks --page"
    )


@pytest.mark.parametrize("template", sorted(TEMPLATES.iterdir()), ids=lambda path: path.name)
def test_no_template_states_a_measured_figure(template: Path) -> None:
    written = re.sub(r"\{\{.*?\}\}", MARK, template.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert literal_numbers(written) <= NOT_MEASURED.keys()


def test_a_figure_that_is_typed_in_would_be_seen() -> None:
    text = "\n    python -m some.command --trials 12\n\nIt takes 0.071 s, `--trials 4`, Acc-2,\n"
    assert literal_numbers(f"{text}and 44% of float32; 1,284.\n    --rounds 3\nThen 8.\n") == {
        "0.071",
        "44%",
        "1,284",
        "8",
    }


def test_every_benchmark_has_its_part_of_the_page(records: Records) -> None:
    assert {f"{name}.md.jinja" for name in SUITE} < {path.name for path in TEMPLATES.iterdir()}
    page = render(records)
    for name in SUITE:
        assert f"    python -m benchmarks.{name}\n" in page
        assert f"| `{name}` | `python -m benchmarks.{name}` | 2026-11-29 |" in page
    assert "Not measured yet" not in page
    assert "1. Abacus, 2 cores, 8 GB, no GPU; Python 3.11.9, torch 2.13.0\n" in page


def test_figures_stand_beside_what_people_run(records: Records) -> None:
    page = render(records)
    for row in (
        "| a training step, GFLOP-equivalents a sample | 0.39 | the released code 3.5 | 9.0 |",
        "| one search end to end, 10 trials | 45 s | stock Ray Tune 90 s | 2.0 |",
        "| what a trial costs beside training | 0.071 s | stock Ray Tune 3.15 s | 44 |",
        "| tpe, asha 3/3 (default) | 168 (142 to never) | 3 | 0.8675 |  |",
        "| both stores tell what was stopped | yes | no |  |",
        "| spread by 0.05 | our promotion | 0.837 | 0.900 | +0.0630 (0.0012) |",
        "| 1 | 4 | 486 MiB (509 MB) | **not met** |",
    ):
        assert f"{row}\n" in page


def test_the_page_is_clean_markdown(records: Records) -> None:
    page = render(records)
    lines = page.splitlines()
    assert not [line for line in lines if line != line.rstrip()]
    assert page.endswith("\n")
    assert not page.endswith("\n\n")
    assert "\n\n\n" not in page
    for above, line, below in zip(lines, lines[1:], lines[2:], strict=False):
        if set(line) == set("| -"):
            assert above.count("|") == line.count("|") == below.count("|")


def test_what_is_not_measured_yet_is_named(records: Records) -> None:
    few = {name: record for name, record in records.items() if name != "overhead"}
    page = render(few)
    assert "Not measured yet: overhead." in page
    assert "## What a search costs beside training" not in page


def test_a_study_without_a_promotion_has_no_row_among_them(records: Records) -> None:
    record = records["study_headline"]
    assert isinstance(record.measured, StudyFigures)
    alone = record.model_copy(
        update={"measured": record.measured.model_copy(update={"promotion": None})}
    )
    page = render({**records, "study_headline": alone})
    assert "| 200 | 139 | 2 | 1,403 | 2,812 | 0.841 | 0.963 |" in page
    assert "search/promote.py --study headline" not in page


def test_what_a_record_lacks_is_an_error(records: Records) -> None:
    templates: Environment = environment()
    template = templates.from_string("{{ records.overhead.measured.trials.nothing }}")
    with pytest.raises(UndefinedError):
        template.render(records=records)


def test_records_are_read_as_they_were_written(records: Records, tmp_path: Path) -> None:
    for name, record in records.items():
        record.write(tmp_path / "results", name)
    assert read_records(tmp_path / "results") == records
    write_page(tmp_path / "results", tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == render(records)


def test_a_record_of_another_version_counts_as_not_measured(
    records: Records, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = records["overhead"].model_dump_json().replace('"rounds"', '"repetitions"')
    (tmp_path / "overhead.json").write_text(old)
    (tmp_path / "study_old.json").write_text("{")
    records["memory"].write(tmp_path, "memory")
    assert list(read_records(tmp_path)) == ["memory"]
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(" is no record")[0] for line in told] == [
        str(tmp_path / "overhead.json"),
        str(tmp_path / "study_old.json"),
    ]


def test_every_record_that_is_kept_is_read() -> None:
    assert {path.stem for path in RESULTS.iterdir()} == read_records(RESULTS).keys()


def test_a_search_that_never_comes_to_its_target_is_told_as_such(records: Records) -> None:
    found = records["search_efficiency"].measured
    assert isinstance(found, SearchEfficiency)
    never = found.worlds[DEFAULT].model_copy(
        update={"epochs_to_target": Spread(value=None, low=142.0, high=None)}
    )
    measured = found.model_copy(update={"worlds": {**found.worlds, DEFAULT: never}})
    record = records["search_efficiency"].model_copy(update={"measured": measured})
    page = render({**records, "search_efficiency": record})
    assert "in simulated worlds | never | random configurations in full 168 |  |\n" in page


def test_no_records_give_a_page_all_the_same() -> None:
    nothing: Mapping[str, object] = {}
    assert ", ".join(SUITE) in render(nothing)  # type: ignore[arg-type]
