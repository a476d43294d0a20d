"""The precision of products: how a configuration asks for it, and what torch is told meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dlf.config import Config


@contextmanager
def products_of(config: Config) -> Iterator[None]:
    """Let float32 products on a GPU be those of a configuration, forward and backward.

    Torch has one setting for the whole process, in which a worker trains one configuration after
    another; and left to itself it rounds the inputs of convolutions, but not of other products.
    """
    rounded = config.training.precision == "tf32"
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    _allow_tf32(rounded, rounded)
    try:
        yield
    finally:
        _allow_tf32(*before)


def autocast(config: Config, device: str) -> torch.autocast:
    """Return the context of a forward pass in the precision of a configuration."""
    mixed = config.training.precision == "bfloat16"
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=mixed)


def _allow_tf32(products: bool, convolutions: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = products
    torch.backends.cudnn.allow_tf32 = convolutions
