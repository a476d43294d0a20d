"""The configuration of one DLF training: frozen, validated, and the same again through YAML.

Every leaf has a name of its own whichever section it stands in, so that a search space, a command
line and a tracking server all call it by one short name: `margin`, `lambda_r`, `learning_rate`.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dlf.command import BadInputError, one_line
from dlf.modalities import MODALITIES, Modality

Value = float | int | str


class Section(BaseModel):
    """A frozen part of the configuration that refuses names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelConfig(Section):
    """The architecture and its dropouts."""

    width: int = Field(50, ge=4, description="channels of every hidden representation")
    heads: int = Field(10, ge=1, description="attention heads, a divisor of the width")
    text_kernel: int = Field(5, ge=1, description="time steps under the text convolution")
    audio_kernel: int = Field(5, ge=1, description="time steps under the audio convolution")
    vision_kernel: int = Field(5, ge=1, description="time steps under the vision convolution")
    encoder_layers: int = Field(2, ge=1, description="layers of the specific and shared encoders")
    attractor_layers: int = Field(2, ge=1, description="layers of the attractors to language")
    memory_layers: int = Field(3, ge=1, description="layers after the audio, vision attractors")
    text_dropout: float = Field(0.5, ge=0, lt=1, description="share dropped of the text features")
    embedding_dropout: float = Field(
        0.2, ge=0, lt=1, description="share dropped of every encoder's input"
    )
    text_attention_dropout: float = Field(
        0.3,
        ge=0,
        lt=1,
        description="share dropped of attention in language's own, shared and memory encoders",
    )
    audio_attention_dropout: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="share dropped of attention in audio's own encoders and its attractor",
    )
    vision_attention_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share dropped of attention in vision's own encoders and its attractor",
    )
    relu_dropout: float = Field(
        0.0, ge=0, lt=1, description="share dropped inside every feed-forward layer"
    )
    residual_dropout: float = Field(
        0.0, ge=0, lt=1, description="share dropped before every residual sum"
    )
    output_dropout: float = Field(
        0.5, ge=0, lt=1, description="share dropped inside every prediction head"
    )
    padding: Literal["masked", "reference"] = Field(
        "masked", description="masked ignores padding; reference sees it, as the released code does"
    )

    modalities: Literal[
        "text+audio+vision",
        "text+audio",
        "text+vision",
        "audio+vision",
        "text",
        "audio",
        "vision",
    ] = Field("text+audio+vision", description="those that the model is given")
    disentangled: bool = Field(
        True, description="without it there are no shared features and no regularisers"
    )
    attractor: Literal["language", "own"] = Field(
        "language",
        description="the query of cross-attention: language, or each modality its own, as in MulT",
    )
    hierarchical: bool = Field(
        True, description="without it there are no specific and shared predictions"
    )

    @property
    def used_modalities(self) -> tuple[Modality, ...]:
        """The modalities that the model is given, in their order."""
        return tuple(m for m in MODALITIES if m in self.modalities.split("+"))

    def kernel(self, modality: Modality) -> int:
        """Return the time steps under a modality's convolution."""
        return {
            "text": self.text_kernel,
            "audio": self.audio_kernel,
            "vision": self.vision_kernel,
        }[modality]

    def attention_dropout(self, modality: Modality) -> float:
        """Return the rate of the dropout on a modality's attention."""
        return {
            "text": self.text_attention_dropout,
            "audio": self.audio_attention_dropout,
            "vision": self.vision_attention_dropout,
        }[modality]

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a width of {self.width}")
        return self


LAMBDAS = {
    "reconstruction": "lambda_r",
    "specific": "lambda_s",
    "margin": "lambda_m",
    "orthogonality": "lambda_o",
}
"""the regularisers, and what weighs each of them"""


class Regularisers(NamedTuple):
    """Which of the regularisers are in use."""

    reconstruction: bool
    specific: bool
    margin: bool
    orthogonality: bool

    @classmethod
    def none(cls) -> "Regularisers":
        """Return none of them: what a prediction needs."""
        return cls(**dict.fromkeys(cls._fields, False))


