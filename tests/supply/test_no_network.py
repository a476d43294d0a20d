"""Nothing leaves the machine unasked: whole commands in a network where nobody else is."""

import os
import sys
from pathlib import Path

import pytest

from tests.deployment.namespaces import lacking
from tests.supply.alone import Alone, run_alone
from tests.support.commands import ROOT
from tests.support.promotions import FEWEST_TRAININGS
from tests.support.small_models import SMALL_VALUES

pytestmark = pytest.mark.slow

FIXED = [word for name, value in SMALL_VALUES.items() for word in ("--set", f"{name}={value}")]
STUDY = ("--study", "alone")

SPEAK = """
import socket
from contextlib import suppress

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as letter:
    letter.sendto(b"a letter", ("203.0.113.9", 4000))
with suppress(OSError):
    socket.create_connection(("203.0.113.9", 4001), timeout=0.1)
with suppress(OSError):
    socket.getaddrinfo("telemetry.example.org", 443)
"""


@pytest.fixture(autouse=True)
def namespaces() -> None:
    if (reason := lacking()) is not None:
        pytest.skip(f"a network of its own cannot be made here: {reason}")


def python(cwd: Path, *words: str | Path) -> Alone:
    """Run Python as a user does, who has told nothing of telemetry."""
    told = {"PATH": os.environ["PATH"], "HOME": str(cwd), "PYTHONPATH": str(ROOT)}
    return run_alone(sys.executable, *words, cwd=cwd, environment=told)


def test_what_is_sent_is_heard(tmp_path: Path) -> None:
    done = python(tmp_path, "-c", SPEAK)
    assert done.code == 0, done.err
    assert "UDP to 203.0.113.9:4000: a letter" in done.sent
    assert any(line.startswith("TCP to 203.0.113.9:4001: ") for line in done.sent)
    assert any(line.startswith("UDP to 198.51.100.53:53: ") for line in done.sent)
    assert any("telemetry example org" in line for line in done.sent)


def test_generating_data_asks_nobody(tmp_path: Path) -> None:
    made = python(tmp_path, "-m", "dlf.data", "synthesize")
    assert (made.code, made.sent) == (0, []), made.err
    assert (tmp_path / "data/synthetic").exists()


def test_a_search_and_its_promotion_ask_nobody(tmp_path: Path, tiny_data: Path) -> None:
    places = ("--data-dir", tiny_data)
    flags = ("--dataset", "synthetic", "--trials", "3", "--max-epochs", "2")
    searched = python(tmp_path, ROOT / "search/run.py", *flags, *STUDY, *places, *FIXED)
    assert (searched.code, searched.sent) == (0, []), searched.err
    promoted = python(tmp_path, ROOT / "search/promote.py", *STUDY, *places, *FEWEST_TRAININGS)
    assert (promoted.code, promoted.sent) == (0, []), promoted.err
    for name in ("mlflow.db", "runs/alone/journal.log", "runs/alone/promotions"):
        assert (tmp_path / name).exists()
