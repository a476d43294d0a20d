"""Our optimiser, against torch's classes."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dlf.training.adam import FusedAdam

ROOT = Path(__file__).parents[3]
RATES = (1e-2, 1e-3)


def parameters() -> list[nn.Parameter]:
    random = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=random)) for shape in ((3, 4), (5,), (2, 2))]


def give_gradients(own: list[nn.Parameter], step: int) -> None:
    random = torch.Generator().manual_seed(step)
    for parameter in own:
        parameter.grad = torch.randn(parameter.shape, generator=random)


def run(optimizer: torch.optim.Optimizer, own: list[nn.Parameter], steps: range) -> list[Tensor]:
    for step in steps:
        give_gradients(own, step)
        optimizer.step()
    return [parameter.detach() for parameter in own]


def ours(own: list[nn.Parameter], *, decoupled: bool = False) -> FusedAdam:
    groups = [(own[:2], RATES[0]), (own[2:], RATES[1])]
    return FusedAdam(groups, weight_decay=0.1, decoupled=decoupled)


@pytest.mark.parametrize("decoupled", [False, True])
def test_steps_are_those_of_torch(decoupled: bool) -> None:
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    theirs = parameters()
    groups = [{"params": theirs[:2], "lr": RATES[0]}, {"params": theirs[2:], "lr": RATES[1]}]
    expected = run(kind(groups, weight_decay=0.1), theirs, range(5))
    own = parameters()
    for mine, its in zip(run(ours(own, decoupled=decoupled), own, range(5)), expected, strict=True):
        torch.testing.assert_close(mine, its)


def test_a_restored_one_goes_on_as_if_nothing_had_happened() -> None:
    own = parameters()
    whole = run(ours(own), own, range(6))
    first = parameters()
    before = ours(first)
    run(before, first, range(3))
    before.param_groups[0]["lr"] = RATES[0]
    second = [nn.Parameter(parameter.detach().clone()) for parameter in first]
    after = ours(second)
    after.param_groups[0]["lr"] = 1.0
    after.load_state_dict(before.state_dict())
    for mine, its in zip(run(after, second, range(3, 6)), whole, strict=True):
        assert torch.equal(mine, its)


def test_no_training_loads_the_compiler() -> None:
    """Torch's own optimisers do, which is why there is one of ours."""
    script = (
        "import sys, torch; from torch import nn; from dlf.training.adam import FusedAdam\n"
        "x = nn.Parameter(torch.ones(2)); x.grad = torch.ones(2)\n"
        "own = FusedAdam([([x], 0.1)], weight_decay=0.0, decoupled=False)\n"
        "plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(own, patience=0)\n"
        "own.step(); plateau.step(1.0); plateau.step(1.0)\n"
        "assert abs(own.param_groups[0]['lr'] - 0.01) < 1e-9\n"
        "assert 'torch._dynamo' not in sys.modules\n"
        "torch.optim.Adam([x])\n"
        "assert 'torch._dynamo' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
