"""The end of a promotion: the winner's trained models, and their one look at the test split."""

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import optuna
from numpy.typing import NDArray

from dlf.batching import Clips
from dlf.command import WorkFailedError
from dlf.data import Split, open_test_split, read_manifest
from dlf.inference import predict
from dlf.metrics import Metrics, compute_metrics
from dlf.text.encoder import refuse_changed
from dlf.text.prepared import open_text, prepare_text
from dlf.trained_model import TrainedModel
from search.checkpoints import Checkpoints, DamagedCheckpointError
from search.finalists import Finalist
from search.trained_trials import model_of
from search.trial_data import TrialData

_TEST_READS = "test_reads"
"""the study's own list of the times at which its promotions opened the test split"""


class Verdict(NamedTuple):
    """The test split, and what each of some models says of it."""

    split: Split
    predictions: list[NDArray[np.float32]]
    """[N] of each model"""

    @property
    def metrics(self) -> list[Metrics]:
        """The metrics of each model."""
        return [compute_metrics(each, self.split.labels) for each in self.predictions]


def trained_models(
    winner: Finalist, data: TrialData, checkpoints: Checkpoints, numbers: Sequence[int]
) -> list[TrainedModel]:
    """Return the winner's models, one for each seed, from what its trainings have left.

    Raises:
        WorkFailedError: when a training left nothing, or nothing that can be read.
    """
    sizes = data.sizes(read_manifest(data.dataset, data.data_dir), winner.config)
    states = [_final_state(checkpoints, number) for number in numbers]
    return [model_of(state, winner.config, data, sizes) for state in states]


def read_test_split(
    study: optuna.Study, models: Sequence[TrainedModel], data: TrialData, device: str
) -> Verdict:
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
    return Verdict(split, [_predictions(trained, split, device) for trained in models])


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
