"""The layer rule, and what files under `search/` must not be called."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

NOT_INSTALLED = {"benchmarks", "docs", "tests"}
FORBIDDEN = {
    "dlf": {"ray", "optuna", "mlflow", "tracking", "search"} | NOT_INSTALLED,
    "tracking": {"ray", "optuna", "search"} | NOT_INSTALLED,
    "search": NOT_INSTALLED,
}
OURS = set(FORBIDDEN) | NOT_INSTALLED

IN_ORDER = {
    "search": (
        "arguments",
        "storage",
        "spaces",
        "trial",
        "cluster",
        "resources",
        "engine",
        "study",
        "planning",
        "recording",
        "seeded",
        "promotion",
        "ablation",
    ),
    "tracking": (
        "passwords",
        "run_names",
        "records",
        "recorder",
        "predictions",
        "store",
        "figures",
        "report",
        "promotion_report",
        "study_files",
        "journal",
        "terminal",
        "remote",
        "arguments",
        "sending",
        "registry",
    ),
}
"""the parts of a package, each of which imports only from those before it"""

COMMANDS = {
    "search": {"run", "promote", "ablate", "status", "audit", "report"},
    "tracking": {"sync", "health"},
}
"""which import from all of them, and which nothing imports"""

PARTS = [(package, part) for package, parts in IN_ORDER.items() for part in parts]

THE_MODEL = [
    "dlf.config",
    "dlf.presets",
    "dlf.model.dlf",
    "dlf.losses",
    "dlf.training.batching",
    "dlf.training.optimisation",
    "dlf.training.training",
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


def imported_parts(file: Path, package: str) -> set[str]:
    """Return the packages and modules right under a package that a file imports from."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith(f"{package}.")}


def parts_of(package: str) -> set[str]:
    """Return the packages and modules right under a package."""
    folder = ROOT / package
    modules = {file.stem for file in folder.glob("*.py")} - {"__init__"}
    return modules | {file.parent.name for file in folder.glob("*/__init__.py")}


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


@pytest.mark.parametrize("package", IN_ORDER)
def test_the_parts_of_a_package_are_all_in_the_order(package: str) -> None:
    assert parts_of(package) == {*IN_ORDER[package], *COMMANDS[package]}
    said = " ".join((ROOT / package / "__init__.py").read_text(encoding="utf-8").split())
    assert f"in this order: {', '.join(IN_ORDER[package])}." in said


@pytest.mark.parametrize(("package", "part"), PARTS)
def test_a_part_imports_only_from_those_before_it(package: str, part: str) -> None:
    folder, in_order = ROOT / package / part, IN_ORDER[package]
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    allowed = {*in_order[: in_order.index(part) + 1]}
    crossing = {
        str(file.relative_to(ROOT)): crossed
        for file in files
        if (crossed := imported_parts(file, package) - allowed)
    }
    assert not crossing


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    order = TopologicalSorter[str]()
    for file in (ROOT / package).rglob("*.py"):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package):
                within = [f"{node.module}.{alias.name}" for alias in node.names]
                modules = {to for to in within if (ROOT / f"{to.replace('.', '/')}.py").exists()}
                order.add(name, *(modules or {node.module or ""}))
    order.prepare()


def test_every_way_to_import_a_part_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "importing.py"
    lines = (
        "import search.storage",
        "from search import spaces",
        "from search.trial.plan import X",
    )
    file.write_text("\n".join(lines))
    assert imported_parts(file, "search") == {"storage", "spaces", "trial"}


def test_a_crossing_import_would_be_seen(tmp_path: Path) -> None:
    file = tmp_path / "crossing.py"
    file.write_text("def late():\n    from ray.tune import Tuner\n")
    assert imported_packages(file) == {"ray"}


def test_search_files_shadow_no_module() -> None:
    installed = set(packages_distributions()) - OURS
    assert not parts_of("search") & (installed | set(sys.stdlib_module_names))


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
        "import search.engine.trainable\n"
        "assert not {'optuna', 'mlflow'} & set(sys.modules), 'imported in a trial process'\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
