"""The end of a promotion: the winner's trained models, and their one look at the test split."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

import optuna

from dlf.batching import Clips
from dlf.data import Manifest, open_test_split
from dlf.metrics import Metrics, compute_metrics
from dlf.model import DLF
from dlf.trained_model import ModelCard, TrainedModel
from dlf.training import EpochRecord, predict
from search.finalists import Finalist
from search.seeds import promotion_seed
from search.trainable import read_checkpoint

_TEST_READS = "test_reads"
"""the study's own list of the times at which its promotions opened the test split"""


def trained_models(
    winner: Finalist, manifest: Manifest, states: Sequence[Path]
) -> list[TrainedModel]:
    """Return the winner's models, one for each seed, from the states that its trainings left."""
    models = []
    for index, folder in enumerate(states):
        state = read_checkpoint(folder)
        history = [EpochRecord.model_validate(record) for record in state["history"]]
        best = history[history[-1].best_epoch - 1]
        model = DLF(winner.config.model, manifest.sizes)
        model.load_state_dict(state["best_weights"])
        card = ModelCard(
            dataset=manifest.dataset,
            dataset_digest=manifest.digest,
            sizes=manifest.sizes,
            seed=promotion_seed(index),
            epoch=best.epoch,
            valid=best.valid,
        )
        models.append(TrainedModel(model, winner.config, card))
    return models


def read_test_split(
    study: optuna.Study, models: Sequence[TrainedModel], data_dir: Path
) -> list[Metrics]:
    """Evaluate each model on the test split; the study remembers every such reading."""
    reads = [*study.user_attrs.get(_TEST_READS, []), datetime.now(UTC).isoformat()]
    study.set_user_attr(_TEST_READS, reads)
    card = models[0].card
    split = open_test_split(card.dataset, data_dir)
    return [
        compute_metrics(
            predict(
                trained.model,
                Clips(split, card.sizes, trained.config, "cpu"),
                trained.config,
            ),
            split.labels,
        )
        for trained in models
    ]


def test_reads(study: optuna.Study) -> int:
    """Return how often promotions of the study have read the test split."""
    return len(study.user_attrs.get(_TEST_READS, []))


def mean_metrics(results: Sequence[Metrics]) -> Metrics:
    """Return the mean of every metric."""
    means = {name: fmean(getattr(each, name) for each in results) for name in Metrics.model_fields}
    return Metrics(**means)
