"""A text encoder inside the model, which learns along with it and is kept with it."""

import shutil
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from dlf.command import BadInputError
from dlf.config import FinetuningConfig
from dlf.model.steps import Features, valid_steps
from dlf.text.encoder import description_files, encoder_folder
from dlf.text.source import Encoder, TextSource


class TextEncoder(nn.Module):
    """Turns token ids into the last hidden state of a Hugging Face encoder.

    `folder` has the encoder's configuration and its tokenizer's files, for `describe` to copy.
    """

    def __init__(self, encoder: Any, folder: Path) -> None:
        super().__init__()
        self.encoder = encoder
        self.folder = folder
        # Nothing reads the pooler; its parameters would be kept and never learn.
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None

    @classmethod
    def untrained(cls, folder: Path) -> Self:
        """Build the architecture that a folder describes, for weights that come from elsewhere.

        Like that of `pretrained` it is in float32, whatever the folder's weights were saved in.
        """
        from transformers import AutoConfig, AutoModel

        _keep_quiet()
        from_config: Any = AutoModel.from_config
        config = AutoConfig.from_pretrained(folder)
        return cls(from_config(config, dtype=torch.float32), folder)

    @classmethod
    def pretrained(cls, source: Encoder, config: FinetuningConfig) -> Self:
        """Read an encoder's weights, and make it ready to learn as a configuration says.

        Raises:
            BadInputError: when the encoder is not to be found, or has too few layers to freeze.
        """
        from transformers import AutoModel

        _keep_quiet()
        folder = encoder_folder(source.name)
        encoder = AutoModel.from_pretrained(folder, dtype=torch.float32)
        built = cls(encoder, folder)
        if config.text_frozen_layers:
            built.freeze(config.text_frozen_layers)
        if config.text_gradient_checkpointing:
            encoder.activation_checkpointing_enable({"use_reentrant": False})
        return built

    @property
    def vocabulary(self) -> int:
        """How many token ids there are, from 0 on."""
        return int(self.encoder.get_input_embeddings().num_embeddings)

    def freeze(self, count: int) -> None:
        """Take the embeddings and the first `count` layers out of learning.

        Raises:
            BadInputError: when there are fewer layers, or they are no modules of their own.
        """
        layers = self._layers()
        if count > len(layers):
            raise BadInputError(
                f"text_frozen_layers is {count} where the text encoder has {len(layers)} layers"
            )
        embeddings = getattr(self.encoder, "embeddings", self.encoder.get_input_embeddings())
        for part in (embeddings, *layers[:count]):
            part.requires_grad_(False)

    def forward(self, tokens: Features) -> Features:
        """Map token ids [B, T, 1] to hidden states [B, T, width]."""
        ids = tokens.values.squeeze(2).long()
        mask = valid_steps(tokens.lengths, ids.shape[1])
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return Features(hidden, tokens.lengths)

    def describe(self, folder: Path) -> None:
        """Write into `folder` all but the weights: what `untrained` and a tokenizer need."""
        folder.mkdir(parents=True, exist_ok=True)
        for file in description_files(self.folder):
            shutil.copyfile(file, folder / file.name)

    def _layers(self) -> list[nn.Module]:
        count = self.encoder.config.num_hidden_layers
        for stack in self.encoder.modules():
            if isinstance(stack, nn.ModuleList) and len(stack) == count:
                return list(stack)
        raise BadInputError(
            f"the {count} layers of the text encoder ({self.encoder.config.model_type}) share "
            "their weights, so that none can be frozen alone; leave text_frozen_layers at 0"
        )


def _keep_quiet() -> None:
    """Keep bars and reports about weights that nothing reads out of a search's own lines."""
    from transformers import logging as transformers_logging

    logging: Any = transformers_logging
    logging.disable_progress_bar()
    logging.set_verbosity_error()


def pretrained_encoder(text: TextSource, config: FinetuningConfig) -> TextEncoder | None:
    """Return the encoder that a training learns with; none where the text is features already."""
    if text.way != "finetune" or text.encoder is None:
        return None
    return TextEncoder.pretrained(text.encoder, config)


def untrained_encoder(text: TextSource) -> TextEncoder | None:
    """Return the same without its weights, for those of a training to be put in."""
    if text.way != "finetune" or text.encoder is None:
        return None
    return TextEncoder.untrained(encoder_folder(text.encoder.name))
