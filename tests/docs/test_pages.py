"""The pages build without a warning, ask nothing of the network, and have their equations drawn."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
LOADING = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)="(https?:)?//""")
CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("html")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html"]
    subprocess.run([*command, "docs", str(folder)], check=True, cwd=PROJECT, timeout=900)
    return folder


def test_no_page_loads_anything_from_the_network(built: Path) -> None:
    pages = list(built.rglob("*.html"))
    assert len(pages) > 15
    assert [page.name for page in pages if LOADING.search(page.read_text(encoding="utf-8"))] == []


def test_equations_are_drawings_in_the_page(built: Path) -> None:
    text = (built / "explanation" / "model.html").read_text(encoding="utf-8")
    source = (PROJECT / "docs" / "explanation" / "model.md").read_text(encoding="utf-8")
    assert text.count('<div class="math"><svg') == source.count("$$") // 2
    assert "mathjax" not in text.lower()


def test_generated_tables_are_in_the_pages(built: Path) -> None:
    found = {
        page.stem: page.read_text(encoding="utf-8") for page in (built / "reference").glob("*.html")
    }
    assert "--keep-models" in found["command-line"]
    assert 'id="python-search-run-py"' in found["command-line"]
    assert "lambda_r" in found["configuration"]
    assert "dlf.lacking" in found["metrics"]


def test_the_examples_in_python_run(tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    examples = CODE.findall(page)
    assert len(examples) == 2
    ran = subprocess.run(
        [sys.executable, "-c", "\n".join(examples)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    epochs = [line for line in ran.stdout.splitlines() if re.match(r"\d ", line)]
    assert [line.split()[0] for line in epochs] == ["1", "2"]
    assert (tmp_path / "model" / "card.json").is_file()
