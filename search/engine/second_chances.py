"""Which failed trials are begun once more: those that failed by what they ran on.

Each goes on from its checkpoint, wherever there is room for it.
"""

from typing import NamedTuple

from dlf.training.halved_batch import halved_batch
from search.engine.failure_reasons import Failure, FailureKind
from search.trial.plan import TrialPlan

LOSSES_AT_ONE_EPOCH = 3
"""nodes that a trial may lose one after the other without coming further: it may be their end"""


class SecondChance(NamedTuple):
    """How a trial is begun once more."""

    plan: TrialPlan
    note: str
    """what happened to it"""


class SecondChances:
    """Remembers what befell each trial of a run."""

    def __init__(self, *, cluster: bool) -> None:
        """Give chances; on one machine alone a process that dies is a fault of its trial."""
        self._cluster = cluster
        self._losses: dict[int, list[int]] = {}
        """by trial: the epoch at which it lost a node, for every loss"""
        self._deaths: dict[int, list[int]] = {}
        """by trial: the epoch after which its process died, for every death"""
        self._halved: dict[int, int] = {}
        """by trial: the batch size with which it ran out of memory"""

    def after(self, failure: Failure, plan: TrialPlan, epoch: int) -> SecondChance | None:
        """Return how a trial that failed after an epoch goes on; none where it has failed."""
        match failure.kind:
            case FailureKind.NODE:
                return self._elsewhere(plan, epoch)
            case FailureKind.PROCESS if self._cluster:
                return self._after_a_death(failure, plan, epoch)
            case FailureKind.GPU_MEMORY if plan.number not in self._halved:
                return self._with_half_the_batch(plan, epoch)
        return None

    def reason(self, failure: Failure, plan: TrialPlan) -> str:
        """Return why a trial failed for good, with the chance that it had."""
        size = self._halved.get(plan.number)
        if failure.kind is FailureKind.GPU_MEMORY and size is not None:
            halved = plan.config.training.batch_size
            return f"it ran out of GPU memory with batches of {size}, and again with {halved}"
        if failure.kind is FailureKind.NODE:
            return f"{failure.reason}, as {LOSSES_AT_ONE_EPOCH} before it did at the same epoch"
        return failure.reason

    def _elsewhere(self, plan: TrialPlan, epoch: int) -> SecondChance | None:
        losses = self._losses.setdefault(plan.number, [])
        losses.append(epoch)
        if losses.count(epoch) > LOSSES_AT_ONE_EPOCH:
            return None
        return SecondChance(plan, f"its node died after epoch {epoch}, and it went on elsewhere")

    def _after_a_death(self, failure: Failure, plan: TrialPlan, epoch: int) -> SecondChance | None:
        """Give a chance: of a node that is killed Ray may hear only that the process has died."""
        deaths = self._deaths.setdefault(plan.number, [])
        deaths.append(epoch)
        if deaths.count(epoch) > 1:
            return None
        return SecondChance(plan, f"begun again after epoch {epoch}: {failure.reason}")

    def _with_half_the_batch(self, plan: TrialPlan, epoch: int) -> SecondChance | None:
        halved = halved_batch(plan.config)
        if halved is None:
            return None
        was, now = plan.config.training, halved.training
        self._halved[plan.number] = was.batch_size
        return SecondChance(
            plan.model_copy(update={"config": halved}),
            f"it ran out of GPU memory after epoch {epoch} with batches of {was.batch_size}, and "
            f"went on with batches of {now.batch_size}, {now.accumulation} to a step where it had "
            f"{was.accumulation}",
        )
