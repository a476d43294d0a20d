"""A search whose GPUs only Ray believes in: python -m tests.support.pretended_gpus FOLDER DATA ...

Trials train on the CPU and note how many of them run at once; a meter makes up what they take.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import ray

import search.run
from search.engine.run_trials import run_trials
from search.engine.trainable import DLFTrainable, Workplace
from search.trial.data import OpenedData
from tests.support.commands import ROOT
from tests.support.searches import Search, run_here, wait_until

GPU_BYTES, NOTES, TOGETHER = "PRETENDED_GPU_BYTES", "PRETENDED_NOTES", "PRETENDED_TOGETHER"
"""variables of a node: what its GPUs have, where trials note, how many wait for each other"""
PEAK = 0.18
"""of a pretended GPU that any training takes"""


class PretendedMeter:
    """Says that the work took a share of the GPU of its node."""

    device = "cpu"

    def total(self) -> int:
        return int(os.environ[GPU_BYTES])

    def peak_of(self, work: Callable[[], None]) -> int | None:
        work()
        note(f"measured {self.total()}", "")
        return round(PEAK * self.total())


class PretendedTrainable(DLFTrainable):
    """Trains on the CPU, and begins to once as many as are meant to are there."""

    def setup(
        self, config: dict[str, Any], workplace: Workplace, carried: OpenedData | None = None
    ) -> None:
        on_cpu = workplace.resources.model_copy(update={"gpus_per_trial": 0.0})
        super().setup(config, workplace.model_copy(update={"resources": on_cpu}), carried)

    def step(self) -> dict[str, Any]:
        number = self._plan.number
        (gpu,) = ray.get_runtime_context().get_accelerator_ids()["GPU"]
        running = note(f"running {number}", gpu)
        if number < int(os.environ[TOGETHER]):
            # Whoever has seen all of them may have ended since.
            wait_until(lambda: together() or bool(noted("together")))
            note(f"together {number}", "")
        note(f"at-once {number}", str(len(noted("running"))))
        result = super().step()
        if result["done"]:
            running.unlink()
        return result


def note(name: str, text: str) -> Path:
    path = Path(os.environ[NOTES]) / name
    path.write_text(text, encoding="utf-8")
    return path


def noted(what: str) -> list[Path]:
    return list(Path(os.environ[NOTES]).glob(f"{what} *"))


def together() -> bool:
    return len(noted("running")) >= int(os.environ[TOGETHER])


def main() -> int:
    folder, data, *words = sys.argv[1:]
    searched = Search(Path(folder), Path(data), at_once=100)
    trained = partial(run_trials, trainable=PretendedTrainable)
    with (
        patch("search.resources.gpu_share.CudaMeter", PretendedMeter),
        patch("search.run.run_trials", trained),
    ):
        done = run_here(search.run.main, str(ROOT / "search/run.py"), *searched.words(*words))
    sys.stdout.write(done.out)
    sys.stderr.write(done.err)
    return int(done.code)


if __name__ == "__main__":
    sys.exit(main())
