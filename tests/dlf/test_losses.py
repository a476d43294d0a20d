"""The losses, against loops that do what the equations say."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dlf.config import Config
from dlf.losses import (
    LossWeights,
    loss_terms,
    margin_loss,
    mean_squared_error,
    orthogonality_loss,
)
from dlf.model.disentanglement import Disentangled
from dlf.model.dlf import Outputs
from dlf.model.steps import Sequences, Steps

WIDTH = 6
NAMES = LossWeights._fields
LENGTHS = ((4, 1, 3), (2, 5, 1), (5, 5, 2))
"""of three clips in three modalities, all padded to five steps"""


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sequences(seed: int, garbage: float = 7.0, *, together: bool = True) -> Sequences:
    """All modalities in one stack, or each in its own, with garbage in the padding."""
    values, lengths = normal(seed, 3, 3, 5, WIDTH), torch.tensor(LENGTHS)
    for modality in range(3):
        for clip in range(3):
            values[modality, clip, lengths[modality, clip] :] = garbage
    if together:
        return (Steps(values, lengths),)
    return tuple(Steps(values[i, None], lengths[i, None]) for i in range(3))


def clip_by_clip(
    function: Callable[[Tensor, Tensor], Tensor], first: Sequences, second: Sequences
) -> float:
    """Average over the valid steps of a clip, then over clips, and sum over modalities."""
    (one,), (other,) = first, second
    return sum(
        float(
            np.mean(
                [
                    np.mean(
                        [
                            float(function(one.values[m, c, t], other.values[m, c, t]))
                            for t in range(length)
                        ]
                    )
                    for c, length in enumerate(lengths)
                ]
            )
        )
        for m, lengths in enumerate(LENGTHS)
    )


class TestMeanSquaredError:
    @pytest.mark.parametrize("together", [True, False])
    def test_averages_over_a_clips_valid_steps_then_over_clips(self, together: bool) -> None:
        expected = clip_by_clip(F.mse_loss, sequences(0), sequences(1))
        first = sequences(0, garbage=9.0, together=together)
        second = sequences(1, garbage=-9.0, together=together)
        assert float(mean_squared_error(first, second)) == pytest.approx(expected)

    def test_hand_worked(self) -> None:
        target = Steps(torch.zeros(1, 2, 2, 2), torch.tensor([[2, 1]]))
        estimate = target._replace(
            values=torch.tensor([[[[1.0, 1.0], [3.0, 1.0]], [[2.0, 4.0], [9.0, 9.0]]]])
        )
        assert float(mean_squared_error((estimate,), (target,))) == ((1 + 5) / 2 + 10) / 2

    def test_sums_over_modalities(self) -> None:
        one = Steps(torch.ones(1, 1, 1, 2), torch.tensor([[1]]))
        zero = one._replace(values=torch.zeros(1, 1, 1, 2))
        assert float(mean_squared_error((one, one, one), (zero, zero, one))) == 2


class TestOrthogonality:
    @pytest.mark.parametrize("together", [True, False])
    @pytest.mark.parametrize("row", [None, 6, 3, 2, 1])
    def test_mean_of_positive_cosines(self, row: int | None, together: bool) -> None:
        def positive_cosine(first: Tensor, second: Tensor) -> Tensor:
            rows = (x.view(-1, row or WIDTH) for x in (first, second))
            return F.cosine_similarity(*rows, dim=1).clamp(min=0).mean()

        expected = clip_by_clip(positive_cosine, sequences(0), sequences(1))
        specific, shared = (sequences(seed, together=together) for seed in (0, 1))
        ours = float(orthogonality_loss(specific, shared, row))
        assert ours == pytest.approx(expected)
        assert 0 < ours < 3

    def test_extremes(self) -> None:
        (some,) = sequences(0)
        opposite = (some._replace(values=-some.values),)
        assert float(orthogonality_loss((some,), (some,), None)) == pytest.approx(3)
        assert float(orthogonality_loss((some,), opposite, 2)) == 0

    def test_gradient_at_zero_features_is_finite(self) -> None:
        zero = Steps(torch.zeros(1, 2, 3, WIDTH, requires_grad=True), torch.tensor([[3, 1]]))
        other = zero._replace(values=torch.zeros(1, 2, 3, WIDTH))
        orthogonality_loss((zero,), (other,), None).backward()
        assert zero.values.grad is not None
        assert zero.values.grad.isfinite().all()


FEATURES = Disentangled(
    projected=sequences(0),
    specific=sequences(10),
    shared=sequences(20),
    reconstructed=sequences(30),
    respecified=sequences(40),
    aligned=normal(60, 3, 3, WIDTH),
    summary=normal(61, 3, 3, WIDTH),
)
OUTPUTS = Outputs(
    prediction=normal(50, 3),
    shared_prediction=normal(51, 3),
    specific_predictions=normal(52, 3, 3),
    features=FEATURES,
    fused=normal(53, 3, 6 * WIDTH),
)
LABELS = torch.tensor([1.0, 1.0, -2.0], dtype=torch.float64)
LAMBDAS = {
    "lambda_r": "reconstruction",
    "lambda_s": "specific",
    "lambda_m": "margin",
    "lambda_o": "orthogonality",
}
BETAS = {
    "beta_f": lambda outputs: outputs.prediction,
    "beta_sh": lambda outputs: outputs.shared_prediction,
    "beta_sp_l": lambda outputs: outputs.specific_predictions[0],
    "beta_sp_a": lambda outputs: outputs.specific_predictions[1],
    "beta_sp_v": lambda outputs: outputs.specific_predictions[2],
}


def terms_of(outputs: Outputs = OUTPUTS, **values: float) -> dict[str, float]:
    """The losses with all weights zero but those given."""
    config = Config().with_values(
        dict.fromkeys([*LAMBDAS, *BETAS], 0.0) | {"width": WIDTH, "heads": 1} | values
    )
    weights = LossWeights.of(config.loss, torch.device("cpu"))
    terms = loss_terms(outputs, LABELS, weights, config)
    assert all(term.shape == () for term in terms)
    return {name: float(term) for name, term in terms._asdict().items()}


class TestTerms:
    @pytest.mark.parametrize("name", LAMBDAS)
    @pytest.mark.parametrize("weight", [0.25, 1.0, 3.0])
    def test_lambdas_scale_their_term_alone(self, name: str, weight: float) -> None:
        terms = terms_of(**{name: weight})
        assert terms[LAMBDAS[name]] > 0
        assert terms["total"] == pytest.approx(weight * terms[LAMBDAS[name]], rel=1e-14)
        assert terms["task"] == 0
        off = set(LAMBDAS.values()) - {LAMBDAS[name]}
        assert {term: terms[term] for term in off} == dict.fromkeys(off, 0)

    @pytest.mark.parametrize("name", BETAS)
    @pytest.mark.parametrize("weight", [0.25, 1.0, 3.0])
    def test_betas_scale_the_error_of_their_prediction(self, name: str, weight: float) -> None:
        terms = terms_of(**{name: weight})
        expected = weight * float((BETAS[name](OUTPUTS) - LABELS).abs().mean())
        assert terms["task"] == pytest.approx(expected, rel=1e-14)
        assert terms["total"] == terms["task"]

    def test_every_term_reads_its_own_features(self) -> None:
        terms = terms_of(**dict.fromkeys(LAMBDAS, 1.0), margin=0.15, orthogonality_width=3)
        f = FEATURES
        assert f.aligned is not None
        assert f.reconstructed is not None
        assert f.respecified is not None
        expected = {
            "reconstruction": mean_squared_error(f.reconstructed, f.projected),
            "specific": mean_squared_error(f.respecified, f.specific),
            "orthogonality": orthogonality_loss(f.specific, f.shared, 3),
            "margin": margin_loss(
                torch.cat(f.aligned.unbind()), torch.cat([LABELS] * 3), torch.tensor(0.15)
            ),
        }
        for name, value in expected.items():
            assert terms[name] == pytest.approx(float(value), rel=1e-6), name

    def test_the_margin_reaches_its_term(self) -> None:
        values = [terms_of(lambda_m=1, margin=margin)["margin"] for margin in (0, 1)]
        assert values[0] < values[1]

    def test_total_is_the_weighted_sum(self) -> None:
        loss = Config().loss
        terms = terms_of(**{name: getattr(loss, name) for name in [*LAMBDAS, *BETAS]})
        weighted = [getattr(loss, name) * terms[term] for name, term in LAMBDAS.items()]
        assert terms["total"] == pytest.approx(terms["task"] + sum(weighted), rel=1e-7)

    @pytest.mark.parametrize("modality", [0, 1, 2])
    @pytest.mark.parametrize(
        ("name", "term"),
        [
            ("projected", "reconstruction"),
            ("respecified", "specific"),
            ("shared", "orthogonality"),
        ],
    )
    def test_every_modality_counts(self, name: str, term: str, modality: int) -> None:
        ((values, lengths),) = getattr(FEATURES, name)
        values = values.clone()
        values[modality] += 0.5
        moved = FEATURES._replace(**{name: (Steps(values, lengths),)})
        on = dict.fromkeys(LAMBDAS, 1.0)
        assert terms_of(OUTPUTS._replace(features=moved), **on)[term] != terms_of(**on)[term]

    @pytest.mark.parametrize("modality", [0, 1, 2])
    def test_every_modality_has_anchors(self, modality: int) -> None:
        assert FEATURES.aligned is not None
        aligned = FEATURES.aligned.clone()
        aligned[modality] *= -1
        moved = OUTPUTS._replace(features=FEATURES._replace(aligned=aligned))
        assert terms_of(moved, lambda_m=1)["margin"] != terms_of(lambda_m=1)["margin"]

    def test_weights_are_tensors_and_have_gradients(self) -> None:
        config = Config().with_values({"width": WIDTH, "heads": 1})
        weights = LossWeights(
            *(x.requires_grad_() for x in LossWeights.of(config.loss, torch.device("cpu")))
        )
        loss_terms(OUTPUTS, LABELS, weights, config).total.backward()
        assert [n for n, x in weights._asdict().items() if x.grad is None or x.grad == 0] == []
