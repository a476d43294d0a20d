"""The layer rule, and what files under `search/` must not be called."""

import ast
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FORBIDDEN = {
    "dlf": {"ray", "optuna", "mlflow", "tracking", "search"},
    "tracking": {"ray", "optuna", "search"},
    "search": set[str](),
}
OURS = set(FORBIDDEN) | {"tests"}

THE_MODEL = [
    "dlf.config",
    "dlf.presets",
    "dlf.model",
    "dlf.losses",
    "dlf.batching",
    "dlf.optimisation",
    "dlf.training",
    "dlf.trained_model",
]


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


def required_by(names: set[str]) -> set[str]:
    """Return the distributions that some depend on, and what those do, extras left out."""
    found: set[str] = set()
    while names:
        found |= names
        further = set()
        for name in names:
            try:
                requirements = requires(name) or []
            except PackageNotFoundError:
                continue
            further |= {
                re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
                for requirement in requirements
                if "extra ==" not in requirement
            }
        names = further - found
    return found


def test_the_model_needs_no_data_libraries() -> None:
    """Where only torch, numpy, pydantic and safetensors are installed it can be imported."""
    there = required_by({"torch", "numpy", "pydantic", "safetensors"})
    absent = [
        package
        for package, distributions in packages_distributions().items()
        if not there & {name.lower().replace("_", "-") for name in distributions}
        and package not in OURS
    ]
    assert {"yaml", "pyarrow", "ray", "optuna", "mlflow", "pandas", "sqlalchemy"} <= set(absent)
    code = (
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({absent}))\n"
        f"for module in {THE_MODEL}:\n"
        "    importlib.import_module(module)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_worker_needs_neither_optuna_nor_mlflow() -> None:
    code = (
        "import sys\n"
        "import search.trainable\n"
        "assert not {'optuna', 'mlflow'} & set(sys.modules), 'imported in a trial process'\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
