"""The losses, against loops that do what the equations say."""

from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dlf.config import LossConfig
from dlf.encoder import Steps
from dlf.losses import (
    LossWeights,
    loss_terms,
    margin_loss,
    orthogonality_loss,
    step_mean_squared_error,
)
from dlf.modalities import MODALITIES, Modality
from dlf.model import Outputs, Sequences

WIDTH = 6
NAMES = LossWeights._fields


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def margin_loss_by_loops(features: Tensor, labels: list[float], margin: float) -> float:
    unit = F.normalize(features, dim=1)
    cosines = (unit @ unit.T).tolist()
    means = []
    for anchor, label in enumerate(labels):
        costs = []
        for positive, negative in product(range(len(labels)), repeat=2):
            if positive == anchor or labels[positive] != label or labels[negative] == label:
                continue
            gap = margin * abs(label - labels[negative])
            costs.append(max(0.0, gap - cosines[anchor][positive] + cosines[anchor][negative]))
        if costs:
            means.append(sum(costs) / len(costs))
    return sum(means) / len(means) if means else 0.0


class TestMargin:
    @settings(max_examples=60, deadline=None)
    @given(
        labels=st.lists(st.sampled_from([-2.4, -1.0, 0.0, 0.2, 3.0]), min_size=1, max_size=8),
        margin=st.floats(0, 1),
        seed=st.integers(0, 1000),
    )
    def test_equals_loops(self, labels: list[float], margin: float, seed: int) -> None:
        features = normal(seed, len(labels), WIDTH)
        ours = margin_loss(
            features,
            torch.tensor(labels, dtype=torch.float64),
            torch.tensor(margin, dtype=torch.float64),
        )
        assert float(ours) == pytest.approx(
            margin_loss_by_loops(features, labels, margin), rel=1e-9, abs=1e-12
        )

    def test_hand_worked(self) -> None:
        features = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
        labels = torch.tensor([1.0, 1.0, -1.0])
        # both anchors of label 1: 0.15 * 2 - cos(90 degrees) + cos(45 degrees)
        assert float(margin_loss(features, labels, torch.tensor(0.15))) == pytest.approx(
            0.3 + 0.5**0.5
        )

    @pytest.mark.parametrize("labels", [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0], [1.0]])
    def test_nothing_to_compare_costs_nothing(self, labels: list[float]) -> None:
        features = normal(0, len(labels), WIDTH).requires_grad_()
        loss = margin_loss(features, torch.tensor(labels), torch.tensor(5.0))
        loss.backward()
        assert loss.item() == 0
        assert features.grad is not None
        assert not features.grad.any()

    def test_an_anchor_without_triplets_does_not_count(self) -> None:
        features, labels = normal(1, 4, WIDTH), torch.tensor([1.0, 1.0, 2.0, 2.0])
        alone = torch.cat([labels, torch.tensor([-3.0])])
        more = torch.cat([features, normal(2, 1, WIDTH)])
        expected = margin_loss_by_loops(more, alone.tolist(), 0.5)
        assert float(margin_loss(more, alone, torch.tensor(0.5))) == pytest.approx(expected)
        assert expected != pytest.approx(margin_loss_by_loops(features, labels.tolist(), 0.5))

    def test_gradient_at_zero_features_is_finite(self) -> None:
        features = torch.zeros(4, WIDTH, requires_grad=True)
        margin_loss(features, torch.tensor([1.0, 1, 2, 2]), torch.tensor(0.15)).backward()
        assert features.grad is not None
        assert features.grad.isfinite().all()


LENGTHS = (4, 1, 3)


def steps(seed: int, garbage: float = 1e3) -> Steps:
    """Three clips padded to five steps, with garbage in the padding."""
    values = normal(seed, len(LENGTHS), 5, WIDTH)
    for clip, length in enumerate(LENGTHS):
        values[clip, length:] = garbage
    return Steps(values, torch.tensor(LENGTHS))


class TestStepMeanSquaredError:
    def test_averages_over_a_clips_valid_steps_then_over_clips(self) -> None:
        first, second = steps(0, garbage=7.0), steps(1, garbage=-7.0)
        expected = np.mean(
            [
                F.mse_loss(first.values[clip, :length], second.values[clip, :length])
                for clip, length in enumerate(LENGTHS)
            ]
        )
        assert float(step_mean_squared_error(first, second)) == pytest.approx(expected)

    def test_hand_worked(self) -> None:
        target = Steps(torch.zeros(2, 2, 2), torch.tensor([2, 1]))
        estimate = target._replace(
            values=torch.tensor([[[1.0, 1.0], [3.0, 1.0]], [[2.0, 4.0], [9.0, 9.0]]])
        )
        assert float(step_mean_squared_error(estimate, target)) == ((1 + 5) / 2 + 10) / 2


class TestOrthogonality:
    @pytest.mark.parametrize("row", [None, 6, 3, 2, 1])
    def test_mean_of_positive_cosines(self, row: int | None) -> None:
        specific, shared = steps(0), steps(1)
        clips = []
        for clip, length in enumerate(LENGTHS):
            cosines = [
                F.cosine_similarity(first, second, dim=0).clamp(min=0)
                for step in range(length)
                for first, second in zip(
                    specific.values[clip, step].split(row or WIDTH),
                    shared.values[clip, step].split(row or WIDTH),
                    strict=True,
                )
            ]
            clips.append(np.mean(cosines))
        ours = orthogonality_loss(specific, shared, row)
        assert float(ours) == pytest.approx(np.mean(clips))
        assert 0 < float(ours) < 1

    def test_extremes(self) -> None:
        some = steps(0)
        opposite = some._replace(values=-some.values)
        assert float(orthogonality_loss(some, some, None)) == pytest.approx(1)
        assert float(orthogonality_loss(some, opposite, 2)) == 0

    def test_gradient_at_zero_features_is_finite(self) -> None:
        zero = Steps(torch.zeros(2, 3, WIDTH, requires_grad=True), torch.tensor([3, 1]))
        orthogonality_loss(zero, Steps(torch.zeros(2, 3, WIDTH), zero.lengths), None).backward()
        assert zero.values.grad is not None
        assert zero.values.grad.isfinite().all()


