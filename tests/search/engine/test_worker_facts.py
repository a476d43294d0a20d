"""What a trial took: counted over its epochs and seeds, the memory of its device."""

import platform
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dlf.training.replicates import Replicates
from search.engine.worker_facts import MEGABYTE, TrialMeter
from search.resources.allotment import Resources
from tests.support.train_command import training_on

ON_CPU = Resources(cpus_per_trial=1, gpus_per_trial=0, max_concurrent=1)
ON_GPU = Resources(cpus_per_trial=1, gpus_per_trial=0.25, max_concurrent=1)


@pytest.fixture
def trained(tiny_data: Path, one_thread: None) -> Replicates:
    """Two seeds, of which one has trained an epoch more than the other."""
    trainings = [training_on(tiny_data, seed) for seed in (0, 1)]
    replicates = Replicates(trainings)
    replicates.history = trainings[0].history
    trainings[1].history.pop()
    return replicates


def test_epochs_and_clips_of_all_seeds_are_counted(trained: Replicates) -> None:
    facts = TrialMeter(ON_CPU).facts_of(trained, clips=32)
    epochs = len(trained.trainings[0].history)
    seconds = sum(record.seconds for record in trained.history)
    assert (facts.host, facts.device, facts.device_share) == (platform.node(), "cpu", "1 CPU")
    assert facts.epochs == epochs
    assert facts.seconds_per_epoch == pytest.approx(seconds / epochs)
    assert facts.samples_per_second == pytest.approx(32 * (2 * epochs - 1) / seconds)
    assert facts.parameters == sum(p.numel() for p in trained.trainings[0].model.parameters())


@pytest.mark.parametrize(
    ("status", "system", "megabytes"),
    [
        ("Name:\tpython\nVmHWM:\t  2000 kB\n", "linux", 2.048),
        ("Name:\tpython\n", "linux", 3.072),
        (None, "linux", 3.072),
        (None, "darwin", 0.003),
    ],
)
def test_the_peak_of_a_process(
    trained: Replicates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: str | None,
    system: str,
    megabytes: float,
) -> None:
    file = tmp_path / "status"
    if status is not None:
        file.write_text(status, encoding="ascii")
    monkeypatch.setattr("search.engine.worker_facts._STATUS", file)
    monkeypatch.setattr("search.engine.worker_facts._CLEAR_PEAK", tmp_path / "none" / "clear")
    monkeypatch.setattr("sys.platform", system)

    class Usage:
        ru_maxrss = 3000

    monkeypatch.setattr("resource.getrusage", lambda _: Usage)
    facts = TrialMeter(ON_CPU).facts_of(trained, clips=32)
    assert facts.peak_memory_mb == pytest.approx(megabytes)


def test_on_a_gpu_it_is_what_torch_holds_there(
    trained: Replicates, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    gpu: dict[str, Callable[[], object]] = {
        "reset_peak_memory_stats": lambda: calls.append("reset"),
        "get_device_name": lambda: "a GPU",
        "max_memory_allocated": lambda: 7 * MEGABYTE,
    }
    for name, value in gpu.items():
        monkeypatch.setattr(torch.cuda, name, value)
    facts = TrialMeter(ON_GPU).facts_of(trained, clips=32)
    assert calls == ["reset"]
    assert (facts.device, facts.device_share) == ("a GPU", "0.25 GPU, 1 CPU")
    assert facts.peak_memory_mb == 7
