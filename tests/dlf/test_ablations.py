"""Ablations: every one builds and trains, and what is off has no part in the gradients."""

from collections.abc import Callable, Mapping
from itertools import product
from typing import get_args

import pytest
import torch
from torch import Tensor

from dlf.config import Config, ModelConfig, Regularisers, Value
from dlf.data import Split
from dlf.losses import LossTerms, LossWeights, loss_terms
from dlf.modalities import MODALITIES, InputSizes, Modality
from dlf.model.dlf import DLF, Inputs
from dlf.training.training import EpochLosses, Training
from tests.support.clips import assert_same, batch_of, clips_of
from tests.support.gradients import gradients_of, terms_of

SUBSETS = get_args(ModelConfig.model_fields["modalities"].annotation)
LAMBDAS = {
    "lambda_r": "reconstruction",
    "lambda_s": "specific",
    "lambda_m": "margin",
    "lambda_o": "orthogonality",
}
BETAS = {"text": "beta_sp_l", "audio": "beta_sp_a", "vision": "beta_sp_v"}
LABELS = torch.tensor([1.0, -2.0, 1.0, 0.4])
ALL = Regularisers(True, True, True, True)


@pytest.fixture(scope="module")
def train(planted_split: Callable[..., Split]) -> Split:
    """Two batches, each of an odd number of clips, whose errors' signs cannot cancel out."""
    return planted_split(14, seed=1)


@pytest.fixture(scope="module")
def inputs(tiny_sizes: InputSizes) -> Inputs:
    several: list[dict[Modality, int]] = [
        {"text": 3, "audio": 6, "vision": 2},
        {"text": 7, "audio": 4, "vision": 5},
        {"text": 5, "audio": 9, "vision": 1},
        {"text": 9, "audio": 13, "vision": 6},
    ]
    return batch_of(clips_of(several, tiny_sizes))


@pytest.fixture(scope="module")
def step_of(
    tiny_config: Config, tiny_sizes: InputSizes, inputs: Inputs
) -> Callable[..., tuple[LossTerms, dict[str, Tensor]]]:
    """Return the losses and gradients of a configuration's model, initialised by one seed."""

    def step(
        values: Mapping[str, Value], inputs: Inputs = inputs
    ) -> tuple[LossTerms, dict[str, Tensor]]:
        config = tiny_config.with_values(values)
        torch.manual_seed(0)
        model = DLF(config.model, tiny_sizes).eval()
        terms = terms_of(model, inputs, LABELS, config)
        return terms, gradients_of(model, terms.total)

    return step


Step = Callable[..., tuple[LossTerms, dict[str, Tensor]]]


def assert_no_effect(step_of: Step, values: Mapping[str, Value], *others: str) -> None:
    """Assert that the values of `others` change neither the total loss nor a gradient."""
    before, gradients = step_of(values)
    for name in others:
        after, again = step_of({**values, name: 0.77})
        assert torch.equal(before.total, after.total), name
        assert all(torch.equal(gradients[key], again[key]) for key in gradients), name


class TestTraining:
    @pytest.mark.parametrize("hierarchical", [True, False])
    @pytest.mark.parametrize("disentangled", [True, False])
    @pytest.mark.parametrize("attractor", ["language", "own"])
    @pytest.mark.parametrize("modalities", SUBSETS)
    def test_every_structure_trains_all_of_its_parameters(
        self,
        tiny_config: Config,
        tiny_sizes: InputSizes,
        train: Split,
        modalities: str,
        attractor: str,
        disentangled: bool,
        hierarchical: bool,
    ) -> None:
        config = tiny_config.with_values(
            {
                "modalities": modalities,
                "attractor": attractor,
                "disentangled": disentangled,
                "hierarchical": hierarchical,
                "batch_size": 13,
            }
        )
        training = Training(config, tiny_sizes, train, train, seed=0, max_epochs=1)
        before = {name: x.detach().clone() for name, x in training.model.named_parameters()}
        record = training.train_epoch()
        assert all(torch.tensor(list(record.named().values())).isfinite())
        still = [n for n, x in training.model.named_parameters() if torch.equal(x, before[n])]
        assert not still
        assert (record.loss.task < record.loss.total) == disentangled

    @pytest.mark.parametrize(
        ("name", "idle"),
        [
            ("lambda_r", set()),
            ("lambda_s", set()),
            ("lambda_m", {"disentanglement.alignments"}),
            ("lambda_o", set()),
        ],
    )
    def test_every_regulariser_can_be_left_out(
        self, tiny_config: Config, tiny_sizes: InputSizes, train: Split, name: str, idle: set[str]
    ) -> None:
        config = tiny_config.with_values({name: 0, "batch_size": 7})
        training = Training(config, tiny_sizes, train, train, seed=0, max_epochs=1)
        before = {key: x.detach().clone() for key, x in training.model.named_parameters()}
        losses = training.train_epoch().loss
        off = {term for term in LAMBDAS.values() if getattr(losses, term) == 0}
        assert off == {LAMBDAS[name]}
        still = {
            key.rsplit(".", 2)[0]
            for key, x in training.model.named_parameters()
            if torch.equal(x, before[key])
        }
        assert still == idle


