"""The losses of DLF: the four regularisers of the disentanglement, and the predictions' own.

Every term is a pure function of tensors, without a loop over samples and without reading a value
back, so that a step can be compiled, captured, and vectorised over configurations.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dlf.config import LossConfig
from dlf.encoder import Steps
from dlf.modalities import MODALITIES
from dlf.model import Outputs

NORM_FLOOR = 1e-12
"""added to squared norms, so that the cosine of a zero vector is zero"""


class LossWeights(NamedTuple):
    """The margin, the lambdas and the betas, as scalar tensors."""

    margin: Tensor
    lambda_r: Tensor
    lambda_s: Tensor
    lambda_m: Tensor
    lambda_o: Tensor
    beta_f: Tensor
    beta_sh: Tensor
    beta_sp_l: Tensor
    beta_sp_v: Tensor
    beta_sp_a: Tensor

    @classmethod
    def of(cls, config: LossConfig, device: torch.device) -> "LossWeights":
        """Return the weights of a configuration on a device."""
        return cls(*(torch.tensor(getattr(config, name), device=device) for name in cls._fields))


class LossTerms(NamedTuple):
    """The total loss, and its parts before their lambdas; each a scalar."""

    total: Tensor
    task: Tensor
    reconstruction: Tensor
    specific: Tensor
    margin: Tensor
    orthogonality: Tensor


def loss_terms(
    outputs: Outputs, labels: Tensor, weights: LossWeights, orthogonality_width: int | None
) -> LossTerms:
    """Return the losses of a batch.

    Args:
        outputs: of the model, for B clips.
        labels: [B], sentiment from -3 to 3.
        weights: the margin, lambdas and betas.
        orthogonality_width: channels per cosine of the orthogonality loss; none for all of them.
    """
    specific_predictions = outputs.specific_predictions
    task = (
        weights.beta_f * F.l1_loss(outputs.prediction, labels)
        + weights.beta_sh * F.l1_loss(outputs.shared_prediction, labels)
        + weights.beta_sp_l * F.l1_loss(specific_predictions["text"], labels)
        + weights.beta_sp_v * F.l1_loss(specific_predictions["vision"], labels)
        + weights.beta_sp_a * F.l1_loss(specific_predictions["audio"], labels)
    )
    terms = [
        torch.stack(
            [
                step_mean_squared_error(outputs.reconstructed[m], outputs.projected[m]),
                step_mean_squared_error(outputs.respecified[m], outputs.specific[m]),
                orthogonality_loss(outputs.specific[m], outputs.shared[m], orthogonality_width),
            ]
        )
        for m in MODALITIES
    ]
    reconstruction, specific, orthogonality = torch.stack(terms).sum(dim=0).unbind()
    margin = margin_loss(
        torch.cat([outputs.aligned[m] for m in MODALITIES]),
        labels.repeat(len(MODALITIES)),
        weights.margin,
    )
    total = (
        task
        + weights.lambda_r * reconstruction
        + weights.lambda_s * specific
        + weights.lambda_m * margin
        + weights.lambda_o * orthogonality
    )
    return LossTerms(total, task, reconstruction, specific, margin, orthogonality)


def step_mean_squared_error(estimate: Steps, target: Steps) -> Tensor:
    """Return the squared error, averaged over channels, valid steps and clips.

    It is the reconstruction loss L_r, and the specific loss L_s.
    """
    squared = (estimate.values - target.values).square().mean(dim=-1)
    return _mean_over_steps(squared, target)


def orthogonality_loss(specific: Steps, shared: Steps, row_width: int | None) -> Tensor:
    """Return L_o, the mean positive cosine of specific and shared features.

    One cosine per valid step, or one per `row_width` channels of it.
    """
    row = row_width or specific.values.shape[-1]
    batch, steps, width = specific.values.shape
    first = specific.values.reshape(batch, steps, width // row, row)
    second = shared.values.reshape(batch, steps, width // row, row)
    norms = (first.square().sum(-1) + NORM_FLOOR) * (second.square().sum(-1) + NORM_FLOOR)
    cosines = (first * second).sum(-1) / norms.sqrt()
    return _mean_over_steps(F.relu(cosines).mean(dim=-1), specific)


def margin_loss(features: Tensor, labels: Tensor, margin: Tensor) -> Tensor:
    """Return L_m, the margin loss of the aligned shared features (equation 7, as released).

    Every row is an anchor; rows of the same label are its positives, all others its negatives. A
    triplet costs max(0, margin |y_anchor - y_negative| - cos(positive) + cos(negative)); costs are
    averaged over an anchor's triplets, then over the anchors that have any.

    Args:
        features: [A, width], of all modalities of all clips.
        labels: [A]
        margin: scalar
    """
    unit = features / (features.square().sum(dim=1, keepdim=True) + NORM_FLOOR).sqrt()
    cosines = unit @ unit.T
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive = (same & ~itself).to(features.dtype)
    negative = (~same).to(features.dtype)
    wanted = margin * (labels[:, None] - labels[None, :]).abs() + cosines
    costs = F.relu(wanted[:, None, :] - cosines[:, :, None])
    sums = torch.einsum("apn,ap,an->a", costs, positive, negative)
    triplets = positive.sum(dim=1) * negative.sum(dim=1)
    means = sums / triplets.clamp(min=1)
    return means.sum() / (triplets > 0).sum().clamp(min=1)


def _mean_over_steps(costs: Tensor, steps: Steps) -> Tensor:
    """Average [B, T] over each clip's valid steps, then over the clips."""
    return (costs * steps.mask()).sum(dim=1).div(steps.lengths).mean()
