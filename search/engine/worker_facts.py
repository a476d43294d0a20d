"""What the training of a trial takes of its machine, measured by the worker that trains it."""

import platform
import re
import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

from dlf.training.replicates import Replicates
from search.resources.allotment import Resources
from tracking.records import TrialFacts

MEGABYTE = 1_000_000
_CLEAR_PEAK, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


class TrialMeter:
    """Measures one trial, from its making on.

    On a GPU the memory is what torch holds there; else it is that of the process. Where the peak of
    a process cannot be set back, the memory is that of all trials of the worker up to now.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        if resources.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        else:
            with suppress(OSError):
                _CLEAR_PEAK.write_text("5", encoding="ascii")

    def facts_of(self, training: Replicates, clips: int) -> TrialFacts:
        """Return the facts of a training that has trained an epoch, on so many training clips."""
        epochs = len(training.history)
        seconds = sum(record.seconds for record in training.history)
        trained = clips * sum(len(each.history) for each in training.trainings)
        model = training.trainings[0].model
        return TrialFacts(
            host=platform.node(),
            device=self._device(),
            device_share=self._resources.share,
            parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
            epochs=epochs,
            seconds_per_epoch=seconds / epochs,
            samples_per_second=trained / seconds,
            peak_memory_mb=self._peak() / MEGABYTE,
        )

    def _device(self) -> str:
        if self._resources.device == "cuda":
            return torch.cuda.get_device_name()
        return "cpu"

    def _peak(self) -> int:
        if self._resources.device == "cuda":
            return torch.cuda.max_memory_allocated()
        if _STATUS.exists():
            found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text(encoding="ascii"))
            if found is not None:
                return int(found[1]) * 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
