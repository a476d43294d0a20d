"""The named configurations: the paper's own, for each dataset."""

import pytest

from dlf.command import BadInputError
from dlf.config import Config
from dlf.presets import preset

PAPER = {
    "width": 50,
    "heads": 10,
    "text_kernel": 5,
    "audio_kernel": 5,
    "vision_kernel": 5,
    "encoder_layers": 2,
    "attractor_layers": 2,
    "memory_layers": 3,
    "text_dropout": 0.5,
    "output_dropout": 0.5,
    "embedding_dropout": 0.2,
    "relu_dropout": 0,
    "residual_dropout": 0,
    "text_attention_dropout": 0.3,
    "audio_attention_dropout": 0.2,
    "vision_attention_dropout": 0,
    "modalities": "text+audio+vision",
    "disentangled": True,
    "attractor": "language",
    "hierarchical": True,
    "margin": 0.15,
    "lambda_r": 0.1,
    "lambda_s": 0.1,
    "lambda_m": 0.01,
    "lambda_o": 0.01,
    "beta_f": 1,
    "beta_sh": 1,
    "beta_sp_l": 3,
    "beta_sp_v": 1,
    "beta_sp_a": 1,
    "orthogonality_width": None,
    "optimizer": "adam",
    "learning_rate": 1e-4,
    "weight_decay": 0,
    "batch_size": 16,
    "accumulation": 10,
    "clipping": "value",
    "clip_at": 0.6,
    "plateau_factor": 0.5,
    "plateau_patience": 5,
    "patience": 10,
    "precision": "float32",
    "compiled": False,
    "text_learning_rate": 1e-4,
    "text_warm_up": 0,
    "text_frozen_layers": 0,
    "text_gradient_checkpointing": False,
    "normalisation": "auto",
}
"""all but the padding, which the released code has no choice of"""


@pytest.mark.parametrize("dataset", ["mosi", "synthetic"])
def test_the_paper_on_mosi(dataset: str) -> None:
    values = preset("paper", dataset).values()
    assert values.pop("padding") == "masked"
    assert values == PAPER


def test_the_paper_on_mosei_differs_where_it_was_released_so() -> None:
    mosi, mosei = preset("paper", "mosi").values(), preset("paper", "mosei").values()
    assert {name: mosei[name] for name in mosi if mosei[name] != mosi[name]} == {
        "text_kernel": 3,
        "audio_kernel": 3,
        "vision_kernel": 3,
        "text_dropout": 0.1,
        "embedding_dropout": 0.0,
        "text_attention_dropout": 0.5,
        "audio_attention_dropout": 0.0,
        "orthogonality_width": 10,
    }


def test_what_one_gets_without_asking_is_the_paper_on_mosi() -> None:
    assert Config() == preset("paper", "mosi")


@pytest.mark.parametrize("name", ["papr", "", "zzz"])
def test_an_unknown_name_is_one_sentence(name: str) -> None:
    with pytest.raises(BadInputError, match="paper") as caught:
        preset(name, "mosi")
    assert repr(name) in str(caught.value)
    assert "\n" not in str(caught.value)
