"""What the probe of a GPU's memory does and finds, in a real process of Ray's without a GPU."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlf.command import WorkFailedError
from dlf.data import open_split, read_manifest
from dlf.text.source import TextSource
from search.resources.memory_probe import Measured, measure
from search.trial.data import TrialData
from tests.support.small_models import SMALL

WIDER = SMALL.with_values({"width": 16})
TOTAL = 1000


class CountingMeter:
    """Finds each piece of work to take more than the last one, after it was done."""

    device = "cpu"

    def __init__(self, too_many: int | None = None) -> None:
        self._done = 0
        self._too_many = too_many

    def total(self) -> int:
        return TOTAL

    def peak_of(self, work: Callable[[], None]) -> int | None:
        work()
        self._done += 1
        return None if self._done == self._too_many else self._done


class BrokenMeter(CountingMeter):
    """Has no GPU after all."""

    def total(self) -> int:
        raise RuntimeError("Found no NVIDIA driver\non your system")


@pytest.fixture
def data(tiny_data: Path, ray_here: None, monkeypatch: pytest.MonkeyPatch) -> TrialData:
    """The tiny dataset, on a machine that is taken for one with a GPU."""

    def on_this_machine(_node: str, task: Any, _gpus: float) -> Any:
        return task.options(num_cpus=0)

    monkeypatch.setattr("search.resources.memory_probe._nodes_with_gpus", lambda: ["here"])
    monkeypatch.setattr("search.resources.memory_probe._on", on_this_machine)
    return TrialData(
        dataset="synthetic",
        dataset_digest=read_manifest("synthetic", tiny_data).digest,
        data_dir=tiny_data,
        text=TextSource(way="precomputed"),
    )


@pytest.mark.slow
def test_the_most_of_all_configurations_counts(data: TrialData) -> None:
    found = measure(data, [SMALL, WIDER, SMALL], replicates=1, meter=CountingMeter())
    splits = [open_split("synthetic", data.data_dir, name) for name in ("train", "valid")]
    features = sum(split[m].values.nbytes for split in splits for m in SMALL.model.used_modalities)
    assert found == Measured(TOTAL, 3, features)


@pytest.mark.slow
def test_replicates_have_their_features_each(data: TrialData) -> None:
    one, two = (measure(data, [SMALL], replicates=count, meter=CountingMeter()) for count in (1, 2))
    assert two.data == 2 * one.data > 0


@pytest.mark.slow
def test_one_that_does_not_fit_is_told(data: TrialData) -> None:
    found = measure(data, [SMALL, WIDER], replicates=1, meter=CountingMeter(too_many=1))
    assert found.peak is None


@pytest.mark.slow
def test_what_cannot_be_measured_ends_with_a_sentence(data: TrialData) -> None:
    with pytest.raises(
        WorkFailedError,
        match=r"could not be measured \(RuntimeError: Found no NVIDIA driver on your system\); "
        "give --gpus-per-trial a number",
    ):
        measure(data, [SMALL], replicates=1, meter=BrokenMeter())
