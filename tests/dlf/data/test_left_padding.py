"""A file that pads on the left gives the same predictions as one that pads on the right."""

from typing import Any

import numpy as np
import pytest
import torch

from dlf.config import Config
from dlf.data.mmsa import clean
from dlf.modalities import InputSizes
from dlf.model.dlf import DLF
from dlf.training.batching import Clips
from dlf.training.inference import predict
from dlf.training.training import Training

Content = dict[str, dict[str, Any]]


@pytest.mark.parametrize("padding", ["masked", "reference"])
def test_the_side_of_padding_is_nothing_to_a_model(
    tiny_config: Config, content: Content, left_padded: Content, padding: str
) -> None:
    config = tiny_config.with_values({"padding": padding})
    assert not np.array_equal(content["train"]["text"], left_padded["train"]["text"])
    found, histories = [], []
    for source in (content, left_padded):
        dataset = clean(source)
        sizes = InputSizes(widths=dataset.widths, time_steps=dataset.time_steps)
        torch.manual_seed(0)
        model = DLF(config.model, sizes)
        splits = dataset.splits
        found.append(
            {
                name: predict(model, Clips(split, sizes, config, "cpu"), config)
                for name, split in splits.items()
            }
        )
        training = Training(config, sizes, splits["train"], splits["valid"], seed=0, max_epochs=2)
        histories.append([r.model_dump(exclude={"seconds"}) for r in training.epochs()])
    for name, predictions in found[0].items():
        assert np.array_equal(predictions, found[1][name]), name
        assert np.ptp(predictions) > 0
    assert histories[0] == histories[1]
