"""Packs a trained model for MLflow: with the code that runs it, so that it loads anywhere.

The package is a model folder of MLflow's pyfunc flavour. `mlflow.pyfunc.load_model` and
`mlflow models serve` take it where nothing of ours is installed and no network is at hand.
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import dlf
from dlf.command import BadInputError
from dlf.config import Config
from dlf.modalities import MODALITIES, InputSizes, Modality
from dlf.text.source import Encoder
from dlf.whole_file import folder_replaced_whole
from tracking.run_names import DATASET_DIGEST_TAG, DATASET_TAG, TEXT_ENCODER_TAG, TEXT_TAG
from tracking.store.connection import quiet_mlflow

if TYPE_CHECKING:
    from mlflow.models import ModelSignature
    from pandas import DataFrame

    from dlf.trained_model import ModelCard

MODEL_INSIDE = PurePosixPath("data", "model")
"""where the exported model lies in a package"""

LOADER = "dlf_loader"
NEEDED = ("torch", "numpy", "pandas", "pyarrow", "pydantic", "pyyaml", "safetensors")
NEEDED_BY_ENCODERS = ("transformers",)

EXAMPLE_WORDS = "a film that I would gladly see again"
EXAMPLE_STEPS = 2


def package_model(exported: Path, folder: Path) -> Path:
    """Make `folder` an MLflow model around an exported one; what was in it before is replaced.

    Whoever is killed meanwhile leaves a folder beside it, with a dot and the process after its
    name.

    Raises:
        BadInputError: when there is no exported model to pack.
        OSError: when the package cannot be written.
    """
    from dlf.trained_model import CARD_FILE, CONFIG_FILE, ModelCard

    try:
        config = Config.from_yaml((exported / CONFIG_FILE).read_text(encoding="utf-8"))
        card = ModelCard.model_validate_json((exported / CARD_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInputError(f"there is no model to pack: {error.filename} is missing") from error
    used = config.model.used_modalities
    encoder = card.text.encoder if card.text is not None and "text" in used else None
    quiet_mlflow()
    from mlflow.pyfunc import save_model

    code = [Path(dlf.__file__).parent, Path(__file__).with_name(f"{LOADER}.py")]
    with TemporaryDirectory() as named, folder_replaced_whole(folder) as unfinished:
        # MLflow keeps the name of what it copies.
        model = Path(named) / MODEL_INSIDE.name
        model.symlink_to(exported.absolute(), target_is_directory=True)
        save_model(
            unfinished,
            loader_module=LOADER,
            data_path=str(model),
            code_paths=[str(path) for path in code],
            signature=_signature(used),
            input_example=_example(used, card.sizes, encoder),
            pip_requirements=_requirements(encoder),
            metadata=_metadata(card),
        )
    return folder


def _signature(used: Sequence[Modality]) -> "ModelSignature":
    """Describe rows of any shape: what a model refuses, it refuses in words of our own.

    For the same reason no column is required here.
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, Schema, TensorSpec

    inputs: list[ColSpec | TensorSpec] = [ColSpec(AnyType(), m, required=False) for m in used]
    outputs: list[ColSpec | TensorSpec] = [ColSpec("double", "sentiment"), ColSpec("long", "class")]
    outputs += [ColSpec("double", m, required=False) for m in MODALITIES]
    return ModelSignature(Schema(inputs), Schema(outputs))


def _example(used: Sequence[Modality], sizes: InputSizes, encoder: Encoder | None) -> "DataFrame":
    """Make a row of the widths that the model takes."""
    from pandas import DataFrame

    row: dict[str, Any] = {m: [[0.0] * sizes.widths[m]] * EXAMPLE_STEPS for m in used}
    if encoder is not None:
        row["text"] = EXAMPLE_WORDS
    return DataFrame([row])


def _requirements(encoder: Encoder | None) -> list[str]:
    """Pin what the package needs to the versions it was made with, their local builds left out."""
    needed = NEEDED if encoder is None else (*NEEDED, *NEEDED_BY_ENCODERS)
    return [f"{name}=={version(name).partition('+')[0]}" for name in needed]


def _metadata(card: "ModelCard") -> dict[str, str]:
    found = {DATASET_TAG: card.dataset}
    if card.dataset_digest is not None:
        found[DATASET_DIGEST_TAG] = card.dataset_digest
    if card.text is not None:
        found[TEXT_TAG] = card.text.way
        if card.text.encoder is not None:
            found[TEXT_ENCODER_TAG] = card.text.encoder.name
    return found
