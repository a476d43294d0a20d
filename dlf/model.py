"""DLF: disentangle each modality, draw audio and vision to language, predict on three levels.

The feature disentanglement module (FDM), language-focused attractor (LFA) and hierarchical
predictions (HP) of Wang et al., AAAI 2025, with the details of the released implementation.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlf.config import ModelConfig
from dlf.encoder import Encoder, EncoderDropouts, Steps
from dlf.modalities import MODALITIES, InputSizes, Modality

FUSION_ORDER: tuple[Modality, ...] = ("text", "vision", "audio")
"""Language, vision, audio: the order in which representations are concatenated."""

Sequences = dict[Modality, Steps]


class Outputs(NamedTuple):
    """What a forward pass gives to the losses; dictionaries have one entry per modality."""

    prediction: Tensor
    """[B], the fused prediction: the model's answer"""
    shared_prediction: Tensor
    """[B], from the shared features alone"""
    specific_predictions: dict[Modality, Tensor]
    """[B] each, from the specific features as drawn to language"""
    projected: Sequences
    """the convolved features, which the reconstruction aims at"""
    specific: Sequences
    """what is a modality's own"""
    shared: Sequences
    """what it has in common with the others"""
    reconstructed: Sequences
    """the projected features, rebuilt from specific and shared"""
    respecified: Sequences
    """the specific encoders' reading of the reconstruction"""
    aligned: dict[Modality, Tensor]
    """[B, width] each, the shared features of all steps in one vector, for the margin loss"""


