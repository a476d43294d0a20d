"""A training that torch compiles is the same training, and its state that of any other."""

import shutil
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch._dynamo.utils import counters

from dlf.config import Config, Value
from dlf.data import Split
from dlf.modalities import InputSizes
from dlf.model.dropout import Dropout
from dlf.training.training import EpochRecord, Training
from tests.support.optimisations import DROPOUTS

pytestmark = pytest.mark.slow
EPOCHS = 2


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    counters.clear()


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile all but the kernels, which take a C++ compiler half a minute for every length."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))


@pytest.fixture
def training(
    planted_split: Callable[..., Split], tiny_config: Config, tiny_sizes: InputSizes
) -> Callable[..., Training]:
    """Make a training without dropout, whose random draws the compiler makes in its own way.

    All batches are padded alike, so that there is one thing to compile.
    """
    train, valid = planted_split(24, seed=1), planted_split(8, seed=2)

    def make(*, compiled: bool, **values: Value) -> Training:
        config = tiny_config.with_values(
            dict.fromkeys(DROPOUTS, 0.0) | {"padding": "reference", "compiled": compiled} | values
        )
        return Training(config, tiny_sizes, train, valid, seed=0, max_epochs=EPOCHS)

    return make


def assert_close(first: EpochRecord, second: EpochRecord) -> None:
    assert first.loss.model_dump() == pytest.approx(second.loss.model_dump(), rel=1e-3, abs=1e-5)
    assert first.best_mae == pytest.approx(second.best_mae, rel=1e-3)


@pytest.mark.usefixtures("traced")
def test_it_comes_to_the_same_and_its_state_is_that_of_any_other(
    training: Callable[..., Training],
) -> None:
    plain, compiled = training(compiled=False), training(compiled=True)
    for _ in range(EPOCHS):
        assert_close(compiled.train_epoch(), plain.train_epoch())
    assert counters["stats"]["unique_graphs"] > 0
    assert not counters["graph_break"]

    half_way = training(compiled=False)
    half_way.train_epoch()
    assert compiled.state()["model"].keys() == plain.state()["model"].keys()
    restored = training(compiled=True)
    restored.restore(half_way.state())
    assert_close(restored.train_epoch(), plain.history[-1])
    back = training(compiled=False)
    back.restore(compiled.state())
    assert back.history == compiled.history


@pytest.mark.usefixtures("traced")
def test_dropout_is_drawn_in_one_graph(training: Callable[..., Training]) -> None:
    dropouts: dict[str, Value] = dict.fromkeys(DROPOUTS, 0.3)
    record = training(compiled=True, precision="bfloat16", **dropouts).train_epoch()
    assert not counters["graph_break"]
    without = training(compiled=False, precision="bfloat16").train_epoch()
    assert record.loss != without.loss
    assert record.loss.total == pytest.approx(without.loss.total, rel=0.3)


def test_a_compiled_dropout_keeps_means() -> None:
    """Each row has a rate of its own."""
    dropout = Dropout([0.0, 0.25, 0.5])
    compiled = torch.compile(
        lambda values: dropout(values, training=True), backend="aot_eager", fullgraph=True
    )
    found = compiled(torch.ones(3, 100, 200))
    assert (found == 0).float().mean(dim=(1, 2)).tolist() == pytest.approx([0, 0.25, 0.5], abs=0.02)
    assert found.mean(dim=(1, 2)).tolist() == pytest.approx([1, 1, 1], abs=0.03)
    assert [len(row.unique()) for row in found] == [1, 2, 2]


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_kernels_come_to_the_same(training: Callable[..., Training]) -> None:
    plain, compiled = training(compiled=False), training(compiled=True)
    assert_close(compiled.train_epoch(), plain.train_epoch())
