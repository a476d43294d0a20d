"""Every value of a configuration: what it may be, what it is by default, and where it varies."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args, get_origin

from annotated_types import Ge, Gt, Lt
from pydantic.fields import FieldInfo

from dlf.config import Config, Section
from dlf.data.names import FIELD_DATASETS
from dlf.presets import preset
from docs.tables.markdown import code, rows
from search.spaces.parameters import shown
from search.spaces.space import Space

SIGNS = {Ge: ("at least", "ge"), Gt: ("above", "gt"), Lt: ("below", "lt")}


class ShippedSpace(NamedTuple):
    """A search space that comes with the project."""

    name: str
    space: Space


def table() -> str:
    """Return a section for each section of the configuration."""
    spaces = (
        ShippedSpace("`default`", Space.of_text("precomputed")),
        ShippedSpace("`wide`", Space.of_text("precomputed", "wide")),
        ShippedSpace("`--text finetune`", Space.of_text("finetune")),
    )
    return "\n".join(_section(name, section, spaces) for name, section in Config())


def _section(name: str, section: Section, spaces: tuple[ShippedSpace, ...]) -> str:
    described = " ".join((type(section).__doc__ or "").split())
    table = rows(
        ["name", "default", "meaning", "values", "searched"],
        (
            [
                code(leaf),
                _default(leaf, field),
                field.description or "",
                _values(field),
                _searched(leaf, spaces),
            ]
            for leaf, field in type(section).model_fields.items()
        ),
    )
    return f"## {name}\n\n{described}\n\n{table}"


def _values(field: FieldInfo) -> str:
    kind = field.annotation
    if get_origin(kind) is Literal:
        return " ".join(code(choice) for choice in get_args(kind))
    if kind is bool:
        return "`true` `false`"
    words = "whole number" if int in (kind, *get_args(kind)) else "number"
    none = [" or none"] if type(None) in get_args(kind) else []
    return ", ".join([words, *_bounds(field)]) + "".join(none)


def _bounds(field: FieldInfo) -> Iterator[str]:
    for bound in field.metadata:
        words, attribute = SIGNS[type(bound)]
        yield f"{words} {getattr(bound, attribute):g}"


def _default(leaf: str, field: FieldInfo) -> str:
    """Return the default, and where the paper has another value."""
    found = code(shown(field.default))
    for dataset in FIELD_DATASETS:
        value: Any = preset("paper", dataset).values()[leaf]
        if value != field.default:
            found += f"; the paper's on {dataset.upper()} {code(shown(value))}"
    return found


def _searched(leaf: str, spaces: tuple[ShippedSpace, ...]) -> str:
    """Return the range of a value in the first space that varies it, which the others share."""
    for name, space in spaces:
        if leaf in space.parameters:
            parameter = space.parameters[leaf]
            words = ", ".join(filter(None, (str(parameter), parameter.conditions)))
            return f"{words}; {name}"
    return ""
