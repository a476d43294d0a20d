"""Features on one scale, by the statistics of train."""

import pytest
import torch

from dlf.config import Config
from dlf.modalities import InputSizes, Statistics
from dlf.model.dlf import DLF
from dlf.model.normalisation import Normalisation, scale_ratio
from dlf.model.steps import Features
from tests.support.clips import batch_of, whole_clips

LOUD = Statistics(mean=(200.0, 0.5, 7.0), deviation=(50.0, 0.01, 0.0))


def test_a_feature_is_shifted_and_scaled_and_a_constant_one_only_shifted() -> None:
    values = torch.tensor([[[250.0, 0.51, 7.0], [150.0, 0.49, 8.0]]])
    expected = torch.tensor([[[1.0, 1.0, 0.0], [-1.0, -1.0, 1.0]]])
    assert torch.allclose(Normalisation(LOUD)(values), expected, atol=1e-4)


def test_a_step_of_zeros_stays_one() -> None:
    values = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.5, 0.0]]])
    normalised = Normalisation(LOUD)(values)
    assert not normalised[0, 0].any()
    assert normalised[0, 1, 0] == -4


def test_the_ratio_is_that_of_the_features_that_vary() -> None:
    assert scale_ratio(LOUD) == pytest.approx(5000)
    rounded = Statistics(mean=(1e4, 0.0), deviation=(1e-3, 2.0))
    assert scale_ratio(rounded) == 1
    assert scale_ratio(Statistics(mean=(0.0,), deviation=(0.0,))) == 1


def test_a_model_is_blind_to_the_unit_of_a_feature(
    tiny_config: Config, tiny_sizes: InputSizes
) -> None:
    def predict(unit: float) -> torch.Tensor:
        audio = Statistics(mean=(1.0 * unit, 2.0, 3.0), deviation=(1.0 * unit, 1.0, 1.0))
        sizes = tiny_sizes.model_copy(update={"normalised": {"audio": audio}})
        torch.manual_seed(0)
        model = DLF(tiny_config.model, sizes).eval()
        inputs = batch_of(whole_clips(4, sizes))
        values, lengths = inputs["audio"]
        scaled = values * torch.tensor([unit, 1.0, 1.0])
        return model.predict(inputs | {"audio": Features(scaled, lengths)})

    assert torch.allclose(predict(1.0), predict(1e4), atol=1e-5)


def test_the_statistics_are_no_part_of_the_weights(
    tiny_config: Config, tiny_sizes: InputSizes
) -> None:
    audio = Statistics(mean=(0.0, 0.0, 0.0), deviation=(1.0, 1.0, 1.0))
    sizes = tiny_sizes.model_copy(update={"normalised": {"audio": audio}})
    plain, normalised = DLF(tiny_config.model, tiny_sizes), DLF(tiny_config.model, sizes)
    assert plain.state_dict().keys() == normalised.state_dict().keys()
