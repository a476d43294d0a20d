"""The page of licences has all that a user installs, and nothing that MIT cannot stand on."""

import re
import tomllib

import pytest

from tests.support.commands import ROOT

pytest.importorskip("piplicenses", reason="pip-licenses, of the extra dev, is not installed")

from tests.supply.licences import PAGE, RUNTIME_EXTRAS, Licence, licences, runtime_packages

# Of the LGPL a program may import a library as it is.
COPYLEFT = re.compile(r"(?<!L)(?<!Lesser )\b(A?GPL|(Affero )?General Public License)")


@pytest.fixture(scope="module")
def told() -> list[Licence]:
    return licences(runtime_packages())


def test_every_package_is_on_the_page_with_its_licence(told: list[Licence]) -> None:
    assert len(told) > 100
    page = PAGE.read_text(encoding="utf-8")
    assert [each.package for each in told if f"\n| {each.package} | " not in page] == []
    assert "UNKNOWN" not in page


def test_no_package_asks_for_more_than_a_notice(told: list[Licence]) -> None:
    assert [each for each in told if COPYLEFT.search(each.licence)] == []
    assert {each.package for each in told if "LGPL" in each.licence} <= {
        "psycopg",
        "psycopg-binary",
    }
    assert [each.package for each in told if not each.licence or each.licence == "UNKNOWN"] == []


@pytest.mark.parametrize(
    ("licence", "is_copyleft"),
    [
        ("GPL-3.0-or-later", True),
        ("AGPL-3.0", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("GNU Affero General Public License v3", True),
        ("LGPL-3.0-only", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("MIT", False),
    ],
)
def test_copyleft_is_told_from_the_rest(licence: str, is_copyleft: bool) -> None:
    assert bool(COPYLEFT.search(licence)) is is_copyleft


def test_what_the_project_asks_for_itself_is_among_them() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"]]
    for extra in RUNTIME_EXTRAS:
        lines += project["optional-dependencies"][extra]
    names = {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in lines}
    assert names - {"dlf-search"} <= set(runtime_packages())


def test_every_extra_is_a_users_or_a_developers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(project["optional-dependencies"]) == {*RUNTIME_EXTRAS, "test", "docs", "dev"}
