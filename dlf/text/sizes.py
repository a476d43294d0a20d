"""What a model must know of a dataset and of the text it is given from it."""

from dlf.config import DataConfig
from dlf.data.manifest import Manifest
from dlf.modalities import InputSizes, Modality, Statistics
from dlf.model.normalisation import scale_ratio, widely_apart
from dlf.text.source import Encoder, TextSource


def token_limit(manifest: Manifest, encoder: Encoder) -> int:
    """Return the most tokens of a clip: as many as the file pads to, if the encoder takes them."""
    return min(manifest.token_steps, encoder.max_tokens)


def input_sizes(manifest: Manifest, text: TextSource, data: DataConfig) -> InputSizes:
    """Return the sizes of a dataset with its text taken in one of the ways."""
    widths, time_steps = manifest.widths, manifest.time_steps
    if text.encoder is not None:
        widths = widths.model_copy(update={"text": text.encoder.width})
        limit = token_limit(manifest, text.encoder)
        time_steps = time_steps.model_copy(update={"text": limit})
    return InputSizes(widths=widths, time_steps=time_steps, normalised=_normalised(manifest, data))


def _normalised(manifest: Manifest, data: DataConfig) -> dict[Modality, Statistics]:
    both: dict[Modality, Statistics] = {
        "audio": manifest.statistics.audio,
        "vision": manifest.statistics.vision,
    }
    if data.normalisation == "off":
        return {}
    if data.normalisation == "on":
        return both
    return {m: found for m, found in both.items() if widely_apart(scale_ratio(found))}
