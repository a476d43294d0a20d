"""Whether the processes live that Ray cannot do without."""

import os
import sys
from threading import Event, Thread

import ray

from dlf.command import EXIT_FAILED, WorkFailedError
from search.cluster.ray_session import Head

NEEDED = ("gcs_server", "raylet")
LOOK_SECONDS, LOOKS_WITHOUT_ANSWER = 5.0, 3
DRIVER_SECONDS = 15.0
"""in which the driver must hear of a lost head by itself"""


def refuse_if_ray_died() -> None:
    """Raise `WorkFailedError` when Ray's head has died that this process started.

    Ray would end this process as well, but up to a minute later and without a word on the search,
    and until then it would let one trial after another fail.
    """
    node = ray._private.worker._global_node
    dead: list[str] = []
    if node is not None:
        dead = [name for name, _ in node.dead_processes() if name in NEEDED]
    if dead:
        raise WorkFailedError(
            f"Ray has lost its {dead[0]}, without which no trial can run; "
            "--resume goes on with those that were under way"
        )


class HeadWatch:
    """Looks from a thread of its own whether the head of a cluster answers.

    Whoever asks a lost head anything waits until Ray ends the process, after a minute and without
    a word on the search. Where the driver is caught so, this thread ends it first.
    """

    def __init__(self) -> None:
        self._head = Head.parse(ray.get_runtime_context().gcs_address)
        self._gone = Event()
        self._closed = Event()
        Thread(target=self._watch, daemon=True).start()

    def refuse_if_gone(self) -> None:
        """Raise `WorkFailedError` when the head does not answer any more."""
        if self._gone.is_set():
            self.close()
            raise WorkFailedError(self._words)

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    @property
    def _words(self) -> str:
        return (
            f"the head of the Ray cluster at {self._head} does not answer any more; --resume goes "
            "on, on a cluster that does, with the trials that were under way"
        )

    def _watch(self) -> None:
        unanswered = 0
        while unanswered < LOOKS_WITHOUT_ANSWER:
            if self._closed.wait(LOOK_SECONDS):
                return
            try:
                unanswered = 0 if self._head.answers() else unanswered + 1
            except ConnectionRefusedError:
                # It has ended; another one that may be started in its place knows no nodes.
                break
        self._gone.set()
        if not self._closed.wait(DRIVER_SECONDS):
            print(self._words, file=sys.stderr, flush=True)
            os._exit(EXIT_FAILED)
