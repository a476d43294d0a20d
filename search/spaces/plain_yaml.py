"""YAML as people mean it: `1e-3` is a number, `on` is a word, and no name stands twice."""

import re
from typing import Any

import yaml


class PlainLoader(yaml.SafeLoader):
    """Resolves scalars by the core schema of YAML 1.2, where PyYAML's own loaders follow 1.1."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a name that stands twice; PyYAML would keep the last."""
        names = [key.value for key, _ in node.value]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(problem=f"{twice} stands there twice")
        return super().construct_mapping(node, deep)


for _tag, _pattern in (
    ("null", r"~|null|"),
    ("bool", r"true|false"),
    ("int", r"[-+]?(0|[1-9][0-9]*)"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
):
    PlainLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^({_pattern})$"), None
    )


def read_yaml(text: str) -> Any:
    """Return what a YAML text holds.

    Raises:
        yaml.YAMLError: when it is not YAML, or a name stands twice in a mapping.
    """
    return yaml.load(text, PlainLoader)
