"""The losses of DLF: the four regularisers of the disentanglement, and the predictions' own.

Every term is a pure function of tensors, without a loop over samples and without reading a value
back, so that a step can be compiled, captured, and vectorised over configurations.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dlf.config import Config, LossConfig
from dlf.modalities import Modality
from dlf.model.dlf import Outputs
from dlf.model.steps import Sequences

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

    def beta_of(self, modality: Modality) -> Tensor:
        """Return the weight of a modality's specific prediction."""
        return {"text": self.beta_sp_l, "audio": self.beta_sp_a, "vision": self.beta_sp_v}[modality]


class LossTerms(NamedTuple):
    """The total loss, and its parts before their lambdas; each a scalar."""

    total: Tensor
    task: Tensor
    reconstruction: Tensor
    specific: Tensor
    margin: Tensor
    orthogonality: Tensor


def loss_terms(outputs: Outputs, labels: Tensor, weights: LossWeights, config: Config) -> LossTerms:
    """Return the losses of a batch; a regulariser that is not in use is zero.

    Args:
        outputs: of the model, for B clips.
        labels: [B], sentiment from -3 to 3.
        weights: the margin, lambdas and betas.
        config: of which only the structure is read: modalities, regularisers, orthogonality rows.
    """
    modalities, regularisers = config.model.used_modalities, config.regularisers
    task = _task_loss(outputs, labels, weights, modalities)
    reconstruction = specific = margin = orthogonality = torch.zeros_like(task)
    total = task
    features = outputs.features
    if features is not None:
        if regularisers.reconstruction and features.reconstructed is not None:
            reconstruction = mean_squared_error(features.reconstructed, features.projected)
            total = total + weights.lambda_r * reconstruction
        if regularisers.specific and features.respecified is not None:
            specific = mean_squared_error(features.respecified, features.specific)
            total = total + weights.lambda_s * specific
        if regularisers.margin and features.aligned is not None:
            anchors = features.aligned.flatten(0, 1)
            margin = margin_loss(anchors, labels.repeat(len(modalities)), weights.margin)
            total = total + weights.lambda_m * margin
        if regularisers.orthogonality:
            orthogonality = orthogonality_loss(
                features.specific, features.shared, config.loss.orthogonality_width
            )
            total = total + weights.lambda_o * orthogonality
    return LossTerms(total, task, reconstruction, specific, margin, orthogonality)


def _task_loss(
    outputs: Outputs, labels: Tensor, weights: LossWeights, modalities: Sequence[Modality]
) -> Tensor:
    """Return the mean absolute errors of all predictions, weighted by the betas."""
    task = weights.beta_f * F.l1_loss(outputs.prediction, labels)
    if outputs.shared_prediction is not None:
        task = task + weights.beta_sh * F.l1_loss(outputs.shared_prediction, labels)
    if outputs.specific_predictions is not None:
        errors = (outputs.specific_predictions - labels).abs().mean(dim=1)
        for modality, error in zip(modalities, errors, strict=True):
            task = task + weights.beta_of(modality) * error
    return task


def mean_squared_error(estimates: Sequences, targets: Sequences) -> Tensor:
    """Return squared errors, averaged over channels, valid steps and clips, summed over modalities.

    It is the reconstruction loss L_r, and the specific loss L_s. Values are [N, B, T, width].
    """
    costs = [
        (estimate.values - target.values).square().mean(dim=-1)
        for estimate, target in zip(estimates, targets, strict=True)
    ]
    return _mean_over_steps(costs, targets)


def orthogonality_loss(specific: Sequences, shared: Sequences, row_width: int | None) -> Tensor:
    """Return L_o, the mean positive cosine of specific and shared features, summed over modalities.

    Values are [N, B, T, width]; one cosine per valid step, or one per `row_width` channels of it.
    """
    costs = []
    for own, common in zip(specific, shared, strict=True):
        *shape, width = own.values.shape
        row = row_width or width
        first = own.values.view(*shape, width // row, row)
        second = common.values.view(*shape, width // row, row)
        costs.append(F.relu(F.cosine_similarity(first, second, dim=-1)).mean(dim=-1))
    return _mean_over_steps(costs, specific)


def margin_loss(features: Tensor, labels: Tensor, margin: Tensor) -> Tensor:
    """Return L_m, the margin loss of the aligned shared features (equation 7, as released).

    Every row is an anchor; rows of the same label are its positives, all others its negatives. A
    triplet costs max(0, margin |y_anchor - y_negative| - cos(positive) + cos(negative)); costs are
    averaged over an anchor's triplets, then over the anchors that have any.

    No triplet is ever built: with the cosines of an anchor's positives sorted and summed up, what a
    negative costs follows from how many of them lie below its own cosine plus margin. So the memory
    grows with the square of the batch.

    Args:
        features: [A, width], of all modalities of all clips.
        labels: [A]
        margin: scalar
    """
    unit = features / (features.square().sum(dim=1, keepdim=True) + NORM_FLOOR).sqrt()
    cosines = unit @ unit.T
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive, negative = same & ~itself, (~same).to(features.dtype)
    wanted = margin * (labels[:, None] - labels[None, :]).abs() + cosines

    ordered = cosines.masked_fill(~positive, torch.inf).sort(dim=1).values
    below = torch.searchsorted(ordered.detach(), wanted.detach())
    sums = F.pad(ordered.masked_fill(ordered.isinf(), 0).cumsum(dim=1), (1, 0))
    costs = below * wanted - sums.gather(1, below)

    triplets = positive.sum(dim=1) * negative.sum(dim=1)
    means = (costs * negative).sum(dim=1) / triplets.clamp(min=1)
    return means.sum() / (triplets > 0).sum().clamp(min=1)


def _mean_over_steps(costs: list[Tensor], sequences: Sequences) -> Tensor:
    """Average costs [N, B, T] over each clip's valid steps and over clips; sum over modalities."""
    means = [
        (cost * steps.mask()).sum(dim=-1).div(steps.lengths).mean(dim=-1).sum()
        for cost, steps in zip(costs, sequences, strict=True)
    ]
    return torch.stack(means).sum()
