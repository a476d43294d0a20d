"""The prediction heads of the hierarchical predictions (HP)."""

import torch.nn.functional as F
from torch import Tensor, nn

from dlf.model.dropout import Dropout
from dlf.model.stacked import StackedLinear


class PredictionHeads(nn.Module):
    """N times two linear layers with a residual, and one number from their sum."""

    def __init__(self, members: int, width: int, dropout: float, *, predicts: bool = True) -> None:
        super().__init__()
        self.dropout = Dropout([dropout])
        self.first = StackedLinear(members, width, width)
        self.second = StackedLinear(members, width, width)
        self.out = StackedLinear(members, width, 1) if predicts else None

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Map [N, B, width] to hidden representations [N, B, width] and predictions [N, B]."""
        inner = self.dropout(F.relu(self.first(features)), self.training)
        hidden = features + self.second(inner)
        return hidden, None if self.out is None else self.out(hidden).squeeze(-1)