class TestRegularisers:
    @pytest.mark.parametrize("off", list(product([True, False], repeat=4))[:-1])
    def test_what_is_off_has_no_part_in_the_gradients(
        self,
        tiny_config: Config,
        tiny_sizes: InputSizes,
        inputs: Inputs,
        step_of: Step,
        off: tuple[bool, ...],
    ) -> None:
        """They are those of the whole loss less the terms that are off."""
        names = [name for name, is_off in zip(LAMBDAS, off, strict=True) if is_off]
        torch.manual_seed(0)
        model = DLF(tiny_config.model, tiny_sizes).eval()
        weights = LossWeights.of(tiny_config.loss, torch.device("cpu"))
        whole = loss_terms(model(inputs, ALL), LABELS, weights, tiny_config)
        expected = whole.total
        for name in names:
            expected = expected - getattr(weights, name) * getattr(whole, LAMBDAS[name])

        terms, gradients = step_of(dict.fromkeys(names, 0))
        torch.testing.assert_close(terms.total, expected)
        assert_same(gradients_of(model, expected), gradients, bound=1e-6)
        for name, term in LAMBDAS.items():
            there = 0 if name in names else getattr(whole, term)
            assert getattr(terms, term) == there, name

    @pytest.mark.parametrize("name", LAMBDAS)
    def test_what_is_on_has_a_part(self, step_of: Step, name: str) -> None:
        _, gradients = step_of({})
        _, without = step_of({name: 0})
        assert any(not torch.equal(gradients[key], without[key]) for key in gradients)

    def test_without_the_margin_loss_the_margin_is_nothing(self, step_of: Step) -> None:
        assert_no_effect(step_of, {"lambda_m": 0}, "margin")


class TestModalities:
    @pytest.mark.parametrize("attractor", ["language", "own"])
    @pytest.mark.parametrize("modalities", SUBSETS)
    def test_what_is_left_out_is_not_read(
        self, step_of: Step, inputs: Inputs, modalities: str, attractor: str
    ) -> None:
        values = {"modalities": modalities, "attractor": attractor}
        before, gradients = step_of(values)
        for m in MODALITIES:
            moved = inputs[m]._replace(values=inputs[m].values.flip(2))
            after, again = step_of(values, inputs | {m: moved})
            used = m in modalities
            assert torch.equal(before.total, after.total) != used, m
            same = all(torch.equal(gradients[key], again[key]) for key in gradients)
            assert same != used, m
        without: Inputs = {m: inputs[m] for m in MODALITIES if m in modalities}
        assert torch.equal(step_of(values, without)[0].total, before.total)

    @pytest.mark.parametrize("modalities", SUBSETS)
    def test_what_is_left_out_is_not_weighted(self, step_of: Step, modalities: str) -> None:
        out = [beta for m, beta in BETAS.items() if m not in modalities]
        assert_no_effect(step_of, {"modalities": modalities}, *out)

    @pytest.mark.parametrize("modalities", SUBSETS)
    def test_there_is_a_prediction_for_each_in_their_order(
        self, tiny_config: Config, tiny_sizes: InputSizes, step_of: Step, modalities: str
    ) -> None:
        """Without the weight of one, its own head receives no gradient."""
        used = [m for m in MODALITIES if m in modalities]
        assert list(tiny_config.with_values({"modalities": modalities}).model.used_modalities) == (
            used
        )
        for row, m in enumerate(used):
            _, gradients = step_of({"modalities": modalities, BETAS[m]: 0})
            heads = gradients["specific_heads.out.weight"].flatten(1)
            assert [i for i, head in enumerate(heads) if not head.any()] == [row]


