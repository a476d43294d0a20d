"""A search by stock Ray Tune, written as its documentation shows it.

    python -m benchmarks.stock_tune --data-dir DIR --trials 12 --max-epochs 6

`stock_search.py` starts it in a folder of its own, where it leaves an MLflow store, and reads the
JSON object that it prints in the end. A function trains our model and reports after each epoch;
OptunaSearch proposes from our space, ASHAScheduler stops by the rule of our default, and
MLflowLoggerCallback records.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from benchmarks.searched import Searched, runs_by_status
from dlf.config import Config
from dlf.data import read_manifest
from dlf.metrics import BEST_OBJECTIVE
from dlf.text.source import TextSource
from dlf.training.training_data import TrainingData
from search.spaces.space import Space
from search.study.schedulers import Stopping

SECONDS = "seconds"
DATABASE = "mlflow.db"


def train(values: dict[str, Any], data_dir: Path, max_epochs: int) -> None:
    """Train one configuration, and report after each epoch."""
    torch.set_num_threads(1)
    manifest = read_manifest("synthetic", data_dir)
    data = TrainingData.open(manifest, data_dir, TextSource(way="precomputed"), "cpu")
    config = Config().with_values(values)
    training = data.training(config, seed=0, max_epochs=max_epochs, device="cpu")
    seconds = 0.0
    for record in training.epochs():
        seconds += record.seconds
        tune.report({**record.named(), SECONDS: seconds})


def search(
    data_dir: Path, trials: int, max_epochs: int, at_once: int, cpus_per_trial: float
) -> Searched:
    """Run the search in the working folder."""
    rule = Stopping()
    algorithm = OptunaSearch(
        space=Space.load().distributions(), metric=BEST_OBJECTIVE, mode="min", seed=0
    )
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(train, data_dir=data_dir, max_epochs=max_epochs),
            {"cpu": cpus_per_trial},
        ),
        tune_config=tune.TuneConfig(
            metric=BEST_OBJECTIVE,
            mode="min",
            search_alg=algorithm,
            scheduler=ASHAScheduler(
                max_t=max_epochs,
                grace_period=min(rule.grace_epochs, max_epochs),
                reduction_factor=rule.reduction,
            ),
            num_samples=trials,
            max_concurrent_trials=at_once,
        ),
        run_config=tune.RunConfig(
            storage_path=str(Path("tune").absolute()),
            callbacks=[
                MLflowLoggerCallback(tracking_uri=f"sqlite:///{DATABASE}", experiment_name="stock")
            ],
        ),
    )
    grid = tuner.fit()
    results: list[Any] = [grid[index].metrics for index in range(len(grid))]
    epochs = [metrics["training_iteration"] for metrics in results]
    study: Any = algorithm._ot_study
    states = Counter(trial.state.name for trial in study.trials)
    return Searched(
        trials=len(results),
        epochs=sum(epochs),
        training_seconds=sum(metrics[SECONDS] for metrics in results),
        best_mae=min(metrics[BEST_OBJECTIVE] for metrics in results),
        stopped=sum(count < max_epochs for count in epochs),
        told_pruned=states["PRUNED"],
        runs=runs_by_status(Path(DATABASE).absolute()),
    )


def main() -> None:
    """Search, and print the outcome."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--max-epochs", type=int, required=True)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--cpus-per-trial", type=float, default=1.0)
    flags = parser.parse_args()
    found = search(
        flags.data_dir, flags.trials, flags.max_epochs, flags.at_once, flags.cpus_per_trial
    )
    print(found.model_dump_json())


if __name__ == "__main__":
    main()
