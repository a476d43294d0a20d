"""What a dataset may be called: those of the field, the generated one, and anybody's own."""

import argparse
import re

FIELD_DATASETS = ("mosi", "mosei")
GENERATED = "synthetic"
KNOWN_DATASETS = (*FIELD_DATASETS, GENERATED)
"""those that are found or made without an import"""

DATASET_NAMES = f"{', '.join(KNOWN_DATASETS)}, or the name that a file was imported under"
"""what `--dataset` takes, in words"""

# A name is a folder beside the field's own `MOSI` and `MOSEI`, and a part of names in MLflow.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def why_no_name(text: str) -> str | None:
    """Return why a dataset cannot be called so, or none where it can."""
    if _NAME.fullmatch(text):
        return None
    return (
        f"{text!r} is no name of a dataset, which has lower-case letters, digits, - and _, "
        "begins with a letter or digit and has 63 characters at most"
    )


def dataset_name(text: str) -> str:
    """Parse the name of a dataset, for argparse's `type`."""
    reason = why_no_name(text)
    if reason is not None:
        raise argparse.ArgumentTypeError(reason)
    return text


def importable_name(text: str) -> str:
    """Parse the name that a feature file is to be stored under, for argparse's `type`."""
    if dataset_name(text) == GENERATED:
        raise argparse.ArgumentTypeError(
            f"{text} is the generated dataset; choose another name, or {', '.join(FIELD_DATASETS)}"
        )
    return text
