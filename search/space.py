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

DEFAULT_SPACE = Path(__file__).parent / "spaces" / "default.yaml"


class FloatRange(BaseModel):
    """A real number from `low` to `high`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["float"]
    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _check_range(self.low, self.high, self.log)
        return self

    def distribution(self) -> BaseDistribution:
        """Return the range in Optuna's terms."""
        return FloatDistribution(self.low, self.high, log=self.log)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{', log' if self.log else ''}"


class IntRange(BaseModel):
    """A whole number from `low` to `high`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["int"]
    low: int
    high: int
    log: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _check_range(self.low, self.high, self.log)
        return self

    def distribution(self) -> BaseDistribution:
        """Return the range in Optuna's terms."""
        return IntDistribution(self.low, self.high, log=self.log)

    def __str__(self) -> str:
        return f"{self.low} to {self.high}{', log' if self.log else ''}"


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

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return every parameter in Optuna's terms."""
        return {name: parameter.distribution() for name, parameter in self.parameters.items()}

    def values_of(self, config: Config) -> dict[str, Value]:
        """Return the values that a configuration has for the parameters of the space."""
        values = config.values()
        return {name: value for name in self.parameters if (value := values[name]) is not None}


def _check_range(low: float, high: float, log: bool) -> None:
    if not low < high:
        raise ValueError(f"low {low} is not below high {high}")
    if log and low <= 0:
        raise ValueError(f"a log range cannot begin at {low}")
