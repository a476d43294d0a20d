"""Why a trial failed, by kind and in one line, from the error that Ray Tune has written of it."""

import re
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

from ray import cloudpickle
from ray.exceptions import RayActorError, RayTaskError
from ray.tune.experiment import Trial

from dlf.command import one_line

UNKNOWN = "the trial could not be run"
_OUT_OF_GPU_MEMORY = (
    "OutOfMemoryError: CUDA",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
"""what torch says when its allocator, CUDA itself or a library of CUDA's finds no more"""
_NODE_DIED = ("node has died", "node was terminated", "node is dead", "node died")


class FailureKind(Enum):
    """What failed: the trial by itself, or what it ran on."""

    RAISED = auto()
    GPU_MEMORY = auto()
    PROCESS = auto()
    """it died: killed, crashed or without memory"""
    NODE = auto()
    """it was lost with all that ran on it"""


class Failure(NamedTuple):
    """Why a trial failed."""

    kind: FailureKind
    reason: str


def failure_of(trial: Trial) -> Failure:
    """Say why a trial failed: what it raised, or that its process or its node died."""
    if trial.pickled_error_file is not None:
        error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
        if isinstance(error, RayTaskError):
            reason = _raised(error.cause)
            return Failure(_kind_of_raised(reason), reason)
        if isinstance(error, RayActorError) and error.actor_init_failed:
            reason = _end_of_traceback(str(error))
            return Failure(_kind_of_raised(reason), reason)
        return _death(str(error))
    if trial.error_file is not None:
        # Tune pickles no other error; Ray's own of a worker that it killed for memory is one.
        return _death(Path(trial.error_file).read_text(encoding="utf-8"))
    return Failure(FailureKind.RAISED, UNKNOWN)


def _kind_of_raised(reason: str) -> FailureKind:
    out_of_memory = any(words in reason for words in _OUT_OF_GPU_MEMORY)
    return FailureKind.GPU_MEMORY if out_of_memory else FailureKind.RAISED


def _raised(error: BaseException) -> str:
    name, words = type(error).__name__, one_line(error)
    return name if words == name else f"{name}: {words}"


def _end_of_traceback(text: str) -> str:
    """Return what was raised, which follows the last indented line."""
    end: list[str] = []
    for line in text.splitlines():
        end = [] if line.startswith(" ") else [*end, line.strip()]
    return " ".join(end) or UNKNOWN


def _death(text: str) -> Failure:
    if any(words in text for words in _NODE_DIED):
        return Failure(FailureKind.NODE, "its node died")
    return Failure(FailureKind.PROCESS, _death_of_process(text))


def _death_of_process(text: str) -> str:
    if "low on memory" in text:
        used = re.search(r"[\d.]+GB used / [\d.]+GB", text)
        return "the worker process was killed by Ray, since its machine ran low on memory" + (
            f" ({used[0]})" if used else ""
        )
    detail = re.search(r"Worker exit detail: (.*?)( Some common causes.*)?$", text, re.MULTILINE)
    if detail is not None:
        return (
            "the worker process died: it was killed, crashed, or had no memory left "
            f"(Ray says: {detail[1]})"
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"the worker process died: {lines[-1]}" if lines else UNKNOWN
