"""The recipe, against a plain loop of torch."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from dlf.config import Config, Value
from dlf.data import Split
from dlf.losses import LossTerms, LossWeights, loss_terms
from dlf.modalities import InputSizes
from dlf.model.dlf import DLF
from dlf.training.batching import Batch, Clips
from tests.support.gradients import terms_of
from tests.support.optimisations import Made

BATCHES = 5


@pytest.fixture(scope="module")
def batches(
    planted_split: Callable[..., Split], tiny_config: Config, tiny_sizes: InputSizes
) -> list[Batch]:
    split = planted_split(8 * BATCHES, seed=3)
    clips = Clips(split, tiny_sizes, tiny_config, "cpu")
    return [clips.batch(rows) for rows in clips.shuffled(0, 1)]


@pytest.fixture
def double_precision() -> Iterator[None]:
    """Adam divides by gradients, and so makes steps of the rounding of those that are zero."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def in_double(batches: list[Batch]) -> list[Batch]:
    return [
        Batch(
            {m: x._replace(values=x.values.double()) for m, x in batch.inputs.items()},
            batch.labels.double(),
        )
        for batch in batches
    ]


def parameters_of(model: DLF) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def learn(made: Made, batches: list[Batch]) -> list[Tensor]:
    """Return the parameters before the first batch, and after every one."""
    _, model, optimisation = made
    optimisation.begin_epoch(len(batches))
    found = [parameters_of(model)]
    for batch in batches:
        optimisation.learn(batch)
        found.append(parameters_of(model))
    return found


def steps_of(found: list[Tensor]) -> list[int]:
    """Return the batches after which the parameters had moved."""
    return [i for i, (x, y) in enumerate(pairwise(found), start=1) if not torch.equal(x, y)]


def by_plain_loop(made: Made, batches: list[Batch]) -> list[Tensor]:
    """As `learn`, with the optimisers and the clipping of torch."""
    config, model, _ = made
    recipe = config.training
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    optimizer = kind(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    optimizer.zero_grad()
    found = [parameters_of(model)]
    for i, batch in enumerate(batches, start=1):
        terms_of(model, batch.inputs, batch.labels, config).total.backward()
        if recipe.clipping == "value":
            torch.nn.utils.clip_grad_value_(model.parameters(), recipe.clip_at)
        if recipe.clipping == "norm":
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_at)
        if i % recipe.accumulation == 0:
            optimizer.step()
            optimizer.zero_grad()
        found.append(parameters_of(model))
    return found


class TestEqualsAPlainLoop:
    @pytest.mark.parametrize(("optimizer", "accumulation"), [("adam", 2), ("adamw", 1)])
    @pytest.mark.parametrize(
        ("clipping", "clip_at"), [("value", 0.05), ("norm", 0.5), ("norm", 1e6), ("none", 0.05)]
    )
    @pytest.mark.usefixtures("double_precision")
    def test_step_by_step(
        self,
        made: Callable[..., Made],
        batches: list[Batch],
        optimizer: str,
        clipping: str,
        clip_at: float,
        accumulation: int,
    ) -> None:
        values: dict[str, Value] = {
            "optimizer": optimizer,
            "clipping": clipping,
            "clip_at": clip_at,
            "accumulation": accumulation,
            "weight_decay": 0.1,
            "learning_rate": 1e-3,
        }
        batches = in_double(batches[:4])
        ours, expected = learn(made(**values), batches), by_plain_loop(made(**values), batches)
        assert steps_of(ours) == steps_of(expected)
        for x, y in zip(ours, expected, strict=True):
            torch.testing.assert_close(x, y, rtol=0, atol=1e-4)
            assert (x - y).abs().mean() < 1e-8

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"optimizer": "adam"}, {"optimizer": "adamw"}),
            ({"weight_decay": 0.0}, {"weight_decay": 0.1}),
            ({"clipping": "value"}, {"clipping": "none"}),
            ({"clipping": "norm"}, {"clipping": "none"}),
            ({"clipping": "norm", "clip_at": 0.05}, {"clipping": "norm", "clip_at": 0.1}),
            ({"learning_rate": 1e-3}, {"learning_rate": 2e-3}),
        ],
    )
    def test_what_is_configured_has_an_effect(
        self,
        made: Callable[..., Made],
        batches: list[Batch],
        one: dict[str, Value],
        other: dict[str, Value],
    ) -> None:
        usual: dict[str, Value] = {"weight_decay": 0.1, "clip_at": 0.05, "learning_rate": 1e-3}
        first, second = (learn(made(**usual | values), batches[:2])[-1] for values in (one, other))
        assert (first - second).abs().mean() > 1e-6


