"""Four trials on one GPU, a quarter each: a greedy one fails alone, and cannot harm the others."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from dlf.training.training import EpochRecord, Training
from search.engine.trainable import DLFTrainable
from search.resources.gpu_memory import CONTEXT, CudaMeter, limit_memory, memory_limit
from search.study.records import NOTES, REASON
from search.trial.data import OpenedData
from tests.support.commands import ROOT, Command
from tests.support.searches import Search

TRIALS, EPOCHS, SHARE = 4, 5, 0.25
GREEDY, FAULTY_EPOCH = 2, 2
ANSWER = "the limit holds"


class GreedyOnAGpu(DLFTrainable):
    """Trains as usual, but for a trial that takes a third of the GPU, which has four in all."""

    def _new_training(self, seed: int, data: OpenedData) -> Training:
        training = super()._new_training(seed, data)
        train_epoch = training.train_epoch

        def train_epoch_or_take_all() -> EpochRecord:
            if self._plan.number == GREEDY and len(training.history) + 1 == FAULTY_EPOCH:
                torch.empty(CudaMeter().total() // 3, dtype=torch.uint8, device="cuda")
            return train_epoch()

        training.train_epoch = train_epoch_or_take_all  # type: ignore[method-assign]
        return training


class Searched(NamedTuple):
    """A search of four trials at once."""

    search: Search
    done: Command

    def attributes(self, number: int) -> dict[str, Any]:
        return self.search.study.trials[number].user_attrs


@pytest.fixture(scope="module")
def searched(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory, ray_here: None) -> Searched:
    search = Search(tmp_path_factory.mktemp("gpu"), tiny_data, at_once=TRIALS)
    words = ("--trials", TRIALS, "--max-epochs", EPOCHS, "--gpus-per-trial", SHARE)
    done = search.run(*words, "--cpus-per-trial", 0.25, trainable=GreedyOnAGpu)
    return Searched(search, done)


def test_the_greedy_one_fails_and_its_neighbours_live(searched: Searched) -> None:
    assert searched.done.code == 0, searched.done.err
    states = {trial.number: trial.state.name for trial in searched.search.study.trials}
    assert states == {**dict.fromkeys(range(TRIALS), "COMPLETE"), GREEDY: "FAIL"}


def test_it_was_tried_again_with_half_the_batch(searched: Searched) -> None:
    (note,) = searched.attributes(GREEDY)[NOTES]
    assert "batches of 16" in note
    reason = searched.attributes(GREEDY)[REASON]
    assert reason == "it ran out of GPU memory with batches of 16, and again with 8"


def test_auto_finds_a_share(tiny_data: Path, tmp_path: Path, ray_here: None) -> None:
    search = Search(tmp_path, tiny_data, at_once=TRIALS)
    words = ("--trials", 2, "--max-epochs", 1, "--gpus-per-trial", "auto")
    done = search.run(*words, "--cpus-per-trial", 0.25)
    assert done.code == 0, done.err
    assert "GPU per trial: the largest configuration took" in done.out
    assert search.states == ["COMPLETE"] * 2


def in_a_process(work: Callable[[], None]) -> str:
    """Do some work in a fresh process, since a limit and a context stay with theirs."""
    words = f"from tests.gpu.test_sharing import {work.__name__} as work; work()"
    done = subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def take_what_is_allowed_and_then_more() -> None:
    limit_memory(SHARE)
    limit = memory_limit(SHARE, CudaMeter().total())
    held = torch.empty(int(0.95 * limit), dtype=torch.uint8, device="cuda")
    try:
        torch.empty(int(0.1 * limit), dtype=torch.uint8, device="cuda")
    except torch.OutOfMemoryError:
        assert len(held) < limit
        print(ANSWER)


def print_context() -> None:
    """Print what the GPU has lost to this process, beside what torch holds, after some training."""
    from benchmarks.train_step import Subject

    subject = Subject("masked", "cuda")
    for piece in subject.train():
        piece()
    torch.cuda.synchronize()
    free, total = torch.cuda.mem_get_info()
    print(total - free - torch.cuda.memory_reserved())


def test_a_limit_holds() -> None:
    assert ANSWER in in_a_process(take_what_is_allowed_and_then_more)


def test_a_context_takes_no_more_than_is_left_for_it() -> None:
    """On a GPU that nothing else uses."""
    taken = int(in_a_process(print_context).split()[-1])
    assert 0 < taken <= CONTEXT
