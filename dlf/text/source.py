"""Where the text features of a study come from."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

TextWay = Literal["precomputed", "frozen", "finetune"]

TEXT_WAYS: tuple[TextWay, ...] = ("precomputed", "frozen", "finetune")
"""from the weakest to the strongest"""

PAPER_ENCODER = "bert-base-uncased"
"""which the paper fine-tunes"""


class Encoder(BaseModel):
    """A Hugging Face text encoder, as it must be the same for results to be comparable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """`minilm`, a name on the hub, or the absolute path of a folder"""
    revision: str
    """the sha256 of its configuration, vocabulary and weights"""
    width: int
    """channels of its last hidden state"""
    layers: int
    max_tokens: int
    """the longest sequence it takes, special tokens included"""


class TextSource(BaseModel):
    """One of the three ways, and the encoder of those that have one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    way: TextWay
    encoder: Encoder | None = None

    @model_validator(mode="after")
    def _an_encoder_where_it_is_used(self) -> Self:
        if (self.way == "precomputed") != (self.encoder is None):
            raise ValueError(f"text {self.way} does not go with encoder {self.encoder}")
        return self