class TestAccumulation:
    @pytest.mark.parametrize(
        ("accumulation", "steps"),
        [(1, [1, 2, 3, 4, 5]), (2, [2, 4]), (3, [3]), (4, [4]), (5, [5]), (6, [5]), (100, [5])],
    )
    def test_one_step_for_each_whole_group(
        self,
        made: Callable[..., Made],
        batches: list[Batch],
        accumulation: int,
        steps: list[int],
    ) -> None:
        assert steps_of(learn(made(accumulation=accumulation), batches)) == steps

    def test_gradients_are_summed(self, made: Callable[..., Made], batches: list[Batch]) -> None:
        config, model, optimisation = made(clipping="none", accumulation=3)
        expected = torch.zeros_like(parameters_of(model))
        for batch in batches[:2]:
            terms = terms_of(model, batch.inputs, batch.labels, config)
            found = torch.autograd.grad(terms.total, list(model.parameters()))
            expected += torch.cat([gradient.flatten() for gradient in found])
        optimisation.begin_epoch(len(batches))
        for batch in batches[:2]:
            optimisation.learn(batch)
        summed = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        torch.testing.assert_close(summed, expected, rtol=1e-4, atol=1e-5)

    def test_what_made_no_step_is_forgotten(
        self, made: Callable[..., Made], batches: list[Batch]
    ) -> None:
        first, second = made(accumulation=2), made(accumulation=2)
        learn(first, batches[:2])
        learn(second, batches[:3])
        assert torch.equal(learn(first, batches[3:])[-1], learn(second, batches[3:])[-1])


class TestLearned:
    def test_losses_and_predictions_are_those_before_the_step(
        self, made: Callable[..., Made], batches: list[Batch]
    ) -> None:
        config, model, optimisation = made()
        with torch.no_grad():
            outputs = model(batches[0].inputs, config.regularisers)
            weights = LossWeights.of(config.loss, torch.device("cpu"))
            terms = loss_terms(outputs, batches[0].labels, weights, config)
        optimisation.begin_epoch(1)
        learned = optimisation.learn(batches[0])
        torch.testing.assert_close(learned.losses, torch.stack(terms))
        torch.testing.assert_close(learned.predictions, outputs.prediction)
        assert len(learned.losses) == len(LossTerms._fields)
        assert not learned.losses.requires_grad
        assert not learned.predictions.requires_grad

    @pytest.mark.parametrize("accumulation", [1, 2])
    def test_bfloat16_keeps_parameters_and_state_in_float32(
        self, made: Callable[..., Made], batches: list[Batch], accumulation: int
    ) -> None:
        exact, mixed = (
            made(precision=precision, accumulation=accumulation)
            for precision in ("float32", "bfloat16")
        )
        found, expected = learn(mixed, batches), learn(exact, batches)
        assert found[-1].isfinite().all()
        assert not torch.equal(found[-1], expected[-1])
        _, model, optimisation = mixed
        kept = [
            x
            for state in optimisation.state()["optimizer"]["state"].values()
            for x in state.values()
        ]
        assert {x.dtype for x in [*model.parameters(), *kept]} == {torch.float32}
        losses = [made.learn(batches[0]).losses for _, _, made in (mixed, exact)]
        assert losses[0].dtype == torch.float32
        torch.testing.assert_close(*losses, rtol=0.1, atol=0.05)

    def test_losses_in_bfloat16_are_summed_in_float32(
        self, made: Callable[..., Made], batches: list[Batch]
    ) -> None:
        """Of one and the same model they are off by no more than its products are."""
        exact, mixed = (
            made(precision=precision, learning_rate=1e-30) for precision in ("float32", "bfloat16")
        )
        for batch in batches:
            losses = [optimisation.learn(batch).losses for _, _, optimisation in (mixed, exact)]
            torch.testing.assert_close(*losses, rtol=0.02, atol=0.005)


class TestPlateau:
    def test_the_rate_falls_when_the_error_does_not(self, made: Callable[..., Made]) -> None:
        _, _, optimisation = made(learning_rate=0.1, plateau_patience=2, plateau_factor=0.25)
        rates = []
        for mae in (1.0, 0.9, 0.9, 0.95, 0.91, 0.8, 0.9, 0.9, 0.9):
            rates.append(optimisation.learning_rate)
            optimisation.end_epoch(mae)
        rates.append(optimisation.learning_rate)
        assert rates == pytest.approx([0.1] * 5 + [0.025] * 4 + [0.1 / 16])

    def test_state_holds_rate_and_moments(
        self, made: Callable[..., Made], batches: list[Batch]
    ) -> None:
        values: dict[str, Value] = {"plateau_patience": 0, "clip_at": 0.05}
        first, second = made(**values), made(**values)
        learn(first, batches[:2])
        for mae in (1.0, 1.0):
            first[2].end_epoch(mae)
        second[1].load_state_dict(first[1].state_dict())
        second[2].restore(deepcopy(first[2].state()))
        assert second[2].learning_rate == first[2].learning_rate == 1.5e-3
        assert torch.equal(learn(first, batches[2:])[-1], learn(second, batches[2:])[-1])
