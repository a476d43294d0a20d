"""The plain model that files are made with is the released one: it comes to the same numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.dlf.reference.released import LETTERS, Released, Shape

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.mark.parametrize("name", ["deep", "mosei", "small", "unaligned"])
def test_the_same_numbers(name: str) -> None:
    with np.load(GOLDEN / f"reference_{name}.npz") as file:
        numbers = {key: file[key] for key in file}
    meta = json.loads(numbers["meta"].item())
    shape = Shape(
        width=meta["d_model"],
        heads=meta["heads"],
        kernels=dict.fromkeys(LETTERS, meta["conv_kernel"]),
        features=meta["feature_dims"],
        steps=meta["seq_len"],
        rows=meta["orthogonality_width"],
        margin=meta["margin"],
        weights=meta["weights"],
    )
    released = Released(shape)
    released.state = {
        key.removeprefix("state/"): torch.tensor(array).double()
        for key, array in numbers.items()
        if key.startswith("state/")
    }
    outputs = released.outputs({m: torch.tensor(numbers[f"input/{m}"]).double() for m in LETTERS})
    losses = released.losses(outputs, torch.tensor(numbers["input/label"]).double())
    assert len(outputs) == sum(key.startswith("output/") for key in numbers)
    for key, tensor in outputs.items():
        np.testing.assert_allclose(tensor, numbers[f"output/{key}"], rtol=0, atol=5e-5, err_msg=key)
    assert len(losses) == sum(key.startswith("loss/") for key in numbers)
    for key, tensor in losses.items():
        np.testing.assert_allclose(tensor, numbers[f"loss/{key}"], rtol=1e-6, err_msg=key)
