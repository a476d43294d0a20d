"""A search as the field's common tuner does it (MMSA's `run -tune`): random draws, in full.

    python -m benchmarks.field_tuner --data-dir DIR --trials 12 --max-epochs 6

`stock_search.py` starts it and reads the JSON object that it prints in the end. One configuration
after the other is trained until its patience or the last epoch, with all of torch's threads and all
clips padded to one length; a table of figures is all that is kept. That tuner then takes the best
by the test split; what that does to a reported figure is simulated in `claims.py`, and here no test
split is read.
"""

import argparse
import csv
from pathlib import Path

from benchmarks.replay import random_configurations
from benchmarks.searched import Searched
from dlf.config import Config
from dlf.data import read_manifest
from dlf.metrics import BEST_OBJECTIVE
from dlf.text.source import TextSource
from dlf.training.training_data import TrainingData
from search.spaces.space import Space

TABLE = "tune.csv"
PADDING = {"padding": "reference"}


def search(data_dir: Path, trials: int, max_epochs: int) -> Searched:
    """Run the search, and leave its table in the working folder."""
    manifest = read_manifest("synthetic", data_dir)
    data = TrainingData.open(manifest, data_dir, TextSource(way="precomputed"), "cpu")
    space = Space.load()
    epochs, seconds, best = 0, 0.0, []
    with Path(TABLE).open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*space.parameters, BEST_OBJECTIVE])
        for values in random_configurations(space, trials, seed=0):
            config = Config().with_values({**values, **PADDING})
            training = data.training(config, seed=1111, max_epochs=max_epochs, device="cpu")
            records = list(training.epochs())
            epochs += len(records)
            seconds += sum(record.seconds for record in records)
            best.append(records[-1].best_mae)
            table.writerow([*values.values(), best[-1]])
    return Searched(
        trials=trials,
        epochs=epochs,
        training_seconds=seconds,
        best_mae=min(best),
        stopped=0,
        told_pruned=None,
        runs={},
    )


def main() -> None:
    """Search, and print the outcome."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--max-epochs", type=int, required=True)
    flags = parser.parse_args()
    print(search(flags.data_dir, flags.trials, flags.max_epochs).model_dump_json())


if __name__ == "__main__":
    main()
