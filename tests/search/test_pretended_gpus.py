"""A share of a GPU from end to end, on a real cluster whose GPUs only Ray believes in."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.commands import ROOT
from tests.support.pretended_gpus import GPU_BYTES, NOTES, PEAK, TOGETHER
from tests.support.ray_cluster import running_cluster, tokens
from tests.support.searches import Search

pytestmark = pytest.mark.slow

SMALL, LARGE = 24 * 10**9, 80 * 10**9
AT_ONCE, TRIALS = 4, 5
SECONDS = 400


class Searched(NamedTuple):
    """A search that has ended, and what its trials have noted."""

    search: Search
    done: "subprocess.CompletedProcess[str]"
    notes: Path

    def noted(self, what: str) -> dict[str, str]:
        return {file.name: file.read_text() for file in sorted(self.notes.glob(f"{what} *"))}


@pytest.fixture(scope="module")
def searched(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Trials of which each says it takes a quarter; the large GPU's node has no CPU for any."""
    folder = tmp_path_factory.mktemp("pretended")
    notes = folder / "notes"
    notes.mkdir()
    environment = {NOTES: str(notes), TOGETHER: str(AT_ONCE)}
    words = ["--gpus-per-trial", "auto", "--trials", TRIALS, "--max-epochs", 1]
    with running_cluster() as cluster:
        cluster.add_node(cpus=0, gpus=1, **environment, **{GPU_BYTES: str(LARGE)})
        cluster.add_node(cpus=8, gpus=1, **environment, **{GPU_BYTES: str(SMALL)})
        kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.support.pretended_gpus", folder, tiny_data),
                *("--ray-address", cluster.address, *map(str, words)),
            ],
            cwd=ROOT,
            env={**kept, **tokens()},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    assert done.returncode == 0, done.stderr
    return Searched(Search(folder, tiny_data), done, notes)


def test_it_is_measured_where_the_gpu_is_smallest(searched: Searched) -> None:
    """Once for the largest configuration of the space, and once for the paper's."""
    assert list(searched.noted("measured")) == [f"measured {SMALL}"]
    taken = PEAK * SMALL / 1e9 + 0.8
    assert (
        f"0.25 GPU per trial: the largest configuration took {taken:.1f} GB of 24.0 GB, 4 fit with "
        "a margin of 20%\n"
    ) in searched.done.stdout


def test_four_trials_of_a_quarter_run_at_once_on_a_gpu_and_no_fifth(searched: Searched) -> None:
    assert searched.search.states == ["COMPLETE"] * TRIALS
    at_once = [int(text) for text in searched.noted("at-once").values()]
    assert len(at_once) == TRIALS
    assert max(at_once) == AT_ONCE
    assert len(searched.noted("together")) == AT_ONCE


def test_the_choice_is_recorded(searched: Searched) -> None:
    database = (searched.search.folder / "ml.db").read_bytes()
    assert b"dlf.gpu_share" in database
    assert b"0.25 GPU per trial: the largest configuration took" in database
