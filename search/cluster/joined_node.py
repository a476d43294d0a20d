"""A Ray node without CPUs on this machine, through which a command drives a cluster elsewhere.

Ray lets a process into a cluster only where the cluster has a node.
"""

import ctypes
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from dlf.command import BadInputError

STARTED = "Ray runtime started"
JOINING_SECONDS, LEAVING_SECONDS = 120.0, 40.0
_SIGNAL_AT_PARENTS_DEATH = 1


@contextmanager
def joined_node(address: str) -> Iterator[None]:
    """Be a node of the cluster at `address`, HOST:PORT of its head, while the block runs.

    Raises:
        BadInputError: when Ray cannot start it.
    """
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
    node = subprocess.Popen(
        [*command, f"--address={address}", "--num-cpus=0", "--num-gpus=0", "--disable-usage-stats"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A Ctrl-C is for the driver, which needs its node until it has come to rest.
        start_new_session=True,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )
    try:
        _wait_until_started(node, address)
        yield
    finally:
        node.terminate()
        try:
            node.wait(LEAVING_SECONDS)
        except subprocess.TimeoutExpired:
            node.kill()
            node.wait()


def _wait_until_started(node: subprocess.Popen[str], address: str) -> None:
    assert node.stdout is not None
    said: list[str] = []
    # One that hangs is ended, and says no more.
    deadline = Timer(JOINING_SECONDS, node.kill)
    deadline.start()
    try:
        for line in node.stdout:
            if STARTED in line:
                return
            said.append(line.strip())
    finally:
        deadline.cancel()
    last = next((line for line in reversed(said) if line), "it said nothing")
    raise BadInputError(f"this machine could not join the Ray cluster at {address}: {last}")


def _end_with_parent() -> None:
    """Let the kernel end the node when the driver dies, a kill -9 included."""
    ctypes.CDLL(None).prctl(_SIGNAL_AT_PARENTS_DEATH, signal.SIGTERM)
