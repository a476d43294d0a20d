"""A configuration as a command line names it: a preset, or a file that a run has left."""

from pathlib import Path

from dlf.command import BadInputError, reason_of
from dlf.config import Config
from dlf.presets import PRESETS, preset

NAMED_CONFIGURATION = f"a config.yaml, a best.yaml, or a preset: {', '.join(PRESETS)}"
"""what `--config` takes, in words"""


def read_configuration(name: str, dataset: str) -> Config:
    """Return a preset's configuration for a dataset, or that of a file.

    Raises:
        BadInputError: when there is none, or it is not valid.
    """
    if name in PRESETS:
        return preset(name, dataset)
    path = Path(name)
    if path.is_dir():
        raise BadInputError(f"{path} is a folder; name the file in it: {path / 'config.yaml'}")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BadInputError(
            f"there is no file {path}; --config takes {NAMED_CONFIGURATION}"
        ) from error
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {reason_of(error)}") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is no text file; --config takes YAML") from error
    try:
        return Config.from_yaml(text)
    except BadInputError as error:
        raise BadInputError(f"{path} is no configuration: {error}") from error
