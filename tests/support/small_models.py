"""Models with random weights that fit the generated dataset, which is as good as any to predict."""

from collections.abc import Mapping

import torch

from dlf.config import Config, Value
from dlf.modalities import InputSizes, PerModality
from dlf.model.dlf import DLF
from dlf.text.finetuned import pretrained_encoder
from dlf.text.source import TextSource
from dlf.trained_model import ModelCard, TrainedModel

PRECOMPUTED = TextSource(way="precomputed")
TEXT_WIDTH, AUDIO_WIDTH, VISION_WIDTH = 32, 5, 20
LONGEST = 50

SMALL_VALUES: Mapping[str, Value] = {
    "width": 8,
    "heads": 2,
    "encoder_layers": 1,
    "attractor_layers": 1,
    "memory_layers": 1,
}
SMALL = Config().with_values(SMALL_VALUES)
"""which trains in no time"""


def small_model(
    text: TextSource | None = PRECOMPUTED,
    values: dict[str, int | float | str] | None = None,
    *,
    widths: PerModality | None = None,
) -> TrainedModel:
    """Return a model that takes its text in one of the ways, or an imported one."""
    config = SMALL.with_values(values or {})
    encoder = None if text is None else text.encoder
    widths = widths or PerModality(
        text=TEXT_WIDTH if encoder is None else encoder.width,
        audio=AUDIO_WIDTH,
        vision=VISION_WIDTH,
    )
    sizes = InputSizes(
        widths=widths, time_steps=PerModality(text=LONGEST, audio=LONGEST, vision=LONGEST)
    )
    torch.manual_seed(0)
    learned = None if text is None else pretrained_encoder(text, config.finetuning)
    model = DLF(config.model, sizes, learned)
    return TrainedModel(model, config, ModelCard(dataset="synthetic", text=text, sizes=sizes))