class LossConfig(Section):
    """The margin mu of equation 7, and the weights of the decoupling and prediction losses."""

    margin: float = Field(
        0.15, ge=0, description="mu: cosine per unit of sentiment between two labels"
    )
    lambda_r: float = Field(0.1, ge=0, description="weight of the reconstruction loss; 0: off")
    lambda_s: float = Field(0.1, ge=0, description="weight of the specific loss; 0: off")
    lambda_m: float = Field(0.01, ge=0, description="weight of the margin loss; 0: off")
    lambda_o: float = Field(0.01, ge=0, description="weight of the orthogonality loss; 0: off")
    beta_f: float = Field(1.0, ge=0, description="weight of the fused prediction")
    beta_sh: float = Field(1.0, ge=0, description="weight of the shared prediction")
    beta_sp_l: float = Field(3.0, ge=0, description="weight of language's specific prediction")
    beta_sp_v: float = Field(1.0, ge=0, description="weight of vision's specific prediction")
    beta_sp_a: float = Field(1.0, ge=0, description="weight of audio's specific prediction")
    orthogonality_width: int | None = Field(
        None, ge=1, description="channels per cosine of the orthogonality loss; none: all of them"
    )


class TrainingConfig(Section):
    """The recipe: an optimiser, accumulated and clipped gradients, a plateau schedule, patience."""

    optimizer: Literal["adam", "adamw"] = Field("adam", description="what takes the steps")
    learning_rate: float = Field(1e-4, gt=0, description="size of a step, to begin with")
    weight_decay: float = Field(
        0.0, ge=0, description="of all parameters, by the optimiser; 0: none"
    )
    batch_size: int = Field(16, ge=2, description="clips per batch")
    accumulation: int = Field(10, ge=1, description="batches whose gradients make one step")
    clipping: Literal["value", "norm", "none"] = Field(
        "value", description="what of the accumulated gradient is bounded: every entry, or the norm"
    )
    clip_at: float = Field(0.6, gt=0, description="the bound, in the gradient's own units")
    plateau_factor: float = Field(
        0.5, gt=0, lt=1, description="what the learning rates are multiplied by at a plateau"
    )
    plateau_patience: int = Field(
        5, ge=0, description="epochs without a better MAE before a plateau"
    )
    patience: int = Field(10, ge=1, description="epochs without a better MAE before the end")
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        "float32",
        description="of products; tf32 is quicker on a GPU and has fewer digits; bfloat16 is mixed "
        "precision; parameters stay float32",
    )
    compiled: bool = Field(
        False, description="by torch.compile, which takes minutes at first and needs a C++ compiler"
    )


class FinetuningConfig(Section):
    """How a text encoder inside the model learns along; without one nothing reads this."""

    text_learning_rate: float = Field(
        1e-4, gt=0, description="size of a step of the text encoder, to begin with"
    )
    text_warm_up: float = Field(
        0.0, ge=0, description="epochs over which that rate rises from zero; may be a fraction"
    )
    text_frozen_layers: int = Field(
        0, ge=0, description="first layers, with the embeddings, that do not learn; 0: all learn"
    )
    text_gradient_checkpointing: bool = Field(
        False, description="compute the encoder twice and hold less of it in memory"
    )


class DataConfig(Section):
    """How the features of a dataset are taken."""

    normalisation: Literal["auto", "on", "off"] = Field(
        "auto",
        description="of audio and vision, per feature; auto: where scales differ over 100 times",
    )


class Config(Section):
    """Everything that one training depends on, beside its data, its seed and its epochs."""

    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()
    finetuning: FinetuningConfig = FinetuningConfig()
    data: DataConfig = DataConfig()

    @model_validator(mode="after")
    def _orthogonality_rows_fill_width(self) -> Self:
        rows = self.loss.orthogonality_width
        if rows is not None and self.model.width % rows:
            raise ValueError(
                f"orthogonality rows of {rows} do not fill a width of {self.model.width}"
            )
        return self

    @property
    def regularisers(self) -> Regularisers:
        """The regularisers in use: those with a weight, of a model that disentangles at all."""
        weights = {name: getattr(self.loss, weight) for name, weight in LAMBDAS.items()}
        disentangled = self.model.disentangled
        return Regularisers(**{name: disentangled and w > 0 for name, w in weights.items()})

    def values(self) -> dict[str, Value | None]:
        """Return every leaf under its short name."""
        return {name: value for _, section in self for name, value in section}

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
        import yaml  # absent where only the model is installed

        return yaml.safe_dump(self.model_dump(), sort_keys=False)

    @classmethod
    def from_yaml(cls, text: str) -> "Config":
        """Read a configuration; sections and leaves that are left out take the defaults.

        Raises:
            BadInputError: when the text is no YAML mapping, or a name or value is not valid.
        """
        import yaml  # absent where only the model is installed

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


def _validated(tree: object) -> Config:
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the configuration"
        raise BadInputError(f"{where}: {first['msg']} (given {first['input']!r:.80})") from error
