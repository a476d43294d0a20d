"""Ends a worker that does not come to the end of a step in time, and keeps where it hung.

The stack is written to a file of the worker's own machine, since nothing but a file can be written
by a process that hangs; the driver then asks all nodes for it.
"""

import faulthandler
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import TextIO

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from search.cluster.nodes import training_nodes
from search.trial.checkpoints import Checkpoints

PATIENCE_SECONDS = 30.0
"""within which a node must have answered what a worker has left on it"""


@contextmanager
def watched(seconds: float | None, stack_file: Path) -> Iterator[None]:
    """Watch over what is done inside.

    After `seconds` the stacks of all threads are written to `stack_file` and the process ends at
    once, even where it holds Python's global lock. Without `seconds` nothing is watched.
    """
    if seconds is None:
        yield
        return
    with _writing(stack_file) as file:
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


@contextmanager
def _writing(stack_file: Path) -> Iterator[TextIO]:
    """Make the file for as long, or give standard error where it cannot be made."""
    try:
        # Never one that is there: the folder is open to all users of the machine.
        file = stack_file.open("x", encoding="utf-8")
    except OSError:
        yield sys.stderr
        return
    with file:
        try:
            yield file
        finally:
            stack_file.unlink(missing_ok=True)


def stack_file(checkpoints: Checkpoints, number: int) -> Path:
    """Return the file into which this process writes where it hangs with a trial.

    Tune sometimes begins a trial in a fresh worker that it gives up for one that came free.
    """
    return Path(gettempdir()) / f"{_stack_name(checkpoints, number)}-{os.getpid()}.txt"


def take_stack(checkpoints: Checkpoints, number: int) -> str:
    """Return what was written where a trial hung, on whichever node; nothing of one that did not.

    It is removed there.
    """
    looks = [
        _take_stack.options(
            num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
        ).remote(_stack_name(checkpoints, number))
        for node in training_nodes()
    ]
    if not looks:
        return ""
    answered, _ = ray.wait(looks, num_returns=len(looks), timeout=PATIENCE_SECONDS)
    return next((stack for look in answered if (stack := _answer_of(look))), "")


@ray.remote
def _take_stack(name: str) -> str:
    found = ""
    for file in sorted(Path(gettempdir()).glob(f"{name}-*.txt")):
        found = found or file.read_text(encoding="utf-8")
        file.unlink()
    return found


def _answer_of(look: "ray.ObjectRef[str]") -> str:
    try:
        stack: str = ray.get(look)
    except RayError:
        # The node has died since, or another user has the file.
        return ""
    return stack


def _stack_name(checkpoints: Checkpoints, number: int) -> str:
    place = sha256(checkpoints.model_dump_json().encode()).hexdigest()[:16]
    return f"dlf-hung-{place}-trial-{number}"


def hanging_place(stack: str) -> str:
    """Return the innermost line of ours on a stack that was kept, or the innermost of all.

    Args:
        stack: what `faulthandler` wrote, of which the thread that was watched comes last.
    """
    _, _, watched_thread = stack.rpartition("most recent call first")
    frames = [
        line.strip() for line in watched_thread.splitlines() if line.strip().startswith("File")
    ]
    ours = [frame for frame in frames if "/dlf/" in frame or "/search/" in frame]
    return next(iter(ours or frames), "a place that is not known")
