"""The configuration of one DLF training: frozen, validated, and the same again through YAML.

Every leaf has a name of its own whichever section it stands in, so that a search space, a command
line and a tracking server all call it by one short name: `margin`, `lambda_r`, `learning_rate`.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dlf.command import BadInputError, one_line

Value = float | int | str


class Section(BaseModel):
    """A frozen part of the configuration that refuses names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelConfig(Section):
    """The architecture and its dropouts."""

    width: int = Field(50, ge=4, description="channels of every hidden representation")
    heads: int = Field(10, ge=1, description="attention heads; a divisor of the width")
    text_kernel: int = Field(5, ge=1, description="time steps under the text convolution")
    audio_kernel: int = Field(5, ge=1, description="time steps under the audio convolution")
    vision_kernel: int = Field(5, ge=1, description="time steps under the vision convolution")
    encoder_layers: int = Field(2, ge=1, description="layers of the specific and shared encoders")
    attractor_layers: int = Field(2, ge=1, description="layers of the attractors to language")
    memory_layers: int = Field(3, ge=1, description="layers after the audio, vision attractors")
    text_dropout: float = Field(0.5, ge=0, lt=1, description="on the text features")
    embedding_dropout: float = Field(0.2, ge=0, lt=1, description="on every encoder's input")
    text_attention_dropout: float = Field(
        0.3, ge=0, lt=1, description="on attention in language's own, shared and memory encoders"
    )
    audio_attention_dropout: float = Field(
        0.2, ge=0, lt=1, description="on attention in audio's own encoders and its attractor"
    )
    vision_attention_dropout: float = Field(
        0.0, ge=0, lt=1, description="on attention in vision's own encoders and its attractor"
    )
    relu_dropout: float = Field(0.0, ge=0, lt=1, description="inside every feed-forward layer")
    residual_dropout: float = Field(0.0, ge=0, lt=1, description="before every residual sum")
    output_dropout: float = Field(0.5, ge=0, lt=1, description="inside every prediction head")
    padding: Literal["masked", "reference"] = Field(
        "masked", description="masked ignores padding; reference sees it, as the released code does"
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a width of {self.width}")
        return self


class LossConfig(Section):
    """The margin mu of equation 7, and the weights of the decoupling and prediction losses."""

    margin: float = Field(0.15, ge=0, description="mu, per unit of difference between two labels")
    lambda_r: float = Field(0.1, ge=0, description="weight of the reconstruction loss")
    lambda_s: float = Field(0.1, ge=0, description="weight of the specific loss")
    lambda_m: float = Field(0.01, ge=0, description="weight of the margin loss")
    lambda_o: float = Field(0.01, ge=0, description="weight of the orthogonality loss")
    beta_f: float = Field(1.0, ge=0, description="weight of the fused prediction")
    beta_sh: float = Field(1.0, ge=0, description="weight of the shared prediction")
    beta_sp_l: float = Field(3.0, ge=0, description="weight of language's specific prediction")
    beta_sp_v: float = Field(1.0, ge=0, description="weight of vision's specific prediction")
    beta_sp_a: float = Field(1.0, ge=0, description="weight of audio's specific prediction")
    orthogonality_width: int | None = Field(
        None, ge=1, description="channels per cosine of the orthogonality loss; none: all of them"
    )


class TrainingConfig(Section):
    """The recipe: Adam, accumulated and clipped gradients, a plateau schedule, patience."""

    learning_rate: float = Field(1e-4, gt=0, description="of Adam")
    batch_size: int = Field(16, ge=2, description="clips per batch")
    accumulation: int = Field(10, ge=1, description="batches whose gradients make one step")
    clip_value: float = Field(0.6, gt=0, description="bound of every accumulated gradient entry")
    plateau_factor: float = Field(0.5, gt=0, lt=1, description="of the rate, when it plateaus")
    plateau_patience: int = Field(5, ge=0, description="epochs without a better MAE before that")
    patience: int = Field(10, ge=1, description="epochs without a better MAE before the end")


class Config(Section):
    """Everything that one training depends on, beside its data, its seed and its epochs."""

    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _orthogonality_rows_fill_width(self) -> Self:
        rows = self.loss.orthogonality_width
        if rows is not None and self.model.width % rows:
            raise ValueError(
                f"orthogonality rows of {rows} do not fill a width of {self.model.width}"
            )
        return self

    def values(self) -> dict[str, Value | None]:
        """Return every leaf under its short name."""
        sections = (self.model, self.loss, self.training)
        return {name: value for section in sections for name, value in section}

    def with_values(self, values: Mapping[str, Value]) -> "Config":
        """Return a copy in which the leaves named in `values` are replaced.

        Raises:
            BadInputError: for a name that no leaf has, or a value that a leaf does not take.
        """
        tree = self.model_dump()
        for name, value in values.items():
            tree[section_of(name)][name] = value
        return _validated(tree)

    def to_yaml(self) -> str:
        """Return the configuration as YAML that `from_yaml` reads back to an equal one."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False)

    @classmethod
    def from_yaml(cls, text: str) -> "Config":
        """Read a configuration; sections and leaves that are left out take the defaults.

        Raises:
            BadInputError: when the text is no YAML mapping, or a name or value is not valid.
        """
        try:
            tree = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise BadInputError(f"the configuration is not YAML: {one_line(error)}") from error
        return _validated(tree)


def section_of(name: str) -> str:
    """Return the section in which the leaf `name` stands.

    Raises:
        BadInputError: naming the closest leaves, when there is none of that name.
    """
    for section, leaves in Config():
        if name in type(leaves).model_fields:
            return str(section)
    known = list(Config().values())
    close = get_close_matches(name, known, n=3, cutoff=0.4) or sorted(known)
    raise BadInputError(f"there is no parameter {name!r}; did you mean {' or '.join(close)}?")


def paper_config(dataset: str) -> Config:
    """Return the paper's own configuration for a dataset, as the authors released it."""
    if dataset != "mosei":
        return Config()
    return Config().with_values(
        {
            "text_kernel": 3,
            "audio_kernel": 3,
            "vision_kernel": 3,
            "text_dropout": 0.1,
            "embedding_dropout": 0.0,
            "text_attention_dropout": 0.5,
            "audio_attention_dropout": 0.0,
            "vision_attention_dropout": 0.0,
            "orthogonality_width": 10,
        }
    )


def _validated(tree: object) -> Config:
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the configuration"
        raise BadInputError(f"{where}: {first['msg']} (given {first['input']!r:.80})") from error
