"""Whether the processes live that our own Ray cannot do without."""

import ray

from dlf.command import WorkFailedError

NEEDED = ("gcs_server", "raylet")


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
