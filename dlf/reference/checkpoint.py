"""Import of the released implementation's checkpoints: one becomes one of our model folders.

A checkpoint is only ever read as plain tensors, so that no code of whoever made it can run.
"""

import pickle
import struct
import tempfile
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from dlf.command import BadInputError, WorkFailedError, one_line
from dlf.presets import preset
from dlf.reference.architecture import WIDTH_OF, architecture_of, build
from dlf.trained_model import MODEL_FILES, ModelCard, TrainedModel

TEXT_ENCODER_FILE = "text_encoder.safetensors"
"""the fine-tuned encoder of the text, by its own parameter names"""

_DAMAGE = (
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
"""what torch raises, depending on where a file is damaged"""

_NESTED_UNDER = ("state_dict", "model", "model_state_dict")
_DEEPEST = 3
_TEXT_ENCODER = "text_model.model."


class Checkpoint(NamedTuple):
    """What a checkpoint holds, its wrappings taken off."""

    parameters: dict[str, Tensor]
    """by released name"""
    text_encoder: dict[str, Tensor]
    """by the encoder's own names; empty when the checkpoint has none"""


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, whether its names have a common prefix or it is nested in a dictionary.

    Raises:
        BadInputError: when it is missing or no checkpoint, or holds more than plain tensors.
    """
    content = _load(path)
    for _ in range(_DEEPEST):
        if not isinstance(content, dict):
            break
        inner = [content[key] for key in _NESTED_UNDER if isinstance(content.get(key), dict)]
        content = inner[0] if inner else content
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and _is_plain(value) for name, value in content.items()
    ):
        raise BadInputError(f"{path} is no state_dict: a dictionary of named tensors")
    marker = next((name for name in content if f".{name}".endswith(f".{WIDTH_OF}")), None)
    if marker is None:
        raise BadInputError(f"{path} has no {WIDTH_OF}, so it is no checkpoint of the model")
    prefix = marker.removesuffix(WIDTH_OF)
    named = {name.removeprefix(prefix): value.detach() for name, value in content.items()}
    encoder = [name for name in named if name.startswith(_TEXT_ENCODER)]
    text_encoder = {name.removeprefix(_TEXT_ENCODER): named.pop(name) for name in encoder}
    return Checkpoint(named, text_encoder)


def import_checkpoint(
    path: Path, *, heads: int, dataset: str, folder: Path
) -> tuple[TrainedModel, bool]:
    """Write a checkpoint as one of our model folders; return the model, and if it had an encoder.

    The architecture is that of the parameters, which become float32. What a checkpoint does not
    hold, such as dropouts, is that of the paper's configuration for the dataset; rows of the
    orthogonality loss that do not fill the width are left out of it.

    Raises:
        BadInputError: when the checkpoint is of no use, or the folder holds a model already.
        WorkFailedError: when the folder cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise BadInputError(f"{folder} is no folder")
    taken = [name for name in (*MODEL_FILES, TEXT_ENCODER_FILE) if (folder / name).exists()]
    if taken:
        raise BadInputError(f"{folder} holds a model already ({taken[0]}); name another folder")
    checkpoint = read_checkpoint(path)
    try:
        architecture = architecture_of(checkpoint.parameters)
        config = preset("paper", dataset)
        rows = config.loss.orthogonality_width
        if rows is not None and int(architecture.values["width"]) % rows:
            loss = config.loss.model_copy(update={"orthogonality_width": None})
            config = config.model_copy(update={"loss": loss})
        config = architecture.apply_to(config, heads)
        model = build(config, architecture.sizes, checkpoint.parameters)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from error
    trained = TrainedModel(model, config, ModelCard(dataset=dataset, sizes=architecture.sizes))
    _write(trained, checkpoint.text_encoder, folder)
    return trained, bool(checkpoint.text_encoder)


def _load(path: Path) -> object:
    try:
        content: object = torch.load(path, weights_only=True, map_location="cpu")
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise BadInputError(
            f"{path} is no checkpoint of plain tensors; "
            "objects of other kinds are not loaded, since that could run their code"
        ) from error
    except _DAMAGE as error:
        raise BadInputError(f"{path} is no checkpoint, or damaged") from error
    return content


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not (value.is_quantized or value.is_complex())
    )


def _write(trained: TrainedModel, text_encoder: dict[str, Tensor], folder: Path) -> None:
    """Write the files aside and move them into place, so that a model is there whole or not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as aside:
            trained.save(Path(aside))
            if text_encoder:
                # parts of one storage, such as tied weights, are written each on its own
                parts = {name: x.clone().contiguous() for name, x in text_encoder.items()}
                save_file(parts, Path(aside) / TEXT_ENCODER_FILE, metadata={"format": "pt"})
            # the card last: without it there is no model to load
            for file in sorted(Path(aside).iterdir(), reverse=True):
                file.replace(folder / file.name)
    except (OSError, SafetensorError) as error:
        raise WorkFailedError(f"{folder} cannot be written: {one_line(error)}") from error
