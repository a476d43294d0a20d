import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from search.trial.code_version import code_revision, package_versions


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("search.trial.code_version.PROJECT", tmp_path)
    code_revision.cache_clear()
    return tmp_path


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=e@x")
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_checkout_is_named_by_its_commit_and_whether_it_is_changed(project: Path) -> None:
    git(project, "init", "-q")
    (project / "file").write_text("a")
    git(project, "add", "file")
    git(project, "commit", "-q", "-m", "first")
    commit = git(project, "rev-parse", "HEAD")
    assert code_revision() == commit
    (project / "file").write_text("b")
    code_revision.cache_clear()
    assert code_revision() == f"{commit} (changed)"
    code_revision.cache_clear()


def test_code_outside_of_a_checkout_is_named_by_its_version(project: Path) -> None:
    assert code_revision() == f"version {version('dlf-search')}"
    code_revision.cache_clear()


def test_the_versions_that_matter_are_in_one_line() -> None:
    assert package_versions().startswith("torch 2")
    assert "mlflow 3" in package_versions()
