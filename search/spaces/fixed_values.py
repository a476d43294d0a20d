"""Values that a command line fixes: the words after `--set`, each of them KEY=VALUE."""

from collections.abc import Sequence

import yaml

from dlf.command import BadInputError
from dlf.config import Config, Value, section_of
from search.spaces.plain_yaml import read_yaml


def parse_fixed_values(words: Sequence[str], base: Config) -> dict[str, Value]:
    """Return the values that the words fix over a base configuration, as it will hold them.

    Raises:
        BadInputError: for a word that is not KEY=VALUE, a key that no leaf has or that stands
            twice, and values that are no configuration together with the base.
    """
    given: dict[str, Value] = {}
    for word in words:
        name, equals, text = (part.strip() for part in word.partition("="))
        if not equals or not name:
            raise BadInputError(f"--set takes KEY=VALUE, such as margin=0.3, not {word!r}")
        section_of(name)
        if name in given:
            raise BadInputError(f"--set gives {name} twice; leave one of them out")
        given[name] = _scalar(name, text)
    try:
        held = base.with_values(given).values()
    except BadInputError as error:
        raise BadInputError(f"--set {' '.join(words)} cannot be: {error}") from error
    return {name: value for name, value in held.items() if name in given and value is not None}


def _scalar(name: str, text: str) -> Value:
    try:
        value = read_yaml(text)
    except yaml.YAMLError:
        value = None
    if not isinstance(value, bool | int | float | str):
        raise BadInputError(f"--set {name}= takes one number or word, not {text!r}")
    return value