def sequences(seed: int) -> Sequences:
    return {m: steps(seed + i) for i, m in enumerate(MODALITIES)}


OUTPUTS = Outputs(
    prediction=normal(50, 3),
    shared_prediction=normal(51, 3),
    specific_predictions={m: normal(52 + i, 3) for i, m in enumerate(MODALITIES)},
    projected=sequences(0),
    specific=sequences(10),
    shared=sequences(20),
    reconstructed=sequences(30),
    respecified=sequences(40),
    aligned={m: normal(60 + i, 3, WIDTH) for i, m in enumerate(MODALITIES)},
)
LABELS = torch.tensor([1.0, 1.0, -2.0], dtype=torch.float64)


def weights(**values: float) -> LossWeights:
    zero = dict.fromkeys(NAMES, 0.0) | {"margin": 0.15}
    return LossWeights.of(LossConfig(**(zero | values)), torch.device("cpu"))


def by_modality(function: object, first: Sequences, second: Sequences, *others: object) -> float:
    assert callable(function)
    return sum(float(function(first[m], second[m], *others)) for m in MODALITIES)


class TestTerms:
    @pytest.mark.parametrize(
        ("name", "term"),
        [
            ("lambda_r", "reconstruction"),
            ("lambda_s", "specific"),
            ("lambda_m", "margin"),
            ("lambda_o", "orthogonality"),
        ],
    )
    @pytest.mark.parametrize("weight", [0.25, 1.0, 3.0])
    def test_lambdas_scale_their_term_alone(self, name: str, term: str, weight: float) -> None:
        terms = loss_terms(OUTPUTS, LABELS, weights(**{name: weight}), None)
        assert float(getattr(terms, term)) > 0
        assert float(terms.total) == weight * float(getattr(terms, term))
        assert float(terms.task) == 0

    @pytest.mark.parametrize(
        ("name", "prediction"),
        [
            ("beta_f", OUTPUTS.prediction),
            ("beta_sh", OUTPUTS.shared_prediction),
            ("beta_sp_l", OUTPUTS.specific_predictions["text"]),
            ("beta_sp_v", OUTPUTS.specific_predictions["vision"]),
            ("beta_sp_a", OUTPUTS.specific_predictions["audio"]),
        ],
    )
    @pytest.mark.parametrize("weight", [0.25, 1.0, 3.0])
    def test_betas_scale_the_error_of_their_prediction(
        self, name: str, prediction: Tensor, weight: float
    ) -> None:
        terms = loss_terms(OUTPUTS, LABELS, weights(**{name: weight}), None)
        expected = weight * float((prediction - LABELS).abs().mean())
        assert float(terms.task) == pytest.approx(expected, rel=1e-14)
        assert float(terms.total) == float(terms.task)

    def test_every_term_reads_its_own_features(self) -> None:
        terms = loss_terms(OUTPUTS, LABELS, weights(), 3)
        o = OUTPUTS
        expected = {
            "reconstruction": by_modality(step_mean_squared_error, o.reconstructed, o.projected),
            "specific": by_modality(step_mean_squared_error, o.respecified, o.specific),
            "orthogonality": by_modality(orthogonality_loss, o.specific, o.shared, 3),
            "margin": margin_loss_by_loops(
                torch.cat([o.aligned[m] for m in MODALITIES]), LABELS.tolist() * 3, 0.15
            ),
        }
        for name, value in expected.items():
            assert float(getattr(terms, name)) == pytest.approx(value, rel=1e-6), name

    def test_the_margin_reaches_its_term(self) -> None:
        values = [
            float(loss_terms(OUTPUTS, LABELS, weights(margin=x), None).margin) for x in (0, 1)
        ]
        assert values[0] < values[1]

    def test_total_is_the_weighted_sum(self) -> None:
        config = LossConfig()
        terms = loss_terms(OUTPUTS, LABELS, LossWeights.of(config, torch.device("cpu")), None)
        expected = (
            terms.task
            + config.lambda_r * terms.reconstruction
            + config.lambda_s * terms.specific
            + config.lambda_m * terms.margin
            + config.lambda_o * terms.orthogonality
        )
        assert float(terms.total) == pytest.approx(float(expected), rel=1e-7)

    @pytest.mark.parametrize("m", MODALITIES)
    def test_every_modality_counts(self, m: Modality) -> None:
        def moved(name: str) -> Outputs:
            field = getattr(OUTPUTS, name)
            value = field[m]
            other = value._replace(values=value.values + 0.5) if name != "aligned" else -value
            return OUTPUTS._replace(**{name: field | {m: other}})

        before = loss_terms(OUTPUTS, LABELS, weights(), None)
        for name, term in {
            "projected": "reconstruction",
            "respecified": "specific",
            "shared": "orthogonality",
            "aligned": "margin",
        }.items():
            after = loss_terms(moved(name), LABELS, weights(), None)
            assert float(getattr(after, term)) != float(getattr(before, term)), name
