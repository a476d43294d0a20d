"""What a process that goes on with trainings tells of those that an earlier one has ended."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

from dlf.text.source import TextSource
from search.engine.trainable import Workplace
from search.resources.allotment import Resources
from search.seeded.seeded_run import train_seeded
from search.seeded.seeded_trainings import SeededTrainings
from search.trial.data import TrialData
from tests.support.kept_study import COMPLETE
from tests.support.seeded_trainings import MadeUpTrainings, all_plans, entrant
from tracking.records import Outcome


def test_ends_that_only_the_trainings_know_are_told_and_their_states_removed(
    tmp_path: Path,
) -> None:
    """A driver that is killed between keeping a training and telling MLflow has told nobody."""
    made_up = MadeUpTrainings(tmp_path)

    def source() -> SeededTrainings:
        return SeededTrainings(
            [entrant(0)], [7, 8], kept=made_up.kept, checkpoints=made_up.checkpoints
        )

    first = source()
    assert [plan.number for plan in all_plans(first)] == [0, 1]
    made_up.finish(first, 0, 0.8)
    assert (made_up.checkpoints.folder / "trial-0").is_dir()
    told: list[tuple[int, Outcome]] = []
    mlflow = SimpleNamespace(end_trial=lambda *end: told.append(end))
    data = TrialData(
        dataset="synthetic",
        dataset_digest="0" * 64,
        data_dir=tmp_path,
        text=TextSource(way="precomputed"),
    )
    workplace = Workplace(
        data=data,
        resources=Resources(cpus_per_trial=1, gpus_per_trial=0, max_concurrent=1),
        checkpoints=made_up.checkpoints,
    )
    with patch("search.seeded.seeded_run.run_trials") as run_trials:
        train_seeded(source(), workplace, tmp_path, cast(Any, mlflow), [], lambda _: None)
    assert told == [(0, COMPLETE)]
    assert not (made_up.checkpoints.folder / "trial-0").exists()
    run_trials.assert_called_once()
