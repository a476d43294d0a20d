"""Our outputs, losses and gradients on a golden file's inputs, against the numbers it holds."""

import math
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dlf.command import BadInputError
from dlf.losses import LossWeights, loss_terms
from dlf.modalities import MODALITIES
from dlf.model.dlf import DLF, Outputs
from dlf.model.steps import Features, Sequences, separate
from dlf.reference.golden import (
    LAMBDAS_AND_BETAS,
    Array,
    GoldenFile,
    Setting,
    read_golden,
    setting_of,
)
from dlf.reference.names import LETTERS, places

BOUND = 1e-4
"""that no error may exceed: of outputs absolute, of losses and gradient norms relative"""

ROUNDING = 1e-6
"""of a file's largest gradient norm: what float32 makes of a zero stays below it"""


class Figures(NamedTuple):
    """What an evaluation comes to, under the names and in the layouts of the golden files."""

    outputs: dict[str, Tensor]
    losses: dict[str, float]
    grad_norms: dict[str, float]
    """of the total loss, by released parameter; a parameter without gradient is left out"""


class Errors(NamedTuple):
    """How far our figures are from those of a file, each under its name."""

    outputs: dict[str, float]
    """the largest absolute difference"""
    losses: dict[str, float]
    """relative"""
    grad_norms: dict[str, float]
    """relative"""

    def worst(self) -> tuple[float, float, float]:
        """Return the largest of each kind; one that is not a number counts as infinite."""
        outputs, losses, grad_norms = (max(map(_ordered, kind.values())) for kind in self)
        return outputs, losses, grad_norms

    def beyond(self, bound: float) -> dict[str, float]:
        """Return the errors that are not within a bound, under their names in the file."""
        return {
            f"{folder}/{name}": error
            for folder, errors in zip(("output", "loss", "grad_norm"), self, strict=True)
            for name, error in errors.items()
            if not error <= bound
        }


def check(path: Path) -> Errors:
    """Evaluate our model in float64 on a golden file, and return how far it is from the file.

    Raises:
        BadInputError: when the file cannot be read, is incomplete, or does not fit together.
    """
    file = read_golden(path)
    try:
        setting, theirs = setting_of(file), released_figures(file)
        return compare(our_figures(setting, setting.model().double()), theirs)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from error


def released_figures(file: GoldenFile) -> Figures:
    """Return the figures that a file holds.

    Raises:
        BadInputError: when a loss or the fused prediction is missing, or a loss is no number.
    """
    outputs = {name: torch.from_numpy(x.astype("f8")) for name, x in file.under("output").items()}
    losses = {name: _number(f"loss/{name}", x) for name, x in file.under("loss").items()}
    norms = {name: _number(f"grad_norm/{name}", x) for name, x in file.under("grad_norm").items()}
    betas = [name for name in LAMBDAS_AND_BETAS if name.startswith("beta_")]
    missing = [
        f"loss/{name}" for name in ("r", "s", "m", "o", *betas, "total") if name not in losses
    ]
    if "output_logit" not in outputs:
        missing.append("output/output_logit")
    if missing:
        raise BadInputError(f"there is no {missing[0]} to compare with")
    return Figures(outputs, losses, norms)


