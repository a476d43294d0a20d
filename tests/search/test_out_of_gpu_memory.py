"""Trials that run out of GPU memory: tried once more with half the batch, beside others that live.

The memory is made up, Ray is real; `tests/gpu` has the same with a GPU's own.
"""

from pathlib import Path
from typing import NamedTuple

import optuna
import pytest

from search.study.records import NOTES, REASON
from tests.support import greedy_trainable as greedy
from tests.support.commands import Command
from tests.support.searches import Search

pytestmark = pytest.mark.slow

TRIALS, EPOCHS = 6, 3
SAVED = (greedy.WITH_WHOLE_BATCHES, greedy.AT_ITS_BEGINNING, greedy.BY_CUBLAS)
FAILED = greedy.ALWAYS


class Searched(NamedTuple):
    """A search in which most trials ran out of memory."""

    search: Search
    done: Command

    def trial(self, number: int) -> optuna.trial.FrozenTrial:
        return self.search.study.trials[number]


@pytest.fixture(scope="module")
def searched(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory, ray_here: None) -> Searched:
    search = Search(tmp_path_factory.mktemp("greedy"), tiny_data, at_once=2)
    size = ("--trials", TRIALS, "--max-epochs", EPOCHS)
    return Searched(search, search.run(*size, trainable=greedy.GreedyTrainable))


def test_only_the_one_that_half_a_batch_does_not_help_has_failed(searched: Searched) -> None:
    assert searched.done.code == 0, searched.done.err
    states = {trial.number: trial.state.name for trial in searched.search.study.trials}
    assert states == {**dict.fromkeys(range(TRIALS), "COMPLETE"), FAILED: "FAIL"}


def test_its_reason_has_both_batches(searched: Searched) -> None:
    reason = searched.trial(FAILED).user_attrs[REASON]
    assert reason == "it ran out of GPU memory with batches of 16, and again with 8"


@pytest.mark.parametrize("number", [*SAVED, FAILED])
def test_the_second_try_is_noted(searched: Searched, number: int) -> None:
    (note,) = searched.trial(number).user_attrs[NOTES]
    assert "it ran out of GPU memory" in note
    assert "batches of 16" in note
    assert "batches of 8" in note


def test_no_epoch_is_told_twice(searched: Searched) -> None:
    for number in SAVED:
        assert sorted(searched.trial(number).intermediate_values) == [1, 2, 3]
    assert searched.search.audit() == []
