"""The constants of a module with what their docstrings say, for tables of names."""

from collections.abc import Iterator
from importlib import import_module
from typing import NamedTuple

from sphinx.pycode import ModuleAnalyzer


class Constant(NamedTuple):
    """A constant of a module."""

    name: str
    value: object
    meaning: str


def documented(module: str) -> Iterator[Constant]:
    """Yield the constants of a module that have a docstring, in their order there."""
    values = vars(import_module(module))
    for (scope, name), lines in ModuleAnalyzer.for_module(module).find_attr_docs().items():
        if not scope:
            yield Constant(name, values[name], " ".join(lines).strip())
