"""Known vulnerabilities of the packages in constraints.txt, as pip-audit and PyPI know them.

python -m tests.supply.audit

Exits with 1 when there are any. PyPI tells of them by an interface of its own, which many mirrors
do not have: where it is out of reach nothing is audited, which is said, and is no failure.
"""

import json
import subprocess
import sys
from typing import NamedTuple

import requests

from dlf.command import EXIT_DONE, EXIT_FAILED
from tests.support.commands import ROOT

PINS = ROOT / "constraints.txt"
PYPI = "https://pypi.org/pypi/pip/25.0/json"
"""of a version as such, which is what pip-audit asks for"""
CONTACT_SECONDS = 15


class Finding(NamedTuple):
    """A vulnerability of a package that is pinned."""

    package: str
    version: str
    identity: str
    fixed_in: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}: {self.identity}, fixed in {self.fixed_in}"


def unreachable(address: str = PYPI) -> str | None:
    """Return why PyPI does not tell of vulnerabilities here; none where it does."""
    try:
        answer = requests.get(address, timeout=CONTACT_SECONDS)
    except requests.RequestException as error:
        return type(error).__name__
    return None if answer.ok else f"it answers {answer.status_code}"


def findings(told: str) -> tuple[list[Finding], list[str]]:
    """Return what an audit in JSON found, and the packages that it could not look at."""
    found, skipped = [], []
    for package in json.loads(told)["dependencies"]:
        if "skip_reason" in package:
            skipped.append(package["name"])
            continue
        for each in package["vulns"]:
            fixed = " or ".join(each["fix_versions"]) or "no version yet"
            found.append(Finding(package["name"], package["version"], each["id"], fixed))
    return found, skipped


def main() -> int:
    """Audit, and print what was found."""
    reason = unreachable()
    if reason is not None:
        print(f"nothing was audited: PyPI's interface for vulnerabilities is away ({reason})")
        return EXIT_DONE
    words = ["--requirement", PINS, "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", *words, "--format", "json"],
        capture_output=True,
        text=True,
    )
    if not done.stdout:
        print(f"nothing was audited: {done.stderr.strip()}", file=sys.stderr)
        return EXIT_FAILED
    found, skipped = findings(done.stdout)
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(found)} known vulnerabilities in {PINS.name}")
    if skipped:
        print(f"not known to PyPI, and not audited: {', '.join(skipped)}")
    return EXIT_FAILED if found else EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
