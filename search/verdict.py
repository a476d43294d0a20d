"""The end of a promotion: the winner's trained models, and their one look at the test split."""

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray

from dlf.batching import Clips
from dlf.command import WorkFailedError
from dlf.data import Split, open_test_split, read_manifest
from dlf.metrics import Metrics, compute_metrics
from dlf.model import DLF
from dlf.text.encoder import refuse_changed
from dlf.text.finetuned import untrained_encoder
from dlf.text.prepared import open_text, prepare_text
from dlf.trained_model import ModelCard, TrainedModel
from dlf.training import EpochRecord, predict
from search.checkpoints import Checkpoints, DamagedCheckpointError
from search.finalists import Finalist
from search.seeds import promotion_seed
from search.trial_data import TrialData

_TEST_READS = "test_reads"
"""the study's own list of the times at which its promotions opened the test split"""


def trained_models(
    winner: Finalist, data: TrialData, checkpoints: Checkpoints, numbers: Sequence[int]
) -> list[TrainedModel]:
    """Return the winner's models, one for each seed, from what its trainings have left.

    Raises:
        WorkFailedError: when a training left nothing, or nothing that can be read.
    """
    models = []
    sizes = data.sizes(read_manifest(data.dataset, data.data_dir), winner.config)
    for index, number in enumerate(numbers):
        state = _final_state(checkpoints, number)
        history = [EpochRecord.model_validate(record) for record in state["history"]]
        best = history[history[-1].best_epoch - 1]
        model = DLF(winner.config.model, sizes, untrained_encoder(data.text))
        model.load_state_dict(state["best_weights"])
        card = ModelCard(
            dataset=data.dataset,
            dataset_digest=data.dataset_digest,
            text=data.text,
            sizes=sizes,
            seed=promotion_seed(index),
            epoch=best.epoch,
            valid=best.valid,
        )
        models.append(TrainedModel(model, winner.config, card))
    return models


def read_test_split(
    study: optuna.Study, models: Sequence[TrainedModel], data: TrialData, device: str
) -> list[Metrics]:
    """Evaluate each model on the test split; the study remembers every such reading.

    What can fail fails before that: an encoder that has changed, a model that predicts nothing.
    """
    if data.text.encoder is not None:
        refuse_changed(data.text.encoder)
    few = data.open().valid.take(np.arange(2))
    for trained in models:
        _predictions(trained, few, device)
    reads = [*study.user_attrs.get(_TEST_READS, []), datetime.now(UTC).isoformat()]
    study.set_user_attr(_TEST_READS, reads)
    test = open_test_split(data.dataset, data.data_dir)
    prepare_text(data.text, data.dataset, data.data_dir, [test], device=device)
    split = open_text(data.text, data.dataset, data.data_dir, test)
    return [
        compute_metrics(_predictions(trained, split, device), split.labels) for trained in models
    ]


def test_reads(study: optuna.Study) -> int:
    """Return how often promotions of the study have read the test split."""
    return len(study.user_attrs.get(_TEST_READS, []))


def _predictions(trained: TrainedModel, split: Split, device: str) -> NDArray[np.float32]:
    """Return what a model says of a split; it comes back to the CPU."""
    clips = Clips(split, trained.card.sizes, trained.config, device)
    predictions = predict(trained.model.to(device), clips, trained.config)
    trained.model.to("cpu")
    return predictions


def _final_state(checkpoints: Checkpoints, number: int) -> dict[str, Any]:
    try:
        state = checkpoints.read(number)
    except DamagedCheckpointError as error:
        raise WorkFailedError(f"training {number} cannot be handed over: {error}") from error
    if state is None:
        raise WorkFailedError(
            f"training {number} has left no state in {checkpoints.of(number)}, for want of space "
            "perhaps; promote again"
        )
    (only,) = state["replicates"]
    return only  # type: ignore[no-any-return]


def mean_metrics(results: Sequence[Metrics]) -> Metrics:
    """Return the mean of every metric."""
    means = {name: fmean(getattr(each, name) for each in results) for name in Metrics.model_fields}
    return Metrics(**means)
