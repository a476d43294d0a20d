"""The kinds of parameter that a space is made of: real numbers, whole numbers and choices."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, cast

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dlf.config import Value

Choice = bool | int | float | str

Condition = Annotated[tuple[Choice, ...], Field(min_length=1)]
"""the values of another parameter with which this one exists"""


class Kind(BaseModel, ABC):
    """What all kinds have in common: the conditions under which the parameter exists."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    when: Mapping[str, Condition] = {}
    """by the name of the other parameter; all of them must hold"""

    @field_validator("when", mode="before")
    @classmethod
    def _one_value_is_a_list_of_one(cls, when: Any) -> Any:
        if not isinstance(when, Mapping):
            return when
        return {
            name: values if isinstance(values, list | tuple) else (values,)
            for name, values in when.items()
        }

    @abstractmethod
    def distribution(self) -> BaseDistribution:
        """Return the range in Optuna's terms."""

    @abstractmethod
    def suggest(self, trial: optuna.Trial, name: str) -> Value:
        """Ask a trial for a value."""

    @abstractmethod
    def contains(self, value: Value | None) -> bool:
        """Return whether a value lies in the range."""

    def exists_with(self, values: Mapping[str, Value | None]) -> bool:
        """Return whether the parameter exists in a configuration of these values."""
        return all(values[other] in wanted for other, wanted in self.when.items())

    @property
    def conditions(self) -> str:
        """The conditions in words, such as `when optimizer = adamw`; nothing without any."""
        if not self.when:
            return ""
        return "when " + " and ".join(
            f"{other} = {' or '.join(map(shown, wanted))}" for other, wanted in self.when.items()
        )


class Range(Kind):
    """A number from `low` to `high`, both included, on a grid of `step` if there is one."""

    low: float
    high: float
    log: bool = False
    step: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range cannot begin at {self.low}")
        if self.log and self.step is not None:
            raise ValueError("a log range has no step; leave out one of the two")
        if self.step is not None and _remainder(self.low, self.high, self.step):
            raise ValueError(f"steps of {self.step} from {self.low} do not arrive at {self.high}")
        return self

    def contains(self, value: Value | None) -> bool:
        """Return whether a value is a number within the ends, and on the grid."""
        if not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        steps = (value - self.low) / self.step
        return math.isclose(steps, round(steps), abs_tol=1e-8)

    def __str__(self) -> str:
        text = f"{self.low:g} to {self.high:g}"
        if self.step is not None:
            text += f", step {self.step:g}"
        return f"{text}, log" if self.log else text


class FloatRange(Range):
    """A real number."""

    type: Literal["float"]

    def distribution(self) -> BaseDistribution:
        """Return the range in Optuna's terms."""
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def suggest(self, trial: optuna.Trial, name: str) -> Value:
        """Ask a trial for a real number."""
        return trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)


class IntRange(Range):
    """A whole number."""

    type: Literal["int"]
    low: int
    high: int
    step: int | None = Field(None, gt=0)

    def distribution(self) -> BaseDistribution:
        """Return the range in Optuna's terms."""
        return IntDistribution(self.low, self.high, log=self.log, step=self.step or 1)

    def suggest(self, trial: optuna.Trial, name: str) -> Value:
        """Ask a trial for a whole number."""
        return trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step or 1)

    def contains(self, value: Value | None) -> bool:
        """Return whether a value is a whole number within the ends, and on the grid."""
        return isinstance(value, int | float) and value % 1 == 0 and super().contains(value)


class Choices(Kind):
    """One of a few values that have no order."""

    type: Literal["categorical"]
    choices: tuple[Choice, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _no_choice_twice(self) -> Self:
        if len(set(self.choices)) < len(self.choices):
            raise ValueError(f"a choice stands twice in {self}")
        return self

    def distribution(self) -> BaseDistribution:
        """Return the choices in Optuna's terms."""
        return CategoricalDistribution(self.choices)

    def suggest(self, trial: optuna.Trial, name: str) -> Value:
        """Ask a trial for one of the choices."""
        return cast(Value, trial.suggest_categorical(name, self.choices))

    def contains(self, value: Value | None) -> bool:
        """Return whether a value is one of the choices."""
        return value in self.choices

    def __str__(self) -> str:
        return " | ".join(map(shown, self.choices))


Parameter = Annotated[FloatRange | IntRange | Choices, Field(discriminator="type")]


def shown(value: Value | None) -> str:
    """Return a value as a space file or a command line would hold it."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    brief = f"{value:g}" if isinstance(value, float) else str(value)
    return brief if isinstance(value, str) or float(brief) == value else str(value)


def _remainder(low: float, high: float, step: float) -> Decimal:
    """What is left of a range after whole steps, without the error of binary fractions."""
    return (Decimal(str(high)) - Decimal(str(low))) % Decimal(str(step))