def our_figures(setting: Setting, model: DLF) -> Figures:
    """Evaluate a model on a file's inputs, in the model's own precision.

    All four regularisers are computed, those too that have no weight in the total loss.
    """
    dtype = next(model.parameters()).dtype
    everything = setting.config.with_values(
        {name: 1.0 for name in LAMBDAS_AND_BETAS if name.startswith("lambda_")}
    )
    weights = LossWeights(
        *(
            torch.tensor(getattr(setting.config.loss, name), dtype=dtype)
            for name in LossWeights._fields
        )
    )
    inputs = {
        m: Features(values.to(dtype), torch.full((len(values),), values.shape[1]))
        for m, values in setting.inputs.items()
    }
    labels = setting.labels.to(dtype)
    model.zero_grad()
    outputs = model(inputs, everything.regularisers)
    terms = loss_terms(outputs, labels, weights, everything)
    terms.total.backward()
    gradients = {
        name: parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    laid_out = _laid_out(outputs)
    losses = {
        "r": terms.reconstruction,
        "s": terms.specific,
        "m": terms.margin,
        "o": terms.orthogonality,
        "total": terms.total,
        "beta_f": F.l1_loss(outputs.prediction, labels),
        "beta_sh": F.l1_loss(laid_out["logits_c"].squeeze(1), labels),
    }
    for letter in LETTERS.values():
        specific = laid_out[f"logits_{letter}_hetero"].squeeze(1)
        losses[f"beta_sp_{letter}"] = F.l1_loss(specific, labels)
    return Figures(
        outputs=laid_out,
        losses={name: loss.item() for name, loss in losses.items()},
        grad_norms={
            name: place.view.norm().item()
            for name, place in places(gradients, setting.sizes).items()
        },
    )


def compare(ours: Figures, theirs: Figures) -> Errors:
    """Return how far our figures are from theirs; outputs that they lack are not compared.

    Raises:
        BadInputError: when they have an output or a loss that we do not know, or of another shape.
    """
    outputs = {}
    for name, array in theirs.outputs.items():
        if name not in ours.outputs:
            raise BadInputError(f"output/{name} is no output of the released model")
        own = ours.outputs[name].double()
        if array.shape != own.shape:
            raise BadInputError(
                f"output/{name} has the shape {tuple(array.shape)}, not {tuple(own.shape)}"
            )
        outputs[name] = float((own - array).abs().max())
    if unknown := theirs.losses.keys() - ours.losses.keys():
        raise BadInputError(f"loss/{min(unknown)} is no loss of the released model")
    losses = {name: _relative(ours.losses[name], loss) for name, loss in theirs.losses.items()}
    norms = _norm_errors(ours.grad_norms, theirs.grad_norms)
    return Errors(outputs, losses, norms)


def _norm_errors(ours: dict[str, float], theirs: dict[str, float]) -> dict[str, float]:
    """Return the relative errors of gradient norms; one that only one side has is wrong by 1.

    Norms that are a rounding error on both sides are equal: where signs of errors cancel out, as
    they do in small batches, float32 leaves a remnant that is different every time. And where a
    batch has no triplets the released loss leaves out what ours gives a gradient of zero.
    """
    rounding = ROUNDING * max((norm for norm in theirs.values() if math.isfinite(norm)), default=0)
    found = dict.fromkeys(theirs.keys() - ours.keys(), 1.0)
    for name, norm in ours.items():
        other = theirs.get(name, 0.0)
        if norm <= rounding and other <= rounding:
            found[name] = 0.0
        else:
            found[name] = _relative(norm, other) if name in theirs else 1.0
    return found


def _laid_out(outputs: Outputs) -> dict[str, Tensor]:
    """Return our outputs under the released names and in the released layouts.

    Sequences are [T, B, width], but respecified ones [B, width, T]; predictions are [B, 1].
    """
    features = outputs.features
    assert features is not None
    assert features.reconstructed is not None
    assert features.respecified is not None
    assert features.aligned is not None
    assert outputs.shared_prediction is not None
    assert outputs.specific_predictions is not None
    found = {
        "output_logit": outputs.prediction[:, None],
        "logits_c": outputs.shared_prediction[:, None],
    }
    sequences = {
        "origin_*": features.projected,
        "s_*": features.specific,
        "c_*": features.shared,
        "recon_*": features.reconstructed,
    }
    for i, modality in enumerate(MODALITIES):
        letter = LETTERS[modality]
        for name, each in sequences.items():
            found[name.replace("*", letter)] = _sequence(each, i).transpose(0, 1)
        found[f"s_{letter}_r"] = _sequence(features.respecified, i).transpose(1, 2)
        found[f"c_{letter}_sim"] = features.aligned[i]
        found[f"logits_{letter}_hetero"] = outputs.specific_predictions[i][:, None]
    return {name: tensor.detach() for name, tensor in found.items()}


def _sequence(sequences: Sequences, index: int) -> Tensor:
    """Return one modality's sequences [B, T, width] without what pads them to a common stack."""
    values, lengths = separate(sequences)[index]
    return values[0, :, : int(lengths.max())]


def _number(name: str, array: Array) -> float:
    if array.size != 1:
        raise BadInputError(f"{name} has the shape {array.shape}, not one number")
    return float(array.item())


def _relative(ours: float, theirs: float) -> float:
    if ours == theirs:
        return 0.0
    return abs(ours - theirs) / abs(theirs) if theirs else math.inf


def _ordered(error: float) -> float:
    return math.inf if math.isnan(error) else error
