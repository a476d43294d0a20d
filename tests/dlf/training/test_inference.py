"""What a model says of a split: every clip in its place, and the representation behind it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from dlf.config import Config, Regularisers, Value
from dlf.data import Split
from dlf.modalities import InputSizes
from dlf.model.dlf import DLF
from dlf.training.batching import Clips
from dlf.training.inference import predict, predict_levels, represent


@pytest.fixture(scope="module")
def split(planted_split: Callable[..., Split]) -> Split:
    """Enough clips for several batches of an evaluation."""
    return planted_split(130, seed=3)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(("disentangled", "parts"), [(True, 2), (False, 1)])
def test_predictions_are_made_from_the_representations(
    tiny_config: Config,
    tiny_sizes: InputSizes,
    split: Split,
    disentangled: bool,
    parts: int,
    precision: str,
) -> None:
    config = tiny_config.with_values({"disentangled": disentangled, "precision": precision})
    torch.manual_seed(0)
    model = DLF(config.model, tiny_sizes)
    clips = Clips(split, tiny_sizes, config, "cpu")
    assert len(clips.in_order_of_length()) > 1
    predictions = predict(model, clips, config)
    representations = represent(model, clips, config)
    assert representations.shape == (130, parts * 3 * config.model.width)
    assert representations.dtype == predictions.dtype == np.float32
    assert ((representations > 0) & (representations < 1)).all(), "each is behind a gate"
    with torch.inference_mode():
        _, again = model.fusion_head(torch.from_numpy(representations)[None])
    bound = 1e-5 if precision == "float32" else 2e-2
    np.testing.assert_allclose(predictions, again.squeeze(0).numpy(), rtol=0, atol=bound)
    assert np.ptp(predictions) > 10 * bound


def test_every_clip_comes_in_its_place(
    tiny_config: Config, tiny_sizes: InputSizes, split: Split
) -> None:
    torch.manual_seed(0)
    model = DLF(tiny_config.model, tiny_sizes)
    clips = Clips(split, tiny_sizes, tiny_config, "cpu")
    predictions = predict(model, clips, tiny_config)
    representations = represent(model, clips, tiny_config)
    for row in range(0, len(split), 9):
        inputs = clips.batch(np.array([row])).inputs
        with torch.inference_mode():
            alone, behind = model.predict(inputs), model.represent(inputs)
        np.testing.assert_allclose(predictions[row], alone.item(), rtol=0, atol=1e-5)
        np.testing.assert_allclose(representations[row], behind[0].numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "specific"),
    [({}, 3), ({"modalities": "text+vision"}, 2), ({"hierarchical": False}, None)],
)
def test_levels_come_in_the_order_of_the_split(
    tiny_config: Config,
    tiny_sizes: InputSizes,
    split: Split,
    values: dict[str, Value],
    specific: int | None,
) -> None:
    config = tiny_config.with_values(values)
    torch.manual_seed(0)
    model = DLF(config.model, tiny_sizes)
    clips = Clips(split, tiny_sizes, config, "cpu")
    levels = predict_levels(model, clips, config)
    np.testing.assert_array_equal(levels.prediction, predict(model, clips, config))
    if specific is None:
        assert levels.specific is None
        return
    assert levels.specific is not None
    assert levels.specific.shape == (specific, 130)
    for row in range(0, len(split), 9):
        with torch.inference_mode():
            alone = model(clips.batch(np.array([row])).inputs, Regularisers.none())
        expected = alone.specific_predictions[:, 0].numpy()
        np.testing.assert_allclose(levels.specific[:, row], expected, rtol=0, atol=1e-5)
