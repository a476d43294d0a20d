"""What is installed: the wheel has all files of the packages, and works outside the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.commands import ROOT

PACKAGES = ("dlf", "tracking", "search")
SOURCES = (*PACKAGES, "pyproject.toml", "README.md", "LICENSE")

ENTRIES = (
    "dlf.data.__main__",
    "dlf.predict",
    "dlf.reference.__main__",
    "dlf.train",
    "search.ablate",
    "search.audit",
    "search.promote",
    "search.report",
    "search.run",
    "search.status",
    "tracking.health",
    "tracking.sync",
)
"""the modules of all commands"""

USE = f"""
import importlib

for name in {ENTRIES}:
    module = importlib.import_module(name)
    assert module.__file__.startswith(SITE), module.__file__

from search.spaces.space import Space
from tracking.promotion_report import page as promotion_page
from tracking.report import page as study_page

assert Space.of_text("finetune", "wide").parameters
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy, since a build leaves its own files in the folder that it builds."""
    copy = tmp_path_factory.mktemp("project")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    build = "from setuptools.build_meta import build_wheel; build_wheel('dist')"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=copy, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    (built,) = (copy / "dist").glob("dlf_search-*.whl")
    return built


def test_the_wheel_has_every_file_of_the_packages_and_no_other(wheel: Path) -> None:
    with ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    assert names == {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert {"search/spaces/default.yaml", "tracking/report/templates/page.html"} <= names


def test_every_command_is_among_the_entries() -> None:
    commands = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "    run_command(" in path.read_text(encoding="utf-8")
    }
    assert commands - {"dlf.command"} == set(ENTRIES)


@pytest.mark.slow
def test_every_command_is_imported_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with ZipFile(wheel) as file:
        file.extractall(site)
    done = subprocess.run(
        [sys.executable, "-c", f"SITE = {str(site)!r}\n{USE}"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
