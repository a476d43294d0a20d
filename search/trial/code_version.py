"""Which code is running: its git revision, or the version of the installed package."""

import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("torch", "ray", "optuna", "mlflow", "transformers", "numpy")
"""those on which results can hang"""

PROJECT = Path(__file__).absolute().parents[2]


@cache
def code_revision() -> str:
    """Return the commit of this checkout, with a word where files differ; else the version."""
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "-uno")
    if not commit:
        return f"version {version('dlf-search')}"
    return f"{commit} (changed)" if changes else commit


def versions() -> dict[str, str]:
    """Return the versions of the packages that matter."""
    return {name: version(name) for name in PACKAGES}


@cache
def package_versions() -> str:
    """Return the versions of the packages that matter, in one line."""
    return ", ".join(f"{name} {number}" for name, number in versions().items())


def _git(*words: str) -> str | None:
    """Return what git says of this checkout; none where there is no git, or no checkout."""
    try:
        done = subprocess.run(
            ["git", "-C", str(PROJECT), *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
