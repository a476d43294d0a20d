"""The licences of all that a user installs, written to docs/reference/licences.md by pip-licenses.

python -m tests.supply.licences
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import NamedTuple

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.commands import ROOT

PAGE = ROOT / "docs" / "reference" / "licences.md"
PROJECT = "dlf-search"
RUNTIME_EXTRAS = ("cluster", "postgres", "text-offline")
"""the extras of users; the others are for those who work on the project"""

# What PyPI's torch brings along for GPUs and that of its CPU index leaves out.
GPU_LIBRARIES = ("nvidia-", "cuda-", "triton")

GRANT_OF_MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy"
UNSTATED = "UNKNOWN"
"""pip-licenses' word for what a package does not state"""

HEAD = """\
# Licences

dlf-search is under the [MIT licence](../../LICENSE). This is what it stands on: all that
`pip install '.[cluster,text-offline]'` brings, with the licence that each package states of
itself. `make licences` writes this page anew, and a test fails when a package is not in it, or is
under the GPL or AGPL. psycopg, of the extra `postgres`, is under the LGPL, which asks nothing of a
program that imports it as it is.

Not in it are the CUDA libraries that the torch of PyPI brings on Linux, which are under NVIDIA's
own terms (the torch of https://download.pytorch.org/whl/cpu does without them), nor what only those
install who work on the project (the extras `test`, `docs` and `dev`).

| package | licence | from |
| --- | --- | --- |
"""


class Licence(NamedTuple):
    """What a package says of itself."""

    package: str
    licence: str
    address: str

    @property
    def row(self) -> str:
        """The package as a row of the table."""
        return f"| {self.package} | {self.licence} | {self.address} |"


def runtime_packages() -> list[str]:
    """Return the names of all distributions that the project needs, with its users' extras."""
    found: set[str] = set()
    ahead = {(canonicalize_name(PROJECT), extra) for extra in ("", *RUNTIME_EXTRAS)}
    seen: set[tuple[str, str]] = set()
    while ahead:
        name, extra = ahead.pop()
        seen.add((name, extra))
        there = _installed(name)
        if there is None:
            continue
        found.add(name)
        for needed in _needed(there, extra):
            needs = {(canonicalize_name(needed.name), more) for more in ("", *needed.extras)}
            ahead |= needs - seen
    return sorted(name for name in found - {PROJECT} if not name.startswith(GPU_LIBRARIES))


def licences(packages: Iterable[str]) -> list[Licence]:
    """Return what these installed packages say of themselves, by name."""
    words = ["--format", "json", "--with-urls", "--with-license-file", "--no-license-path"]
    # By default it leaves out what it needs itself.
    words += ["--with-system", "--packages", *packages]
    done = subprocess.run(
        [sys.executable, "-m", "piplicenses", *words], capture_output=True, text=True, check=True
    )
    return sorted(_licence(told) for told in json.loads(done.stdout))


def page_of(told: Iterable[Licence]) -> str:
    """Return the page."""
    return HEAD + "".join(f"{each.row}\n" for each in told)


def _installed(name: str) -> Distribution | None:
    """Return a distribution, unless only another system or another Python needs it."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _needed(of: Distribution, extra: str) -> list[Requirement]:
    environment = {**default_environment(), "extra": extra}
    needed = [Requirement(line) for line in of.requires or []]
    return [each for each in needed if each.marker is None or each.marker.evaluate(environment)]


def _licence(told: dict[str, str]) -> Licence:
    stated = " ".join(told["License"].split())
    if stated == UNSTATED and GRANT_OF_MIT in " ".join(told["LicenseText"].split()):
        stated = "MIT, by its licence file"
    address = "" if told["URL"] == UNSTATED else told["URL"]
    return Licence(canonicalize_name(told["Name"]), stated, address)


if __name__ == "__main__":
    PAGE.write_text(page_of(licences(runtime_packages())), encoding="utf-8")
    print(PAGE)
