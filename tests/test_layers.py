"""The layer rule, and what files under `search/` must not be called."""

import ast
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FORBIDDEN = {
    "dlf": {"ray", "optuna", "mlflow", "tracking", "search"},
    "tracking": {"ray", "optuna", "search"},
    "search": set[str](),
}
OURS = set(FORBIDDEN) | {"tests"}


def imported_packages(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_point_one_way(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    crossing = {
        str(file.relative_to(ROOT)): crossed
        for file in files
        if (crossed := imported_packages(file) & FORBIDDEN[package])
    }
    assert not crossing


def test_a_crossing_import_would_be_seen(tmp_path: Path) -> None:
    file = tmp_path / "crossing.py"
    file.write_text("def late():\n    from ray.tune import Tuner\n")
    assert imported_packages(file) == {"ray"}


def test_search_files_shadow_no_module() -> None:
    installed = set(packages_distributions()) - OURS
    taken = {file.stem for file in (ROOT / "search").glob("*.py")} & (
        installed | set(sys.stdlib_module_names)
    )
    assert not taken


@pytest.mark.parametrize("module", ["dlf.model", "dlf.losses", "dlf.training"])
def test_the_model_needs_no_data_libraries(module: str) -> None:
    code = (
        "import sys\n"
        "for name in ('pyarrow', 'transformers', 'ray', 'optuna', 'mlflow', 'pandas'):\n"
        "    sys.modules[name] = None\n"
        f"import {module}\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_worker_needs_neither_optuna_nor_mlflow() -> None:
    code = (
        "import sys\n"
        "import search.trainable\n"
        "assert not {'optuna', 'mlflow'} & set(sys.modules), 'imported in a trial process'\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
