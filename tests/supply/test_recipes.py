"""The recipes of CONTRIBUTING.md do what they say: each is tried in a copy of the code."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dlf.data.synthetic import write_feature_file
from tests.support.commands import ROOT

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^### (.+?)\n.*?^```diff\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE))
COPIED = ("dlf", "tracking", "search", "tests/search/study", "tests/conftest.py", "tests/support")
TESTS = ("tests/search/study/test_samplers.py", "tests/search/study/test_schedulers.py")


def apply(recipe: str, root: Path) -> None:
    """Put a diff into the files below a folder; each of its hunks fits at one place alone."""
    for change in re.split(r"^--- ", recipe, flags=re.MULTILINE)[1:]:
        name, _, body = change.partition("\n")
        file = root / name
        for hunk in body.split("@@\n"):
            lines = hunk.splitlines(keepends=True)
            before = "".join(line[1:] for line in lines if line[0] in " -")
            after = "".join(line[1:] for line in lines if line[0] in " +")
            text = f"\n{file.read_text(encoding='utf-8')}"
            assert text.count(f"\n{before}") == 1, f"{name} has not once:\n{before}"
            changed = text.replace(f"\n{before}", f"\n{after}")
            file.write_text(changed.removeprefix("\n"), encoding="utf-8")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The code, in a folder of its own."""
    folder = tmp_path / "copy"
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder


def python(copy: Path, *words: str, cwd: Path) -> str:
    """Run Python with the copy's code, and return what it printed."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(copy)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_are_the_four_recipes() -> None:
    assert list(RECIPES) == ["A sampler", "A scheduler", "A dataset", "A loss term"]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_fits_the_code_and_lines_stay_short(name: str, copy: Path) -> None:
    apply(RECIPES[name], copy)
    assert max(len(line) - 1 for line in RECIPES[name].splitlines()) <= 100


def test_a_hunk_that_fits_nowhere_is_told(copy: Path) -> None:
    with pytest.raises(AssertionError, match="has not once"):
        apply(RECIPES["A sampler"].replace('"gp"', '"pg"'), copy)


@pytest.mark.slow
def test_a_search_uses_what_the_recipes_add(copy: Path, tmp_path: Path) -> None:
    for recipe in RECIPES.values():
        apply(recipe, copy)
    python(copy, "-m", "pytest", "-q", "--import-mode=importlib", *TESTS, cwd=copy)

    write_feature_file(tmp_path / "features.pkl", 0)
    source = ("--dataset", "podcasts", "--source", "features.pkl")
    python(copy, "-m", "dlf.data", "import", *source, cwd=tmp_path)
    space = tmp_path / "space.yaml"
    (line,) = re.findall(r"^    (lambda_a: .*)$", GUIDE, re.MULTILINE)
    space.write_text(f"{line}\n", encoding="utf-8")
    words = ["--dataset", "podcasts", "--study", "new", "--space", str(space)]
    words += ["--sampler", "genetic", "--scheduler", "quartile", "--grace-epochs", "1"]
    words += ["--trials", "3", "--max-epochs", "2"]
    dry = python(copy, str(copy / "search/run.py"), *words, "--dry-run", cwd=tmp_path)
    assert "when not in the best quarter of complete ones" in dry
    said = python(copy, str(copy / "search/run.py"), *words, "--json", cwd=tmp_path)
    told = json.loads(said.splitlines()[-1])
    assert told["trials"]["failed"] == 0
    kept = (tmp_path / "runs/new/tracking.jsonl").read_text(encoding="utf-8")
    agreement = {float(value) for value in re.findall(r'"loss/agreement": ?([\d.e-]+)', kept)}
    assert 0.0 in agreement, "the paper's configuration is without it"
    assert max(agreement) > 0
