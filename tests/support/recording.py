"""A small study that is recorded, by this process or by one of its own that can be killed.

    python tests/support/recording.py TRACKING_URI JOURNAL KEY

prints a line for everything that it tells the recorder, once it is told.
"""

import sys
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tracking.journal.file import journaled_trials
from tracking.records import Ending, Outcome, StudyRecord, Summary, TrialRecord, TrialState
from tracking.run_names import KEY_TAG, TRIAL_TAG
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.sending.recorded import recorded_trials
from tracking.store.connection import connect
from tracking.store.location import TrackingLocation, resolve

EPOCHS = (1, 2)
OUTCOMES = (
    Outcome(state=TrialState.COMPLETE),
    Outcome(state=TrialState.PRUNED),
    Outcome(state=TrialState.FAILED, reason="the loss is not finite"),
)
STATUSES = ("FINISHED", "KILLED", "FAILED")
SUMMARY = Summary(ending=Ending.FINISHED, metrics={"valid/best_mae": 0.5})


def study_of(key: str) -> StudyRecord:
    return StudyRecord(name=f"study {key}", dataset="mosi", tags={}, key=key)


def trial_of(number: int) -> TrialRecord:
    return TrialRecord(
        number=number,
        name=f"trial {number}",
        params={"learning_rate": 10.0**-number, "batch_size": 16},
        config_yaml=f"number: {number}\n",
        seed=number,
    )


def study_run_of(location: TrackingLocation, key: str) -> str:
    """Return the identity of the study's own run, of which there is one."""
    store = connect(location)
    found = store.find_runs(store.experiments("dlf-"), {KEY_TAG: key}, deleted=True)
    (own,) = [run.run_id for run in found if TRIAL_TAG not in run.tags]
    return own


def tell(
    recorder: MlflowRecorder,
    journal_file: Path,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Tell the recorder all of the study but the trials that ended, two trials at a time.

    Like a search that goes on, it tells the epochs of unfinished trials again.
    """
    for pair in ((0, 1), (2,)):
        journaled = journaled_trials(journal_file)
        numbers = [n for n in pair if n not in journaled or journaled[n].outcome is None]
        for number in numbers:
            recorder.start_trial(trial_of(number))
            say(f"started {number}")
        for epoch in EPOCHS:
            for number in numbers:
                value = 1 / (number + epoch)
                recorder.log_epoch(number, epoch, {"valid/mae": value, "loss/total": 2 * value})
                say(f"epoch {epoch} of {number}")
        for number in numbers:
            recorder.end_trial(number, OUTCOMES[number])
            say(f"ended {number}")


def check(location: TrackingLocation, key: str) -> None:
    """See that the store has all of the study, everything once, and nothing that still runs."""
    trials = recorded_trials(location, key)
    assert sorted(trials) == list(range(len(OUTCOMES)))
    for number, runs in trials.items():
        (run,) = runs
        assert run.epochs == EPOCHS
        assert (run.status, run.state) == (STATUSES[number], OUTCOMES[number].state.value)
        assert run.params == {"learning_rate": repr(10.0**-number), "batch_size": "16"}
    store = connect(location)
    runs_of_study = list(store.find_runs(store.experiments("dlf-"), {"dlf.study_key": key}))
    assert len(runs_of_study) == len(OUTCOMES) + 1
    for found in runs_of_study:
        assert found.status != "RUNNING"
        assert found.tags.get("dlf.failure") in (None, "the loss is not finite")
        assert ("dlf.failure" in found.tags) == (found.tags.get("dlf.state") == "failed")
        for name in found.metrics:
            steps = [point.step for point in store.points(found.run_id, name)]
            assert len(set(steps)) == len(steps)
        if "dlf.trial" in found.tags:
            listed = store.client.list_artifacts(found.run_id)
            assert [file.path for file in listed] == ["config.yaml", "learning_curves.png"]


def main(uri: str, journal_file: str, key: str) -> None:
    """Record the study, from wherever the journal is to its end."""
    recorder = MlflowRecorder(resolve(uri), study_of(key), Path(journal_file))
    print("opened", flush=True)
    recorder.ready()

    def say(text: str) -> None:
        # What is told in the background would lie far behind otherwise.
        if text.startswith("started"):
            recorder.run_id(int(text.split()[-1]))
        print(text, flush=True)

    tell(recorder, Path(journal_file), say)
    print(recorder.finish(SUMMARY), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
