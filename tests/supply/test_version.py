"""The version stands in pyproject.toml, and the change log has a section for it."""

import re
import subprocess
import tomllib
from importlib.metadata import version

import pytest

from tests.support.commands import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_newest_section_of_the_change_log_is_of_this_version() -> None:
    log = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d[^\]]*)\]", log, re.MULTILINE)
    assert newest is not None
    assert newest[1] == PROJECT["version"]


def test_what_is_installed_is_of_this_version() -> None:
    assert version("dlf-search") == PROJECT["version"]


def test_no_code_spells_the_version() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py", "*.toml", "*.cfg", "Dockerfile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip("this is no checkout of git")
    spelled = re.compile(rf"(?<![\w.=-]){re.escape(PROJECT['version'])}(?![\w.])")
    assert [
        name
        for name in listed.stdout.split()
        if (ROOT / name).exists() and spelled.search((ROOT / name).read_text(encoding="utf-8"))
    ] == ["pyproject.toml"]
