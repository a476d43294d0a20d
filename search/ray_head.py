"""Whether the processes live that Ray cannot do without."""

import ray

from dlf.command import WorkFailedError
from search.ray_session import Head

NEEDED = ("gcs_server", "raylet")
LOOKS_WITHOUT_ANSWER = 2


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
    """Looks now and then whether the head of a cluster answers.

    A process that has lost it is ended by Ray after a minute, without a word.
    """

    def __init__(self) -> None:
        self._head = Head.parse(ray.get_runtime_context().gcs_address)
        self._unanswered = 0

    def refuse_if_gone(self) -> None:
        """Raise `WorkFailedError` when the head has not answered several times in a row."""
        self._unanswered = 0 if self._head.answers() else self._unanswered + 1
        if self._unanswered >= LOOKS_WITHOUT_ANSWER:
            raise WorkFailedError(
                f"the head of the Ray cluster at {self._head} does not answer any more; --resume "
                "goes on, on a cluster that does, with the trials that were under way"
            )
