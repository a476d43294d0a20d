"""Looks after a cluster while a search runs on it: its head, and the nodes that come and go."""

from collections.abc import Callable, Iterable
from uuid import uuid4

import ray

from dlf.command import BadInputError, WorkFailedError, one_line
from search.cluster.nodes import NodeQuestion, answers, ask, training_nodes
from search.cluster.ray_head import HeadWatch
from search.trial.checkpoints import Checkpoints
from search.trial.data import TrialData


class ClusterWatch:
    """Knows the nodes that trials run on, asks those that join, and tells of changes."""

    def __init__(
        self, checkpoints: Checkpoints, data: TrialData, tell: Callable[[str], None]
    ) -> None:
        """Ask all nodes that there are.

        Raises:
            BadInputError: when a node will not do for trials.
        """
        self._tell = tell
        self._question = NodeQuestion(checkpoints=checkpoints, mark=uuid4().hex, data=data)
        try:
            checkpoints.leave_mark(self._question.mark)
        except OSError as error:
            raise BadInputError(
                f"the checkpoints in {checkpoints.folder} cannot be written ({one_line(error)}); "
                "choose another --output"
            ) from error
        self._nodes = set(training_nodes())
        reports = answers([ask(node, self._question) for node in sorted(self._nodes)])
        for report in reports:
            unfit = report.unfit(self._question)
            if unfit is not None:
                raise BadInputError(unfit)
        self.carries_data = not all(report.sees_data for report in reports)
        """whether there are nodes that Ray must bring the data to"""
        self._asked: dict[ray.ObjectRef[str], str] = {}
        """answers that are waited for, and the nodes that they are of"""
        self._head = HeadWatch()

    def close(self) -> None:
        """Watch no more."""
        self._head.close()

    def look(self) -> None:
        """Tell what has changed, without waiting for anything.

        Raises:
            WorkFailedError: when the head of the cluster is gone, or a node has joined that will
                not do, and to which Ray gives trials all the same.
        """
        self._head.refuse_if_gone()
        now = set(training_nodes())
        joined, lost = now - self._nodes, self._nodes - now
        self._nodes = now
        if lost:
            self._tell(f"lost {_names(lost)}; a trial that ran there goes on elsewhere")
        self._asked |= {ask(node, self._question): node for node in sorted(joined)}
        for answer in list(self._asked):
            if ray.wait([answer], timeout=0)[0]:
                self._take_in(answer, self._asked.pop(answer))

    def _take_in(self, answer: "ray.ObjectRef[str]", node: str) -> None:
        """Take in what a node says that has joined."""
        try:
            (report,) = answers([answer])
        except BadInputError:
            # Most likely it was lost again.
            return
        unfit = report.unfit(self._question)
        if unfit is None and not (report.sees_data or self.carries_data):
            data = self._question.data
            unfit = f"the node {report.host} does not see the data in {data.data_dir}"
        if unfit is not None:
            raise WorkFailedError(
                f"a node has joined that will not do: {unfit}; then, or without that node, "
                "--resume goes on"
            )
        self._tell(f"{_names([node])} joined, and is used from now on")


def _names(nodes: Iterable[str]) -> str:
    hosts = {node["NodeID"]: node["NodeManagerHostname"] for node in ray.nodes()}
    return f"node {', '.join(hosts[node] for node in sorted(nodes))}"
