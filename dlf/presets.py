"""Named configurations; `paper` is the authors' own, for each dataset they report."""

from difflib import get_close_matches

from dlf.command import BadInputError
from dlf.config import Config, Value

_PAPER: dict[str, Value] = {
    "width": 50,
    "heads": 10,
    "encoder_layers": 2,
    "attractor_layers": 2,
    "memory_layers": 3,
    "relu_dropout": 0.0,
    "residual_dropout": 0.0,
    "output_dropout": 0.5,
    "margin": 0.15,
    "lambda_r": 0.1,
    "lambda_s": 0.1,
    "lambda_m": 0.01,
    "lambda_o": 0.01,
    "beta_f": 1.0,
    "beta_sh": 1.0,
    "beta_sp_l": 3.0,
    "beta_sp_v": 1.0,
    "beta_sp_a": 1.0,
    "optimizer": "adam",
    "learning_rate": 1e-4,
    "weight_decay": 0.0,
    "batch_size": 16,
    "accumulation": 10,
    "clipping": "value",
    "clip_at": 0.6,
    "plateau_factor": 0.5,
    "plateau_patience": 5,
    "patience": 10,
    "precision": "float32",
    "text_learning_rate": 1e-4,
    "text_warm_up": 0.0,
    "text_frozen_layers": 0,
}
"""what the released configuration says of both datasets"""

PRESETS: dict[str, dict[str, dict[str, Value]]] = {
    "paper": {
        "mosi": _PAPER
        | {
            "text_kernel": 5,
            "audio_kernel": 5,
            "vision_kernel": 5,
            "text_dropout": 0.5,
            "embedding_dropout": 0.2,
            "text_attention_dropout": 0.3,
            "audio_attention_dropout": 0.2,
            "vision_attention_dropout": 0.0,
        },
        "mosei": _PAPER
        | {
            "text_kernel": 3,
            "audio_kernel": 3,
            "vision_kernel": 3,
            "text_dropout": 0.1,
            "embedding_dropout": 0.0,
            "text_attention_dropout": 0.5,
            "audio_attention_dropout": 0.0,
            "vision_attention_dropout": 0.0,
            "orthogonality_width": 10,
        },
    },
}
"""by name and dataset; datasets that nobody published on take those of MOSI"""


def preset(name: str, dataset: str) -> Config:
    """Return a named configuration for a dataset.

    Raises:
        BadInputError: when there is none of that name.
    """
    if name not in PRESETS:
        (closest,) = get_close_matches(name, PRESETS, n=1, cutoff=0)
        raise BadInputError(f"there is no preset {name!r}; did you mean {closest}?")
    of_datasets = PRESETS[name]
    return Config().with_values(of_datasets.get(dataset, of_datasets["mosi"]))
