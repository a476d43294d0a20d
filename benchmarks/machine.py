"""The machine that a benchmark ran on, as its record names it."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import torch

from benchmarks.measurement import Record
from search.trial.code_version import versions


class Machine(Record):
    """Hardware and software that a figure hangs on."""

    cpu: str
    cores: int
    memory_gb: float
    """10^9 bytes"""
    gpu: str | None
    python: str
    packages: Mapping[str, str]
    """versions, by name"""

    @classmethod
    def here(cls) -> Self:
        """Return this machine."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return cls(
            cpu=cpu_model(Path("/proc/cpuinfo")),
            cores=os.cpu_count() or 1,
            memory_gb=round(memory / 1e9, 1),
            gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            python=platform.python_version(),
            packages=versions(),
        )

    def __str__(self) -> str:
        gpu = self.gpu or "no GPU"
        return f"{self.cpu}, {self.cores} cores, {self.memory_gb:.0f} GB, {gpu}"

    @property
    def software(self) -> str:
        """Python and the packages, with their versions."""
        packages = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        return f"Python {self.python}, {packages}"


def cpu_model(cpuinfo: Path) -> str:
    """Return the model of the processor: as Linux lists it, or else as Python knows it."""
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
