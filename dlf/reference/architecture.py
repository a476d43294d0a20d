"""The architecture that released parameters have, read from their names and shapes."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from dlf.command import BadInputError
from dlf.config import Config, Value
from dlf.modalities import MODALITIES, InputSizes, PerModality
from dlf.model.dlf import DLF
from dlf.reference.names import ALIGNMENTS, CONVOLUTIONS, ENCODERS, is_dead, places

Parameters = Mapping[str, Tensor]
"""by released name"""

WIDTH_OF = "encoder_c.layer_norm.weight"
"""the parameter that the width of the model is read from, which every file has"""

_LAYERS_OF = {
    "encoder_layers": (
        "disentanglement.specific",
        "disentanglement.shared",
        "disentanglement.summaries",
    ),
    "attractor_layers": ("attractor.language", "attractor.others"),
    "memory_layers": ("attractor.memories",),
}


class Architecture(NamedTuple):
    """What the parameters alone tell of a model."""

    values: dict[str, Value]
    """leaves of a configuration: width, kernels, layers, and the padding of the released code"""
    sizes: InputSizes

    def apply_to(self, config: Config, heads: int) -> Config:
        """Return a configuration with this architecture, of so many attention heads.

        Raises:
            BadInputError: when the heads do not divide the width, or a value is out of range.
        """
        width = self.values["width"]
        if heads < 1 or int(width) % heads:
            raise BadInputError(f"{heads} heads do not divide the width of {width}")
        return config.with_values({**self.values, "heads": heads})


def architecture_of(parameters: Parameters, features: PerModality | None = None) -> Architecture:
    """Read widths, kernels, layer counts and time steps from the shapes of released parameters.

    Args:
        parameters: of a model; any that are dead may be among them.
        features: the widths of its inputs, if there are any. Where one is the model's own width the
            convolution may be missing; without them nothing but the convolutions tells the widths.

    Raises:
        BadInputError: when a parameter that tells one of them is missing, or two contradict.
    """
    (width,) = _shape(parameters, WIDTH_OF, 1)
    values: dict[str, Value] = {"padding": "reference", "width": width}
    for leaf, stacks in _LAYERS_OF.items():
        values[leaf] = _layers(parameters, [name for stack in stacks for name in ENCODERS[stack]])
    widths, steps = {}, {}
    for modality, convolution, alignment in zip(
        MODALITIES, CONVOLUTIONS.values(), ALIGNMENTS.values(), strict=True
    ):
        channels, kernel = width, 1
        bypassed = features is not None and features[modality] == width
        if f"{convolution}.weight" in parameters or not bypassed:
            _, channels, kernel = _shape(parameters, f"{convolution}.weight", 3)
        if features is not None and features[modality] != channels:
            raise BadInputError(
                f"{convolution}.weight reads {channels} channels, "
                f"but the {modality} features have {features[modality]}"
            )
        _, flattened = _shape(parameters, f"{alignment}.weight", 2)
        if flattened % width:
            raise BadInputError(
                f"{alignment}.weight reads {flattened} channels, no multiple of the width {width}"
            )
        # features of the model's own width bypass the convolution, even where there is one
        lost = 0 if channels == width else kernel - 1
        values[f"{modality}_kernel"] = kernel
        widths[modality], steps[modality] = channels, flattened // width + lost
    sizes = InputSizes(widths=PerModality(**widths), time_steps=PerModality(**steps))
    return Architecture(values, sizes)


def build(config: Config, sizes: InputSizes, parameters: Parameters) -> DLF:
    """Return our model with released parameters, on the CPU and in evaluation mode.

    Raises:
        BadInputError: when a parameter is missing, has a shape that does not belong to the others,
            or is none that the released implementation has.
    """
    model = DLF(config.model, sizes)
    targets = places(model.state_dict(), sizes)
    if missing := [name for name in targets if name not in parameters]:
        raise BadInputError(f"{_some(missing)} missing among the parameters")
    unused = {f"{name}.weight" for name in CONVOLUTIONS.values()}
    known = targets.keys() | unused
    if unknown := [name for name in parameters if name not in known and not is_dead(name)]:
        raise BadInputError(f"{_some(unknown)} not among the parameters of the released model")
    for name, place in targets.items():
        shape = tuple(parameters[name].shape)
        if shape != place.shape:
            raise BadInputError(
                f"{name} has the shape {shape}; with the other parameters goes {place.shape}"
            )
    with torch.no_grad():
        for name, place in targets.items():
            place.fill(parameters[name])
    return model.eval()


def _shape(parameters: Parameters, name: str, dimensions: int) -> tuple[int, ...]:
    if name not in parameters:
        raise BadInputError(f"{name} is missing among the parameters")
    shape = tuple(parameters[name].shape)
    if len(shape) != dimensions or 0 in shape:
        raise BadInputError(f"{name} has the shape {shape}, not {dimensions} dimensions")
    return shape


def _layers(parameters: Parameters, encoders: list[str]) -> int:
    """Return the one number of layers that some encoders have."""
    found: dict[str, set[str]] = {encoder: set() for encoder in encoders}
    for name in parameters:
        match = re.match(r"(\w+)\.layers\.(\d+)\.", name)
        if match and match[1] in found:
            found[match[1]].add(match[2])
    counts = {encoder: len(layers) for encoder, layers in found.items()}
    first = counts[encoders[0]]
    for encoder, count in counts.items():
        if count == 0:
            raise BadInputError(f"{encoder} has no layers among the parameters")
        if count != first:
            raise BadInputError(
                f"{encoders[0]} and {encoder} must have the same number of layers, "
                f"not {first} and {count}"
            )
    return first


def _some(names: list[str]) -> str:
    """Name the first, and count the others: `a is`, `a and 2 more are`."""
    return f"{names[0]} is" if len(names) == 1 else f"{names[0]} and {len(names) - 1} more are"