class DLF(nn.Module):
    """The model, fitted to the feature widths and the longest sequences of a dataset."""

    def __init__(self, config: ModelConfig, sizes: InputSizes) -> None:
        super().__init__()
        self.config = config
        self.sizes = sizes
        width = config.width
        attention_dropouts = {
            "text": config.text_attention_dropout,
            "audio": config.audio_attention_dropout,
            "vision": config.vision_attention_dropout,
        }

        def encoder(layers: int, dropout_of: Modality) -> Encoder:
            dropouts = EncoderDropouts(
                embedding=config.embedding_dropout,
                attention=attention_dropouts[dropout_of],
                relu=config.relu_dropout,
                residual=config.residual_dropout,
            )
            return Encoder(width, config.heads, layers, dropouts)

        self.projections = nn.ModuleDict(
            {
                m: nn.Conv1d(sizes.widths[m], width, self.kernel(m), bias=False)
                for m in MODALITIES
                if sizes.widths[m] != width
            }
        )
        self.specific = nn.ModuleDict({m: encoder(config.encoder_layers, m) for m in MODALITIES})
        self.shared = encoder(config.encoder_layers, "text")
        self.reconstructions = nn.ModuleDict(
            {m: nn.Linear(2 * width, width, bias=False) for m in MODALITIES}
        )
        self.alignments = nn.ModuleDict(
            {m: nn.Linear(width * self.projected_steps(m), width) for m in MODALITIES}
        )
        self.summaries = nn.ModuleDict({m: encoder(config.encoder_layers, m) for m in MODALITIES})
        self.shared_head = PredictionHead(len(MODALITIES) * width, config.output_dropout)
        self.attractors = nn.ModuleDict(
            {m: encoder(config.attractor_layers, m) for m in MODALITIES}
        )
        self.memories = nn.ModuleDict(
            {m: encoder(config.memory_layers, "text") for m in MODALITIES if m != "text"}
        )
        self.specific_heads = nn.ModuleDict(
            {m: PredictionHead(width, config.output_dropout) for m in MODALITIES}
        )
        self.specific_gates = nn.ModuleDict({m: nn.Linear(width, width) for m in MODALITIES})
        self.shared_gate = nn.Linear(len(MODALITIES) * width, len(MODALITIES) * width)
        self.fusion_head = PredictionHead(2 * len(MODALITIES) * width, config.output_dropout)

    def kernel(self, modality: Modality) -> int:
        """Return the time steps under a modality's convolution; 1 where there is none."""
        if self.sizes.widths[modality] == self.config.width:
            return 1
        return int(getattr(self.config, f"{modality}_kernel"))

    def projected_steps(self, modality: Modality) -> int:
        """Return the time steps that the longest sequence has after the convolution."""
        return max(1, self.sizes.time_steps[modality] - self.kernel(modality) + 1)

    def forward(self, inputs: Sequences) -> Outputs:
        """Predict the sentiment of a batch of clips.

        Args:
            inputs: per modality the features [B, T, feature width] and the valid lengths [B]; T may
                differ between modalities, and be any number up to the dataset's longest sequence.
        """
        projected = {m: self._project(m, inputs[m]) for m in MODALITIES}
        specific: Sequences = {m: self.specific[m](projected[m]) for m in MODALITIES}
        shared: Sequences = {m: self.shared(projected[m]) for m in MODALITIES}
        reconstructed = {m: self._reconstruct(m, specific[m], shared[m]) for m in MODALITIES}
        respecified: Sequences = {m: self.specific[m](reconstructed[m]) for m in MODALITIES}

        summary = torch.cat([self.summaries[m](shared[m]).last() for m in FUSION_ORDER], dim=1)
        _, shared_prediction = self.shared_head(summary)

        attracted = {m: self._attract(m, specific) for m in MODALITIES}
        hidden, specific_predictions = {}, {}
        for m in MODALITIES:
            hidden[m], specific_predictions[m] = self.specific_heads[m](attracted[m])
        gated = [torch.sigmoid(self.specific_gates[m](hidden[m])) for m in FUSION_ORDER]
        fused = torch.cat([*gated, torch.sigmoid(self.shared_gate(summary))], dim=1)
        _, prediction = self.fusion_head(fused)

        return Outputs(
            prediction=prediction,
            shared_prediction=shared_prediction,
            specific_predictions=specific_predictions,
            projected=projected,
            specific=specific,
            shared=shared,
            reconstructed=reconstructed,
            respecified=respecified,
            aligned={m: self._align(m, shared[m]) for m in MODALITIES},
        )

    def _project(self, modality: Modality, features: Steps) -> Steps:
        """Convolve [B, T, feature width] to [B, T - kernel + 1, width], at least one step."""
        values, lengths = features
        if self.config.padding == "reference":
            lengths = torch.full_like(lengths, values.shape[1])
        values = values * Steps(values, lengths).mask()[:, :, None]
        if modality == "text":
            values = F.dropout(values, self.config.text_dropout, self.training)
        kernel = self.kernel(modality)
        if modality not in self.projections:
            return Steps(values, lengths)
        short = max(0, kernel - values.shape[1])
        channels_first = F.pad(values, (0, 0, 0, short)).transpose(1, 2)
        convolved = self.projections[modality](channels_first).transpose(1, 2)
        return Steps(convolved, (lengths - kernel + 1).clamp(min=1))

    def _reconstruct(self, modality: Modality, specific: Steps, shared: Steps) -> Steps:
        both = torch.cat([specific.values, shared.values], dim=-1)
        return Steps(self.reconstructions[modality](both), specific.lengths)

    def _align(self, modality: Modality, shared: Steps) -> Tensor:
        """Flatten time, channel by channel, into one vector [B, width].

        The weights are those of the longest sequence; a shorter batch uses the first steps of them.
        """
        alignment = self.alignments[modality]
        assert isinstance(alignment, nn.Linear)
        width, steps = self.config.width, shared.values.shape[1]
        weight = alignment.weight.view(width, width, -1)[:, :, :steps].flatten(1)
        valid = shared.values * shared.mask()[:, :, None]
        return F.linear(valid.transpose(1, 2).flatten(1), weight, alignment.bias)

    def _attract(self, modality: Modality, specific: Sequences) -> Tensor:
        """Draw a modality's specific features to language, [B, width] (the LFA)."""
        if modality == "text":
            attracted: Steps = self.attractors["text"](specific["text"])
        else:
            drawn = self.attractors[modality](specific["text"], specific[modality])
            attracted = self.memories[modality](drawn)
        return attracted.last()


class PredictionHead(nn.Module):
    """Two linear layers with a residual, and one number from their sum (HP)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.out = nn.Linear(width, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the hidden representation [B, width] and the prediction [B]."""
        inner = F.dropout(F.relu(self.first(features)), self.dropout, self.training)
        hidden = features + self.second(inner)
        return hidden, self.out(hidden).squeeze(-1)
