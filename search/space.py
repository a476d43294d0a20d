"""The search space: which parameters vary, and over which ranges, read from a YAML file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dlf.command import BadInputError, one_line
from dlf.config import Config, Value, section_of
from dlf.text.source import TextWay

SPACES = Path(__file__).parent / "spaces"
DEFAULT_SPACE = SPACES / "default.yaml"
FINETUNE_SPACE = SPACES / "finetune.yaml"


class Range(BaseModel):
    """A number from `low` to `high`, both included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range cannot begin at {self.low}")
        return self

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{', log' if self.log else ''}"


class FloatRange(Range):
    """A real number."""

    type: Literal["float"]

    def distribution(self) -> BaseDistribution:
        """Return the range in Optuna's terms."""
        return FloatDistribution(self.low, self.high, log=self.log)


class IntRange(Range):
    """A whole number."""

    type: Literal["int"]
    low: int
    high: int

    def distribution(self) -> BaseDistribution:
        """Return the range in Optuna's terms."""
        return IntDistribution(self.low, self.high, log=self.log)


class Choices(BaseModel):
    """One of a few values that have no order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["categorical"]
    choices: tuple[Value, ...] = Field(min_length=2)

    def distribution(self) -> BaseDistribution:
        """Return the choices in Optuna's terms."""
        return CategoricalDistribution(self.choices)

    def __str__(self) -> str:
        return " | ".join(map(str, self.choices))


Parameter = Annotated[FloatRange | IntRange | Choices, Field(discriminator="type")]


class Space(BaseModel):
    """All parameters that vary, under the names that the configuration gives them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: Mapping[str, Parameter] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for name in self.parameters:
            section_of(name)
        return self

    @classmethod
    def load(cls, path: Path = DEFAULT_SPACE) -> "Space":
        """Read a space from YAML.

        Raises:
            BadInputError: when the file cannot be read, or a name or a range in it is not valid.
        """
        try:
            tree = yaml.safe_load(path.read_text(encoding="utf-8"))
            return cls.model_validate({"parameters": tree})
        except OSError as error:
            raise BadInputError(f"the space {path} cannot be read: {error.strerror}") from error
        except yaml.YAMLError as error:
            raise BadInputError(f"the space {path} is not YAML: {one_line(error)}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = " ".join(map(str, first["loc"][1:2])) or "the file"
            raise BadInputError(f"in the space {path}, {where}: {first['msg']}") from error

    @classmethod
    def of_text(cls, way: TextWay) -> "Space":
        """Return the default space of a way to take the text."""
        default = cls.load()
        if way != "finetune":
            return default
        return cls(parameters={**default.parameters, **cls.load(FINETUNE_SPACE).parameters})

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return every parameter in Optuna's terms."""
        return {name: parameter.distribution() for name, parameter in self.parameters.items()}

    def values_of(self, config: Config) -> dict[str, Value]:
        """Return the values that a configuration has for the parameters of the space."""
        values = config.values()
        return {name: value for name in self.parameters if (value := values[name]) is not None}