class TestAttractor:
    @pytest.fixture
    def specific_of(
        self, tiny_config: Config, tiny_sizes: InputSizes
    ) -> Callable[[Mapping[str, Value], Inputs], Tensor]:
        def specific(values: Mapping[str, Value], inputs: Inputs) -> Tensor:
            torch.manual_seed(0)
            model = DLF(tiny_config.with_values(values).model, tiny_sizes).eval()
            found: Tensor = model(inputs, Regularisers.none()).specific_predictions
            return found

        return specific

    @pytest.mark.parametrize("disentangled", [True, False])
    @pytest.mark.parametrize(
        ("values", "reached"),
        [
            ({"attractor": "language"}, {"text": "tav", "audio": "a", "vision": "v"}),
            ({"attractor": "own"}, {"text": "tav", "audio": "tav", "vision": "tav"}),
            (
                {"attractor": "own", "modalities": "text+audio"},
                {"text": "ta", "audio": "ta", "vision": ""},
            ),
            (
                {"attractor": "language", "modalities": "text+vision"},
                {"text": "tv", "audio": "", "vision": "v"},
            ),
            (
                {"attractor": "language", "modalities": "audio+vision"},
                {"text": "", "audio": "av", "vision": "av"},
            ),
            (
                {"attractor": "own", "modalities": "audio"},
                {"text": "", "audio": "a", "vision": ""},
            ),
        ],
    )
    def test_who_draws_from_whom(
        self,
        specific_of: Callable[[Mapping[str, Value], Inputs], Tensor],
        inputs: Inputs,
        values: dict[str, Value],
        reached: dict[Modality, str],
        disentangled: bool,
    ) -> None:
        """Each modality, and the first letters of those whose own predictions it reaches."""
        values = values | {"disentangled": disentangled}
        used = Config().with_values(values).model.used_modalities
        before = specific_of(values, inputs)
        assert len(before) == len(used)
        for m, letters in reached.items():
            moved = inputs[m]._replace(values=inputs[m].values.flip(2))
            after = specific_of(values, inputs | {m: moved})
            changed = [
                n[0] for n, x, y in zip(used, before, after, strict=True) if not torch.equal(x, y)
            ]
            assert "".join(changed) == letters, m


class TestPredictions:
    def test_without_hierarchy_there_is_one(
        self, tiny_config: Config, tiny_sizes: InputSizes, inputs: Inputs, step_of: Step
    ) -> None:
        values: dict[str, Value] = {"hierarchical": False}
        model = DLF(tiny_config.with_values(values).model, tiny_sizes)
        outputs = model(inputs, ALL)
        assert outputs.specific_predictions is None
        assert outputs.shared_prediction is None
        assert_no_effect(step_of, values, "beta_sh", *BETAS.values())
        alone = values | dict.fromkeys(LAMBDAS, 0)
        assert step_of(alone | {"beta_f": 2})[0].total == 2 * step_of(alone)[0].total

    def test_without_disentanglement_there_is_no_regulariser(
        self, tiny_config: Config, tiny_sizes: InputSizes, inputs: Inputs, step_of: Step
    ) -> None:
        values: dict[str, Value] = {"disentangled": False}
        config = tiny_config.with_values(values)
        assert config.regularisers == Regularisers.none()
        outputs = DLF(config.model, tiny_sizes)(inputs, ALL)
        assert outputs.features is None
        assert outputs.shared_prediction is None
        assert outputs.specific_predictions is not None
        assert_no_effect(step_of, values, "margin", "beta_sh", *LAMBDAS)
        terms, _ = step_of(values)
        assert [float(getattr(terms, term)) for term in LAMBDAS.values()] == [0] * 4
        assert terms.total == terms.task > 0


def test_every_loss_has_its_name_in_the_record() -> None:
    assert set(EpochLosses.model_fields) == set(LossTerms._fields)
    assert set(LAMBDAS.values()) == set(Regularisers._fields)
