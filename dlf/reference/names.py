"""The released implementation's parameter names, and their places in our stacked tensors.

A place is a view: what is copied into it changes our tensor, and what it shows of a gradient is the
gradient of the one released parameter. So one table serves for reading, writing and comparing.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from dlf.modalities import MODALITIES, InputSizes, Modality

LETTERS: dict[Modality, str] = {"text": "l", "audio": "a", "vision": "v"}
"""by which the released names tell the modalities apart"""


def _each(name: str, modalities: Sequence[Modality] = MODALITIES) -> tuple[str, ...]:
    """Return a released name for each of some modalities; `*` stands for the letter."""
    return tuple(name.replace("*", LETTERS[m]) for m in modalities)


_OTHERS: tuple[Modality, ...] = ("audio", "vision")

ENCODERS = {
    "disentanglement.specific": _each("encoder_s_*"),
    "disentanglement.shared": ("encoder_c",),
    "disentanglement.summaries": _each("self_attentions_c_*"),
    "attractor.language": ("trans_l_mem",),
    "attractor.others": _each("trans_l_with_*", _OTHERS),
    "attractor.memories": _each("trans_*_mem", _OTHERS),
}
"""the released encoders that each of ours stacks, in the order of its members"""

CONVOLUTIONS = {
    f"projections.{m}.convolution": name
    for m, name in zip(MODALITIES, _each("proj_*"), strict=True)
}
ALIGNMENTS = {f"disentanglement.alignments.{i}": name for i, name in enumerate(_each("align_c_*"))}
RECONSTRUCTIONS = "disentanglement.reconstructions"

_STACKS = {
    **ENCODERS,
    RECONSTRUCTIONS: _each("decoder_*"),
    "specific_heads.first": _each("proj1_*_high"),
    "specific_heads.second": _each("proj2_*_high"),
    "specific_heads.out": _each("out_layer_*_high"),
    "specific_gates": _each("projector_*"),
    "shared_head.first": ("proj1_c",),
    "shared_head.second": ("proj2_c",),
    "shared_head.out": ("out_layer_c",),
    "fusion_head.first": ("proj1",),
    "fusion_head.second": ("proj2",),
    "fusion_head.out": ("out_layer",),
}
_SINGLE = {**CONVOLUTIONS, **ALIGNMENTS, "shared_gate": "projector_c"}

_LAYER_NAMES = {
    "attention_input": "self_attn.in_proj",
    "attention_output": "self_attn.out_proj",
    "attention_norm": "layer_norms.0",
    "feed_forward_norm": "layer_norms.1",
    "expand": "fc1",
    "contract": "fc2",
    "norm": "layer_norm",
}

_DEAD = re.compile(
    r"(proj_cosine_[lav]|(proj1|proj2|out_layer)_[lav]_low|trans_[av]_with_[lav])\."
    r"|.*\.(version|embed_positions\._float_tensor)$"
)


class Place(NamedTuple):
    """Where one released parameter is in one of our tensors."""

    view: Tensor
    """of our tensor; its rows, read one after the other, are the released parameter's"""
    shape: tuple[int, ...]
    """of the released parameter"""

    def released(self) -> Tensor:
        """Return what is here, in the released shape."""
        return self.view.reshape(self.shape)

    def fill(self, released: Tensor) -> None:
        """Overwrite our tensor here with a tensor of the released shape."""
        self.view.copy_(released.reshape(self.view.shape))


def is_dead(name: str) -> bool:
    """Whether the released implementation keeps a parameter or buffer that nothing reads."""
    return _DEAD.match(name) is not None


def places(tensors: Mapping[str, Tensor], sizes: InputSizes) -> dict[str, Place]:
    """Return the places of all released parameters in some of our tensors, by released name.

    Args:
        tensors: by our own names and in our own shapes: parameters, or their gradients.
        sizes: to which the model is fitted.
    """
    found: dict[str, Place] = {}
    for name, tensor in tensors.items():
        if stack := _module_of(name, _STACKS):
            for released, member in zip(_STACKS[stack], tensor, strict=True):
                view = _of_member(member, convolved=stack == RECONSTRUCTIONS)
                found[_renamed(name, stack, released)] = Place(view, tuple(view.shape))
        else:
            single = _module_of(name, _SINGLE)
            assert single is not None, name
            found[_renamed(name, single, _SINGLE[single])] = _of_single(tensor, single, sizes)
    return found


def _module_of(name: str, modules: Mapping[str, object]) -> str | None:
    return next((module for module in modules if name.startswith(f"{module}.")), None)


def _renamed(name: str, module: str, released: str) -> str:
    """Return the released name of one of our parameters, or of its part in one member."""
    *layers, leaf = name.removeprefix(f"{module}.").split(".")
    path = ".".join([released, *(_LAYER_NAMES.get(layer, layer) for layer in layers)])
    # queries, keys and values share a parameter, not a module
    return f"{path}_{leaf}" if path.endswith("in_proj") else f"{path}.{leaf}"


def _of_member(member: Tensor, *, convolved: bool) -> Tensor:
    """Return the released view of a member's weight [inputs, outputs], bias or norm [1, width]."""
    if len(member) == 1:
        return member[0]
    return member.T.unsqueeze(-1) if convolved else member.T


def _of_single(tensor: Tensor, module: str, sizes: InputSizes) -> Place:
    """Return the place in a tensor that is not stacked.

    Where ours puts steps end to end, the released weight has the channels first.
    """
    if tensor.dim() == 1 or module not in CONVOLUTIONS | ALIGNMENTS:
        return Place(tensor, tuple(tensor.shape))
    if module in ALIGNMENTS:
        channels = len(tensor)
        view = tensor.unflatten(1, (-1, channels)).transpose(1, 2)
        return Place(view, tuple(tensor.shape))
    modality = MODALITIES[list(CONVOLUTIONS).index(module)]
    view = tensor.unflatten(1, (-1, sizes.widths[modality])).transpose(1, 2)
    return Place(view, tuple(view.shape))
