"""DLF: disentangle each modality, draw audio and vision to language, predict on three levels.

The feature disentanglement module (FDM), language-focused attractor (LFA) and hierarchical
predictions (HP) of Wang et al., AAAI 2025, with the details of the released implementation.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dlf.config import ModelConfig, Regularisers
from dlf.modalities import InputSizes, Modality
from dlf.model.attractor import LanguageAttractor, OwnAttractor
from dlf.model.disentanglement import Disentangled, Disentanglement
from dlf.model.heads import PredictionHeads
from dlf.model.projection import Projection
from dlf.model.stacked import StackedLinear
from dlf.model.steps import Features, stacked
from dlf.text.finetuned import TextEncoder

FUSION_ORDER: tuple[Modality, ...] = ("text", "vision", "audio")
"""Language, vision, audio: the order in which representations are concatenated."""

Inputs = dict[Modality, Features]


class Outputs(NamedTuple):
    """What a forward pass gives to the losses."""

    prediction: Tensor
    """[B], the fused prediction: the model's answer"""
    shared_prediction: Tensor | None
    """[B], from the shared features alone"""
    specific_predictions: Tensor | None
    """[M, B], from the specific features of each modality, as drawn to language"""
    features: Disentangled | None
    """the features behind them; none without disentanglement"""
    fused: Tensor
    """[B, F], what the fused prediction is made of: specific representations, then shared ones"""


class LevelPredictions(NamedTuple):
    """The predictions of a batch of clips."""

    prediction: Tensor
    """[B], the fused prediction: the model's answer"""
    specific: Tensor | None
    """[M, B], from each modality's own features; none of a model without hierarchy"""


class DLF(nn.Module):
    """The model, fitted to the feature widths and the longest sequences of a dataset."""

    def __init__(
        self, config: ModelConfig, sizes: InputSizes, text_encoder: TextEncoder | None = None
    ) -> None:
        """Build the model; with a text encoder it takes token ids [B, T, 1] as its text."""
        super().__init__()
        self.config = config
        self.sizes = sizes
        self.modalities = config.used_modalities
        self.text_encoder = text_encoder if "text" in self.modalities else None
        count, width = len(self.modalities), config.width
        self.projections = nn.ModuleDict(
            {
                m: Projection(
                    sizes.widths[m],
                    width,
                    kernel=config.kernel(m),
                    longest=sizes.time_steps[m],
                    dropout=config.text_dropout if m == "text" else 0.0,
                    padding=config.padding,
                    statistics=sizes.normalised.get(m),
                )
                for m in self.modalities
            }
        )
        steps = {m: _steps(self.projections[m]) for m in self.modalities}
        self.disentanglement = Disentanglement(config, steps) if config.disentangled else None
        focused = config.attractor == "language" and "text" in self.modalities
        attractor = LanguageAttractor if focused else OwnAttractor
        self.attractor = attractor(config, self.modalities)

        dropout, predicts = config.output_dropout, config.hierarchical
        self.specific_heads = PredictionHeads(count, width, dropout, predicts=predicts)
        self.specific_gates = StackedLinear(count, width, width)
        self.shared_head = self.shared_gate = None
        if config.disentangled:
            self.shared_gate = nn.Linear(count * width, count * width)
            if config.hierarchical:
                self.shared_head = PredictionHeads(1, count * width, dropout)
        fused = (2 if config.disentangled else 1) * count * width
        self.fusion_head = PredictionHeads(1, fused, dropout)

    def forward(self, inputs: Inputs, regularisers: Regularisers) -> Outputs:
        """Predict the sentiment of a batch of clips.

        Args:
            inputs: per modality the features [B, T, feature width] and the valid lengths [B]; T may
                differ between modalities.
            regularisers: those in use; what only the others read is not computed.
        """
        if self.text_encoder is not None:
            inputs = inputs | {"text": self.text_encoder(inputs["text"])}
        projected = stacked(self.projections[m](inputs[m]) for m in self.modalities)
        features, specific = None, projected
        if self.disentanglement is not None:
            features = self.disentanglement(projected, regularisers)
            specific = features.specific
        hidden, specific_predictions = self.specific_heads(self.attractor(specific))
        parts = [self._in_a_row(torch.sigmoid(self.specific_gates(hidden)))]
        shared_prediction = None
        if features is not None and self.shared_gate is not None:
            summary = self._in_a_row(features.summary)
            parts.append(torch.sigmoid(self.shared_gate(summary)))
            if self.shared_head is not None:
                _, shared_prediction = self.shared_head(summary[None])
        fused = torch.cat(parts, dim=1)
        _, prediction = self.fusion_head(fused[None])
        return Outputs(
            prediction=prediction.squeeze(0),
            shared_prediction=None if shared_prediction is None else shared_prediction.squeeze(0),
            specific_predictions=specific_predictions,
            features=features,
            fused=fused,
        )

    def predict(self, inputs: Inputs) -> Tensor:
        """Return the predicted sentiment [B] of a batch of clips, and compute nothing else."""
        prediction: Tensor = self(inputs, Regularisers.none()).prediction
        return prediction

    def predict_levels(self, inputs: Inputs) -> LevelPredictions:
        """Return the predicted sentiment of a batch of clips, and that by each modality alone."""
        outputs: Outputs = self(inputs, Regularisers.none())
        return LevelPredictions(outputs.prediction, outputs.specific_predictions)

    def represent(self, inputs: Inputs) -> Tensor:
        """Return the fused representation [B, F] from which the sentiment of clips is predicted.

        F is the model's width times the modalities, twice that with disentanglement.
        """
        fused: Tensor = self(inputs, Regularisers.none()).fused
        return fused

    def _in_a_row(self, representations: Tensor) -> Tensor:
        """Concatenate [M, B, width] to [B, M * width], in the order of the fusion."""
        order = [self.modalities.index(m) for m in FUSION_ORDER if m in self.modalities]
        return torch.cat([representations[i] for i in order], dim=1)


def _steps(projection: nn.Module) -> int:
    assert isinstance(projection, Projection)
    return projection.steps
