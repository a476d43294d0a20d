"""Parity with the released implementation, by numbers that were computed with it once."""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from dlf.data import Split
from dlf.modalities import MODALITIES
from dlf.reference.comparison import BOUND, Figures, compare, our_figures, released_figures
from dlf.reference.golden import GoldenFile, read_golden, setting_of
from dlf.training.batching import Batch, Clips
from dlf.training.optimisation import Learned, Optimisation
from dlf.training.training import Training

GOLDEN = Path(__file__).parents[1] / "golden"
REFERENCES = ("deep", "mosei", "small", "unaligned")
RELATIVE_BOUNDS = {torch.float64: 1e-5, torch.float32: 1e-4}
"""of losses and gradient norms; outputs of 500 steps are rounded by up to 2e-5 in the files"""


@cache
def golden(name: str) -> GoldenFile:
    return read_golden(GOLDEN / f"reference_{name}.npz")


@cache
def released(name: str) -> Figures:
    return released_figures(golden(name))


@cache
def ours(name: str, dtype: torch.dtype) -> Figures:
    setting = setting_of(golden(name))
    return our_figures(setting, setting.model().to(dtype))


@pytest.mark.parametrize("dtype", RELATIVE_BOUNDS)
@pytest.mark.parametrize("name", REFERENCES)
class TestReference:
    def test_errors(self, name: str, dtype: torch.dtype) -> None:
        outputs, losses, grad_norms = compare(ours(name, dtype), released(name)).worst()
        assert outputs <= BOUND
        assert losses <= RELATIVE_BOUNDS[dtype]
        assert grad_norms <= RELATIVE_BOUNDS[dtype]

    def test_everything_is_compared(self, name: str, dtype: torch.dtype) -> None:
        mine, theirs = ours(name, dtype), released(name)
        errors = compare(mine, theirs)
        for kind, own, other in zip(errors, mine, theirs, strict=True):
            assert kind.keys() == own.keys() == other.keys()

    def test_every_parameter_has_its_gradient(self, name: str, dtype: torch.dtype) -> None:
        setting = setting_of(golden(name))
        assert all(norm > 0 for norm in ours(name, dtype).grad_norms.values())
        parts = sum(setting.parameters[part].numel() for part in ours(name, dtype).grad_norms)
        assert parts == sum(parameter.numel() for parameter in setting.model().parameters())


class TestTheComparisonCanFail:
    """Every number of a file counts."""

    mine = ours("deep", torch.float64)
    theirs = released("deep")

    def beyond(self, **spoiled: object) -> set[str]:
        return set(compare(self.mine, self.theirs._replace(**spoiled)).beyond(BOUND))

    def test_not_without_a_reason(self) -> None:
        assert self.beyond() == set()

    @pytest.mark.parametrize("wrong", [2e-4, -2e-4, math.nan, math.inf])
    @pytest.mark.parametrize("name", theirs.outputs)
    def test_output(self, name: str, wrong: float) -> None:
        array = self.theirs.outputs[name].clone()
        array.flatten()[-1] += wrong
        assert self.beyond(outputs={**self.theirs.outputs, name: array}) == {f"output/{name}"}

    @pytest.mark.parametrize("factor", [1.001, 0.999, math.nan, math.inf])
    @pytest.mark.parametrize("name", theirs.losses)
    def test_loss(self, name: str, factor: float) -> None:
        losses = {**self.theirs.losses, name: self.theirs.losses[name] * factor}
        assert self.beyond(losses=losses) == {f"loss/{name}"}

    @pytest.mark.parametrize("factor", [1.001, 0.999, 0.0, math.nan, math.inf])
    def test_gradient(self, factor: float) -> None:
        for name, norm in self.theirs.grad_norms.items():
            norms = {**self.theirs.grad_norms, name: norm * factor}
            assert self.beyond(grad_norms=norms) == {f"grad_norm/{name}"}

    def test_gradient_on_one_side(self) -> None:
        for name in self.theirs.grad_norms:
            norms = {other: x for other, x in self.theirs.grad_norms.items() if other != name}
            found = compare(self.mine, self.theirs._replace(grad_norms=norms))
            assert found.beyond(BOUND) == {f"grad_norm/{name}": 1.0}
        norms = {**self.theirs.grad_norms, "proj_cosine_l.weight": 1e-9}
        found = compare(self.mine, self.theirs._replace(grad_norms=norms))
        assert found.beyond(BOUND) == {"grad_norm/proj_cosine_l.weight": 1.0}

    @pytest.mark.parametrize("member", [0, 1, 2])
    def test_weight(self, member: int) -> None:
        setting = setting_of(golden("deep"))
        model = setting.model().double()
        assert model.disentanglement is not None
        with torch.no_grad():
            model.disentanglement.specific.layers[0].contract.weight[member] *= 1.1
        found = compare(our_figures(setting, model), self.theirs).beyond(BOUND)
        letter = "lav"[member]
        assert {f"output/s_{letter}", "loss/s", f"grad_norm/proj_{letter}.weight"} <= set(found)
        assert not {f"output/s_{other}" for other in "lav" if other != letter} & set(found)


def test_training(split_of: Callable[..., Split], monkeypatch: pytest.MonkeyPatch) -> None:
    file = read_golden(GOLDEN / "training.npz")
    setting, meta = setting_of(file), file.meta
    no_dropout = {name: 0.0 for name in setting.config.values() if name.endswith("_dropout")}
    config = setting.config.with_values(
        {
            **no_dropout,
            "learning_rate": meta["learning_rate"],
            "batch_size": meta["batch"],
            "accumulation": meta["accumulate"],
            "clipping": "value",
            "clip_at": meta["clip_value"],
        }
    )
    labels = setting.labels.numpy()
    split = split_of({m: list(setting.inputs[m].numpy()) for m in MODALITIES}, labels)
    rows = np.arange(len(labels)).reshape(meta["batches_per_epoch"], meta["batch"])
    monkeypatch.setattr(Clips, "shuffled", lambda *_: list(rows))
    batches: list[Learned] = []
    learn = Optimisation.learn

    def recorded(optimisation: Optimisation, batch: Batch) -> Learned:
        batches.append(learn(optimisation, batch))
        return batches[-1]

    monkeypatch.setattr(Optimisation, "learn", recorded)
    training = Training(config, setting.sizes, split, split, seed=0, max_epochs=meta["epochs"])
    training.model.load_state_dict(setting.model().state_dict())
    records = list(training.epochs())

    expected = file.under("trajectory")
    totals = [float(batch.losses[0]) for batch in batches]
    np.testing.assert_allclose(totals, expected["total"], rtol=1e-4)
    predictions = [batch.predictions.numpy() for batch in batches]
    np.testing.assert_allclose(predictions, expected["prediction"], rtol=0, atol=1e-4)
    means = expected["total"].reshape(meta["epochs"], -1).mean(axis=1)
    np.testing.assert_allclose([record.loss.total for record in records], means, rtol=1e-4)
    by_epoch = expected["prediction"].reshape(meta["epochs"], -1)
    np.testing.assert_allclose(
        [record.train.mae for record in records], np.abs(by_epoch - labels).mean(axis=1), atol=1e-4
    )
