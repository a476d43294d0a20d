"""The record that lies beside a dataset's Arrow files: what they hold and where it came from."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from dlf.command import BadInputError
from dlf.data.names import GENERATED, why_no_name
from dlf.modalities import PerModality, Statistics

FORMAT = 2
FILE_NAME = "manifest.json"


class Record(BaseModel):
    """A frozen record that refuses names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PerSplit(Record):
    """The number of clips in each split."""

    train: int
    valid: int
    test: int


class Nonfinite(Record):
    """How many NaN and infinite values were replaced by zero, over all splits."""

    audio: int
    vision: int


class Checksums(Record):
    """The sha256 of each split's Arrow file."""

    train: str
    valid: str
    test: str


class HeardAndSeen(Record):
    """The statistics of audio and vision, over the rows of train that are not all zero."""

    audio: Statistics
    vision: Statistics


class Manifest(Record):
    """What a stored dataset is.

    `source` is a file name, or says how the data was made; `source_sha256` is that file's hash, and
    `published` the name of a published file that has it. `digest` is the sha256 of train.arrow,
    valid.arrow and test.arrow, read one after the other: it names the data in a study. `widths` are
    feature widths, `time_steps` the padded lengths in the source, `token_steps` that of its token
    ids. `text_kind` says whether a step of text is a token or a word. `shared_videos` counts the
    videos that have clips in more than one split.
    """

    format: int
    dataset: str
    source: str
    source_sha256: str | None
    published: str | None
    digest: str
    checksums: Checksums
    widths: PerModality
    time_steps: PerModality
    token_steps: int
    clips: PerSplit
    nonfinite: Nonfinite
    text_kind: Literal["tokens", "words"]
    statistics: HeardAndSeen
    shared_videos: int


def dataset_folder(dataset: str, data_dir: Path | str) -> Path:
    """Return the folder that holds a dataset's manifest, and a folder of Arrow files.

    Raises `BadInputError` for what is no name of a dataset, such as a path out of the folder.
    """
    reason = why_no_name(dataset)
    if reason is not None:
        raise BadInputError(reason)
    return Path(data_dir) / dataset


def version_folder(dataset: str, data_dir: Path | str, digest: str) -> Path:
    """Return the folder of one version of a dataset: its Arrow files, and texts encoded of it.

    A version is never changed once it is there. An import makes another one, and the manifest,
    replaced last and at once, says which of them is the dataset.
    """
    return dataset_folder(dataset, data_dir) / digest[:16]


def is_stored(dataset: str, data_dir: Path | str) -> bool:
    """Tell whether the dataset was imported or synthesized; a half-written one was not."""
    return (dataset_folder(dataset, data_dir) / FILE_NAME).is_file()


def stored_datasets(data_dir: Path | str) -> list[str]:
    """Return the names of the datasets of a data folder."""
    return sorted(path.parent.name for path in Path(data_dir).glob(f"*/{FILE_NAME}"))


def store_command(dataset: str, data_dir: Path | str) -> str:
    """Return the command line that stores the dataset (again)."""
    if dataset == GENERATED:
        return f"python -m dlf.data synthesize --data-dir {data_dir}"
    return f"python -m dlf.data import --dataset {dataset} --source FILE --data-dir {data_dir}"


def read_manifest(dataset: str, data_dir: Path | str) -> Manifest:
    """Read a stored dataset's manifest; raise `BadInputError` if there is none we can trust."""
    path = dataset_folder(dataset, data_dir) / FILE_NAME
    again = f"store the dataset again with: {store_command(dataset, data_dir)}"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        command = store_command(dataset, data_dir)
        raise BadInputError(
            f"{dataset} is not stored in {data_dir}; store it with: {command}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path} cannot be read; {again}") from error
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise BadInputError(f"{path} is damaged or of another version; {again}") from error
    if manifest.format != FORMAT:
        raise BadInputError(
            f"{path} has format {manifest.format} where {FORMAT} is expected; {again}"
        )
    if manifest.dataset != dataset:
        raise BadInputError(f"{path} describes {manifest.dataset}, not {dataset}; {again}")
    return manifest
