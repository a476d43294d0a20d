"""Predict the clips of a feature file with a trained model, without MLflow.

    python -m dlf.predict --model trained/mosi-20261123-153104/seed-0 \\
        --source aligned_50.pkl --output predictions.parquet

Of a feature file, a pickle in the MMSA layout, there may be any of the three splits, and no labels.
Its features are taken as an import takes them. The model is a folder of this project's or an MLflow
model.
"""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from dlf.command import (
    EXIT_DONE,
    BadInputError,
    CommandParser,
    add_json_flag,
    reason_of,
    run_command,
)
from dlf.data import SPLITS, Split, mmsa
from dlf.data.unpickler import load_pickle
from dlf.serving.predictor import Predictions, Predictor
from dlf.whole_file import replaced_whole

COLUMN_TYPES = {
    "split": pa.string(),
    "id": pa.string(),
    "sentiment": pa.float32(),
    "class": pa.int32(),
    "text": pa.float32(),
    "audio": pa.float32(),
    "vision": pa.float32(),
    "label": pa.float32(),
}


class Predicted(NamedTuple):
    """A split, and what the model says of its clips."""

    split: Split
    predictions: Predictions


class Summary(BaseModel):
    """What was written; the JSON object that `--json` prints."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: str
    clips: dict[str, int]
    """in each split that was predicted"""

    def describe(self) -> str:
        """Return it in a sentence."""
        counts = ", ".join(f"{name} {count}" for name, count in self.clips.items())
        return f"predicted {counts} clips; written to {self.output}"


def main() -> int:
    """Load the model, predict the splits of the file, write the table."""
    arguments = argument_parser().parse_args()
    _refuse_output(arguments.output, arguments.source)
    predictor = Predictor.load(arguments.model)
    predicted = predict_file(predictor, arguments.source, arguments.split)
    _write(predicted, arguments.output)
    summary = Summary(
        output=str(arguments.output), clips={each.split.name: len(each.split) for each in predicted}
    )
    print(summary.model_dump_json() if arguments.json_only else summary.describe())
    return EXIT_DONE


def predict_file(
    predictor: Predictor, source: Path, names: Collection[str] | None
) -> list[Predicted]:
    """Predict the named splits of a feature file, or all that there are, in their order.

    Raises:
        BadInputError: when the file is refused, has not what is asked for, or does not fit the
            model.
    """
    content = load_pickle(source)
    try:
        splits = mmsa.clean_for_prediction(content)
    except BadInputError as error:
        raise BadInputError(f"{source.name} cannot be used: {error}") from error
    wanted = [name for name in splits if names is None or name in names]
    missing = [name for name in names or () if name not in splits]
    if missing:
        raise BadInputError(
            f"{source.name} has no split {missing[0]}; there are: {', '.join(splits)}"
        )
    decides = next(iter(splits.values()))
    return [
        Predicted(splits[name], predictor.predict_split(splits[name], decides)) for name in wanted
    ]


def argument_parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        prog="python -m dlf.predict",
        description="Predict the clips of a feature file with a trained model.",
    )
    add = parser.add_argument
    add("--model", type=Path, required=True, metavar="DIR", help="of this project or of MLflow")
    add("--source", type=Path, required=True, metavar="FILE", help="such as aligned_50.pkl")
    add("--output", type=Path, required=True, metavar="FILE", help="a Parquet file to write")
    add("--split", nargs="+", choices=SPLITS, metavar="NAME", help="left out: all there are")
    add_json_flag(parser)
    return parser


def _refuse_output(output: Path, source: Path) -> None:
    """Refuse, before any work, an output that cannot be one."""
    if output.is_dir():
        raise BadInputError(f"{output} is a folder; --output takes a file")
    if not output.absolute().parent.is_dir():
        raise BadInputError(f"there is no folder {output.parent} to write {output.name} to")
    if output.exists() and source.exists() and output.samefile(source):
        raise BadInputError(f"--output {output} is the source itself; name another file")


def _write(predicted: list[Predicted], output: Path) -> None:
    labelled = any(not np.isnan(each.split.labels).all() for each in predicted)
    types = {name: kind for name, kind in COLUMN_TYPES.items() if labelled or name != "label"}
    table = pa.concat_tables([_table(each, types) for each in predicted])
    try:
        with replaced_whole(output) as unfinished:
            pq.write_table(table, unfinished)
    except OSError as error:
        raise BadInputError(
            f"{output} cannot be written ({reason_of(error)}); choose another --output"
        ) from error


def _table(predicted: Predicted, types: dict[str, pa.DataType]) -> pa.Table:
    split, predictions = predicted
    columns = {
        "split": [split.name] * len(split),
        "id": split.ids,
        **predictions.columns(),
        "label": split.labels,
    }
    return pa.table(
        {name: pa.array(columns[name], kind, from_pandas=True) for name, kind in types.items()}
    )


if __name__ == "__main__":
    run_command(main)
