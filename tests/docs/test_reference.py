"""The reference has everything that the code has, and the code spells each name in one place."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlf.config import Config
from docs.generated import MARK, fill, table
from docs.tables import command_line
from docs.tables.constants import documented
from docs.tables.markdown import plain, rows

PROJECT = Path(__file__).parents[2]
CODE = ("dlf", "tracking", "search")
TAG = re.compile(r"dlf\.[a-z_.]+")
METRIC = re.compile(r"(train|valid|test|loss|trial)/[a-z0-9_]+")
NAMING = {"dlf/metrics.py", "tracking/run_names.py"}
"""where names are spelled"""


def cells(name: str) -> list[list[str]]:
    """The rows of all tables of a page, without their headings."""
    lines = [line for line in table(name).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def strings_of(file: Path) -> Iterator[str]:
    """The strings of a file that are no docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


@pytest.mark.parametrize("module", command_line.MODULES, ids=lambda module: module.__name__)
def test_every_flag_of_a_command_is_in_its_page_and_says_what_it_means(module) -> None:
    parser = module.argument_parser()
    flags = {
        option
        for each in [parser, *command_line.commands_of(parser).values()]
        for action in each._actions
        for option in action.option_strings
        if option not in ("-h", "--help")
    }
    described = {row[0].strip("`"): row[3] for row in cells("command_line") if len(row) == 4}
    assert flags <= described.keys()
    assert all(described[flag] for flag in flags)


def test_every_module_that_reads_a_command_line_is_among_the_commands() -> None:
    reading = {
        str(file.relative_to(PROJECT).with_suffix("")).replace("/", ".")
        for folder in CODE
        for file in (PROJECT / folder).rglob("*.py")
        if re.search(r"CommandParser\(\n|CommandParser\(prog", file.read_text(encoding="utf-8"))
    }
    assert reading == {module.__name__ for module in command_line.MODULES}


def test_a_default_of_zero_is_told_and_that_of_a_switch_is_not() -> None:
    section = table("command_line").partition("## python -m dlf.data synthesize")[2]
    assert "| `--seed` | `SEED` | `0` |" in section
    assert "| `--resume` |  |  |" in table("command_line")


def test_no_password_is_in_the_page_whatever_the_environment_has(monkeypatch) -> None:
    monkeypatch.setenv("DLF_STORAGE", "postgresql+psycopg://dlf:secret@db/optuna")
    assert "secret" not in table("command_line")


def test_every_leaf_of_the_configuration_has_a_row_with_its_meaning() -> None:
    found = {row[0].strip("`"): row for row in cells("configuration")}
    assert list(found) == list(Config().values())
    assert all(row[2] and row[3] for row in found.values())


@pytest.mark.parametrize(
    ("leaf", "default", "values", "searched"),
    [
        ("margin", "`0.15`", "number, at least 0", "0 to 1; `default`"),
        ("text_kernel", "`5`; the paper's on MOSEI `3`", "whole number, at least 1", "`wide`"),
        ("clipping", "`value`", "`value` `norm` `none`", ""),
        ("disentangled", "`true`", "`true` `false`", ""),
        ("orthogonality_width", "`none`; the paper's on MOSEI `10`", "or none", ""),
        ("weight_decay", "`0`", "number, at least 0", "when optimizer = adamw; `wide`"),
        ("text_warm_up", "`0`", "number", "0 to 2; `--text finetune`"),
        ("plateau_factor", "`0.5`", "number, above 0, below 1", ""),
    ],
)
def test_a_row_of_the_configuration(leaf: str, default: str, values: str, searched: str) -> None:
    (row,) = (row for row in cells("configuration") if row[0] == f"`{leaf}`")
    assert row[1] == default
    assert values in row[3]
    assert row[4].endswith(searched) if searched else row[4] == ""


def test_all_that_is_recorded_is_in_the_page() -> None:
    found = {row[0].strip("`") for row in cells("recorded")}
    assert {"valid/mae", "train/f1", "test/corr", "valid/best_mae", "loss/margin"} <= found
    assert {"trial/epochs", "dlf.state", "dlf.link.NAME", "report.html", "best.yaml"} <= found
    tags = {c.value for c in documented("tracking.run_names") if c.name.endswith("_TAG")}
    assert tags <= found
    assert all(row[1] for row in cells("recorded"))


def test_every_name_of_a_run_says_what_it_means() -> None:
    text = (PROJECT / "tracking" / "run_names.py").read_text(encoding="utf-8")
    names = re.findall(r"^([A-Z_]+) = ", text, re.MULTILINE)
    assert names == [constant.name for constant in documented("tracking.run_names")]


@pytest.mark.parametrize("folder", CODE)
def test_names_of_tags_and_metrics_are_spelled_in_one_place(folder: str) -> None:
    packages = {f"dlf.{path.stem}" for path in (PROJECT / "dlf").iterdir()}
    spelled = {
        (str(file.relative_to(PROJECT)), text)
        for file in (PROJECT / folder).rglob("*.py")
        for text in strings_of(file)
        if METRIC.fullmatch(text)
        or (TAG.fullmatch(text) and ".".join(text.split(".")[:2]) not in packages)
    }
    assert {place for place in spelled if place[0] not in NAMING} == set()


def test_a_page_is_filled_where_it_is_marked_and_nowhere_else() -> None:
    source = ["# Title\n\n<!-- generated: configuration -->\n\nin `<!-- generated: x -->` words\n"]
    fill(None, "reference/any", source)
    assert "| `margin` |" in source[0]
    assert source[0].startswith("# Title\n\n## model\n")
    assert source[0].endswith("\nin `<!-- generated: x -->` words\n")


def test_each_mark_of_the_reference_names_a_table() -> None:
    pages = (PROJECT / "docs" / "reference").glob("*.md")
    marks = [m[1] for page in pages for m in MARK.finditer(page.read_text(encoding="utf-8"))]
    assert sorted(marks) == ["command_line", "configuration", "recorded"]


def test_cells_cannot_break_a_table_and_plain_text_stays_as_it_is() -> None:
    assert rows(["a", "b"], [["x | y", "two\nlines"]]) == (
        "| a | b |\n| --- | --- |\n| x \\| y | two lines |\n"
    )
    assert plain("$A_B* `c`") == r"\$A\_B\* \`c\`"
