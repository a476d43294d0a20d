"""Every kind of end that Tune writes down of a trial is told in one line, and as what it was."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from ray import cloudpickle
from ray.exceptions import RayActorError, RayTaskError
from ray.tune.experiment import Trial

from search.engine.failure_reasons import UNKNOWN, Failure, FailureKind, failure_of


def pickled(folder: Path, error: BaseException) -> Trial:
    """A trial of which Tune has pickled an error."""
    file = folder / "error.pkl"
    file.write_bytes(cloudpickle.dumps(error))
    return cast(Trial, SimpleNamespace(pickled_error_file=str(file), error_file=None))


def written(folder: Path, text: str) -> Trial:
    """A trial of which Tune has written what was said."""
    file = folder / "error.txt"
    file.write_text(text, encoding="utf-8")
    return cast(Trial, SimpleNamespace(pickled_error_file=None, error_file=str(file)))


@pytest.mark.parametrize(
    ("cause", "kind", "reason"),
    [
        (ValueError("no\nfan"), FailureKind.RAISED, "ValueError: no fan"),
        (MemoryError(), FailureKind.RAISED, "MemoryError"),
        (
            RuntimeError("CUDA error: out of memory"),
            FailureKind.GPU_MEMORY,
            "RuntimeError: CUDA error: out of memory",
        ),
    ],
)
def test_what_a_trial_raised(
    tmp_path: Path, cause: Exception, kind: FailureKind, reason: str
) -> None:
    error = RayTaskError("train", "a traceback", cause)
    assert failure_of(pickled(tmp_path, error)) == Failure(kind, reason)


def test_what_a_worker_raised_at_its_beginning(tmp_path: Path) -> None:
    said = "The actor died\n  File here\nRuntimeError: there is\nno such model"
    error = RayActorError(error_msg=said, actor_init_failed=True)
    assert failure_of(pickled(tmp_path, error)) == Failure(
        FailureKind.RAISED, "RuntimeError: there is no such model"
    )


@pytest.mark.parametrize(
    ("said", "kind", "reason"),
    [
        ("The actor's node has died.", FailureKind.NODE, "its node died"),
        (
            "Worker exit detail: SIGKILL. Some common causes include: much",
            FailureKind.PROCESS,
            "the worker process died: it was killed, crashed, or had no memory left "
            "(Ray says: SIGKILL.)",
        ),
        (
            "a machine low on memory: 7.5GB used / 8.0GB, see",
            FailureKind.PROCESS,
            "the worker process was killed by Ray, since its machine ran low on memory "
            "(7.5GB used / 8.0GB)",
        ),
        (
            "running low on memory",
            FailureKind.PROCESS,
            "the worker process was killed by Ray, since its machine ran low on memory",
        ),
        ("first\n last \n\n", FailureKind.PROCESS, "the worker process died: last"),
        ("", FailureKind.PROCESS, UNKNOWN),
    ],
)
def test_how_a_process_died(tmp_path: Path, said: str, kind: FailureKind, reason: str) -> None:
    assert failure_of(written(tmp_path, said)) == Failure(kind, reason)


def test_a_death_that_is_pickled_is_told_alike(tmp_path: Path) -> None:
    found = failure_of(pickled(tmp_path, RayActorError(error_msg="its node was terminated")))
    assert found == Failure(FailureKind.NODE, "its node died")


def test_a_trial_of_which_nothing_was_written() -> None:
    trial = cast(Trial, SimpleNamespace(pickled_error_file=None, error_file=None))
    assert failure_of(trial) == Failure(FailureKind.RAISED, UNKNOWN)
