"""The search space: which parameters vary, over which ranges, and when, read from a YAML file."""

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Self

import optuna
import yaml
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dlf.command import BadInputError, one_line
from dlf.config import Config, Value, section_of
from dlf.text.source import TextWay
from search.spaces.parameters import Parameter, shown
from search.spaces.plain_yaml import read_yaml

SPACES = Path(__file__).parent
DEFAULT_SPACE = "default"
DEFAULT_FILE = SPACES / f"{DEFAULT_SPACE}.yaml"
FINETUNE_SPACE = SPACES / "finetune.yaml"

SHIPPED: Mapping[str, tuple[Path, ...]] = {
    DEFAULT_SPACE: (DEFAULT_FILE,),
    "wide": (DEFAULT_FILE, SPACES / "wide.yaml"),
}
"""the files of the spaces that have names; each adds its parameters to those before it"""

_DRAWS = 100
"""configurations that are tried before a search; a fault of one in twenty is missed once in 170"""


class Space(BaseModel):
    """All parameters that vary, under the names that the configuration gives them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: Mapping[str, Parameter] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for name, parameter in self.parameters.items():
            section_of(name)
            for other in parameter.when:
                section_of(other)
        return self

    @model_validator(mode="after")
    def _conditions_come_first(self) -> Self:
        order = list(self.parameters)
        for name in order:
            needed = list(self._needed_by(name))
            if name in needed:
                way = " and ".join(other for other in needed if other != name)
                by_way = f", by way of {way}" if way else ""
                raise BadInputError(f"the condition of {name} depends on {name} itself{by_way}")
            late = [other for other in needed if order.index(other) > order.index(name)]
            if late:
                raise BadInputError(f"{name} depends on {late[0]}, which must stand before it")
        return self

    @model_validator(mode="after")
    def _conditions_can_hold(self) -> Self:
        for name, parameter in self.parameters.items():
            for other, wanted in parameter.when.items():
                there = self.parameters.get(other)
                never = [v for v in wanted if there is not None and not there.contains(v)]
                if never:
                    raise BadInputError(
                        f"{name} exists when {other} = {shown(never[0])}, which {other} never is: "
                        f"it is {there}"
                    )
        return self

    @classmethod
    def load(cls, path: Path = DEFAULT_FILE) -> "Space":
        """Read a space from YAML.

        Raises:
            BadInputError: when the file cannot be read, or a name, a range or a condition in it is
                not valid.
        """
        return cls._of_files(path)

    @classmethod
    def of_text(cls, way: TextWay, name: str = DEFAULT_SPACE) -> "Space":
        """Return one of the spaces in `SHIPPED`, as it is for a way to take the text."""
        return cls._of_files(*SHIPPED[name], *([FINETUNE_SPACE] if way == "finetune" else []))

    @classmethod
    def chosen(cls, choice: str, way: TextWay) -> "Space":
        """Return the space of a shipped name, or else of a user's own file, as it stands.

        Raises:
            BadInputError: as `load` does.
        """
        if choice in SHIPPED:
            return cls.of_text(way, choice)
        if not Path(choice).exists():
            close = get_close_matches(choice, SHIPPED, n=1) or list(SHIPPED)
            raise BadInputError(
                f"there is no space file {choice}; did you mean {' or '.join(close)}?"
            )
        return cls.load(Path(choice))

    @classmethod
    def _of_files(cls, *paths: Path) -> "Space":
        tree: dict[str, object] = {}
        for path in paths:
            tree |= _tree_of(path)
        try:
            return cls.model_validate({"parameters": tree})
        except ValidationError as error:
            first = error.errors()[0]
            _, *where = map(str, first["loc"])
            # the second place of a parameter's location repeats its type
            at = " ".join(where[:1] + where[2:]) or "the file"
            said = first["msg"].removeprefix("Value error, ")
            raise BadInputError(f"in the space {paths[-1]}, {at}: {said}") from error
        except BadInputError as error:
            raise BadInputError(f"in the space {paths[-1]}, {error}") from error

    @property
    def is_conditional(self) -> bool:
        """Whether a parameter comes and goes with the value of another that varies too."""
        return any(other in self.parameters for p in self.parameters.values() for other in p.when)

    def without(self, names: Collection[str]) -> "Space":
        """Return the space that is left when the parameters of these names are fixed.

        Raises:
            BadInputError: when nothing is left.
        """
        left = {name: p for name, p in self.parameters.items() if name not in names}
        if not left:
            raise BadInputError("--set fixes every parameter of the space; leave one to search")
        return Space(parameters=left)

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return every parameter in Optuna's terms."""
        return {name: parameter.distribution() for name, parameter in self.parameters.items()}

    def suggest(self, trial: optuna.Trial, base: Config) -> dict[str, Value]:
        """Ask a trial for the parameters that exist with the values it gives, in their order.

        What the trial has already is given again.
        """
        values = base.values()
        suggested: dict[str, Value] = {}
        for name, parameter in self.parameters.items():
            if parameter.exists_with(values):
                values[name] = suggested[name] = parameter.suggest(trial, name)
        return suggested

    def values_of(self, config: Config) -> dict[str, Value]:
        """Return the values of a configuration that the space can express.

        They are those of the parameters that exist under the configuration's own values, where the
        value lies in the range.
        """
        values = config.values()
        return {
            name: value
            for name, parameter in self._existing(values)
            if (value := values[name]) is not None and parameter.contains(value)
        }

    def missing_from(self, config: Config, base: Config) -> list[str]:
        """Return the parameters of a trial over `base` that a trial of this configuration lacks."""
        present = self.values_of(config)
        return [name for name, _ in self._existing(base.values()) if name not in present]

    def outside(self, config: Config, base: Config) -> str | None:
        """Return why a trial over `base` cannot have this configuration; none where it can."""
        values, kept = config.values(), base.values()
        expressed = self.values_of(config)
        for name, value in values.items():
            parameter = self.parameters.get(name)
            varies = parameter is not None and parameter.exists_with(values)
            if name in expressed or (value == kept[name] and not varies):
                continue
            if parameter is None:
                allowed = f"the search keeps {shown(kept[name])}"
            elif varies:
                allowed = f"the space has {parameter}"
            else:
                allowed = f"the space varies it only {parameter.conditions}"
            return f"{name} is {shown(value)}, and {allowed}"
        return None

    def refuse_impossible(self, base: Config) -> None:
        """Raise `BadInputError` when trials over `base` would not all be configurations.

        A hundred random ones are tried; a combination that hardly ever comes up may be missed.
        """
        for parameter in self.parameters.values():
            for other in parameter.when.keys() - self.parameters.keys():
                for value in parameter.when[other]:
                    base.with_values({other: value})
        study = optuna.create_study(sampler=RandomSampler(seed=0))
        for _ in range(_DRAWS):
            values = self.suggest(study.ask(), base)
            if not values:
                raise BadInputError("the conditions leave no parameter of the space to search")
            try:
                base.with_values(values)
            except BadInputError as error:
                raise BadInputError(f"the space draws what cannot be: {error}") from error

    def table(self, paper: Config, base: Config) -> list[str]:
        """Return the space as aligned lines, beside the paper's values.

        What `base` fixes otherwise than the paper does is listed too.
        """
        theirs, kept = paper.values(), base.values()
        rows = [("parameter", "range", "the paper's")]
        for name, parameter in self.parameters.items():
            never = any(
                other not in self.parameters and kept[other] not in wanted
                for other, wanted in parameter.when.items()
            )
            outside = parameter.exists_with(theirs) and not parameter.contains(theirs[name])
            rows.append(
                (
                    name,
                    ", ".join(filter(None, (str(parameter), parameter.conditions)))
                    + (", so never" * never),
                    shown(theirs[name]) + (", outside the range" * outside),
                )
            )
        rows += [
            (name, f"fixed at {shown(value)}", shown(theirs[name]))
            for name, value in kept.items()
            if name not in self.parameters and value != theirs[name]
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        return [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]

    def _existing(self, values: Mapping[str, Value | None]) -> Iterator[tuple[str, Parameter]]:
        for name, parameter in self.parameters.items():
            if parameter.exists_with(values):
                yield name, parameter

    def _needed_by(self, name: str) -> Iterator[str]:
        """Yield the parameters of the space on which one depends, however far away, once each."""
        waiting = [name]
        seen: set[str] = set()
        while waiting:
            for other in self.parameters[waiting.pop()].when:
                if other in self.parameters and other not in seen:
                    seen.add(other)
                    waiting.append(other)
                    yield other


def _tree_of(path: Path) -> dict[str, object]:
    try:
        tree = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(f"the space {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInputError(f"the space {path} is not YAML: {one_line(error)}") from error
    if not isinstance(tree, dict):
        raise BadInputError(f"the space {path} is not a list of names with a range each")
    return tree
