"""Which failures are held against a trial, and which against what it ran on."""

import pytest

from search.engine.failure_reasons import Failure, FailureKind
from search.engine.second_chances import LOSSES_AT_ONE_EPOCH, SecondChances
from search.trial.plan import TrialPlan
from tests.support.small_models import SMALL

NODE = Failure(FailureKind.NODE, "its node died")
PROCESS = Failure(FailureKind.PROCESS, "the worker process died")
MEMORY = Failure(FailureKind.GPU_MEMORY, "OutOfMemoryError: CUDA out of memory")
RAISED = Failure(FailureKind.RAISED, "ValueError: no")


@pytest.fixture
def plan() -> TrialPlan:
    return _plan(3)


def _plan(number: int, **values: int) -> TrialPlan:
    config = SMALL.with_values({"batch_size": 16, "accumulation": 2, **values})
    return TrialPlan(
        number=number, name=f"trial {number}", params={}, config=config, seeds=[1], max_epochs=9
    )


def test_a_trial_goes_on_with_the_same_plan_as_often_as_it_comes_further(plan: TrialPlan) -> None:
    chances = SecondChances(cluster=True)
    for epoch in range(20):
        chance = chances.after(NODE, plan, epoch)
        assert chance is not None
        assert chance.plan == plan
        assert chance.note == f"its node died after epoch {epoch}, and it went on elsewhere"


def test_a_trial_that_takes_one_node_after_the_other_with_it_has_failed(plan: TrialPlan) -> None:
    chances = SecondChances(cluster=True)
    given = [chances.after(NODE, plan, 4) is not None for _ in range(LOSSES_AT_ONE_EPOCH + 1)]
    assert given == [True] * LOSSES_AT_ONE_EPOCH + [False]
    assert chances.reason(NODE, plan) == "its node died, as 3 before it did at the same epoch"


def test_a_process_that_dies_is_a_fault_on_one_machine_and_perhaps_none_on_a_cluster(
    plan: TrialPlan,
) -> None:
    assert SecondChances(cluster=False).after(PROCESS, plan, 1) is None
    chances = SecondChances(cluster=True)
    first = chances.after(PROCESS, plan, 1)
    assert first is not None
    assert first.note == "begun again after epoch 1: the worker process died"
    assert chances.after(PROCESS, plan, 2) is not None, "it has come further"
    assert chances.after(PROCESS, plan, 2) is None
    assert chances.after(PROCESS, _plan(4), 2) is not None
    assert chances.reason(PROCESS, plan) == PROCESS.reason


@pytest.mark.parametrize("cluster", [True, False])
def test_what_a_trial_raises_is_its_own_fault(plan: TrialPlan, cluster: bool) -> None:
    chances = SecondChances(cluster=cluster)
    assert chances.after(RAISED, plan, 1) is None
    assert chances.reason(RAISED, plan) == RAISED.reason


def test_a_trial_without_memory_goes_on_once_with_half_the_batch(plan: TrialPlan) -> None:
    chances = SecondChances(cluster=False)
    chance = chances.after(MEMORY, plan, 2)
    assert chance is not None
    recipe = chance.plan.config.training
    assert (recipe.batch_size, recipe.accumulation) == (8, 4)
    assert chance.plan.model_copy(update={"config": plan.config}) == plan
    assert chance.note == (
        "it ran out of GPU memory after epoch 2 with batches of 16, and went on with batches of 8, "
        "4 to a step where it had 2"
    )
    assert chances.after(MEMORY, chance.plan, 2) is None
    assert chances.reason(MEMORY, chance.plan) == (
        "it ran out of GPU memory with batches of 16, and again with 8"
    )


def test_a_batch_that_cannot_be_halved_is_no_second_chance() -> None:
    chances = SecondChances(cluster=False)
    smallest = _plan(1, batch_size=3)
    assert chances.after(MEMORY, smallest, 0) is None
    assert chances.reason(MEMORY, smallest) == MEMORY.reason
