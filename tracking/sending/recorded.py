"""What a tracking store has of the trials of a study, for those who check it."""

from collections.abc import Mapping, Sequence

from dlf.metrics import BEST_OBJECTIVE, OBJECTIVE
from tracking.records import Record
from tracking.run_names import EXPERIMENT_PREFIX, KEY_TAG, STATE_TAG, TRIAL_TAG
from tracking.store.connection import connect_to_read
from tracking.store.errors import StoreAwayError, StoreRefusedError
from tracking.store.location import TrackingLocation


class RecordedRun(Record):
    """A run of a trial."""

    run_id: str
    status: str
    state: str | None
    """`running`, `interrupted`, or how the trial ended"""
    epochs: tuple[int, ...]
    """in order, and one that is recorded twice twice"""
    best: float | None
    """the last best validation MAE"""
    params: Mapping[str, str]


def recorded_trials(
    location: TrackingLocation, study_key: str
) -> Mapping[int, Sequence[RecordedRun]]:
    """Return the runs of every trial of the study that was not deleted: one each, if all is well.

    Raises:
        BadInputError: when the store cannot be used.
    """
    trials: dict[int, list[RecordedRun]] = {}
    try:
        store = connect_to_read(location)
        for found in store.find_runs(store.experiments(EXPERIMENT_PREFIX), {KEY_TAG: study_key}):
            if TRIAL_TAG not in found.tags:
                continue
            run = RecordedRun(
                run_id=found.run_id,
                status=found.status,
                state=found.tags.get(STATE_TAG),
                epochs=tuple(point.step for point in store.points(found.run_id, OBJECTIVE)),
                best=found.metrics.get(BEST_OBJECTIVE),
                params=found.params,
            )
            trials.setdefault(int(found.tags[TRIAL_TAG]), []).append(run)
    except (StoreAwayError, StoreRefusedError) as error:
        raise location.unusable(str(error)) from error
    return trials
