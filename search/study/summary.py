"""What a search came to, gathered from its study: for tracking, for programs and for people."""

import sys
from datetime import datetime

import optuna
from optuna.trial import TrialState as OptunaState

from dlf.command import WorkFailedError
from dlf.metrics import BEST_OBJECTIVE
from search.study.identity import PAPER_TRIAL
from search.study.records import (
    NOTES,
    REASON,
    FinishedTrial,
    count_epochs,
    count_states,
    finished_trials,
    own_trials,
    trial_name,
)
from search.study.result import Baseline, BestTrial, SearchResult, TrialCounts
from tracking.records import Ending, Summary
from tracking.run_names import BEST_TRIAL_TAG, COUNT_TAG_PREFIX
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.terminal.console import onlooker_on
from tracking.terminal.onlooker import Onlooker
from tracking.terminal.progress import Best, Bounds, Past, Progress


def console_of(
    study: optuna.Study, total: int, *, seconds: float | None = None, epochs: int | None = None
) -> Onlooker:
    """Return what shows the search in the terminal, which goes on where a former driver ended.

    Args:
        study: the study as it is before any trial of this run.
        total: the number of trials that it may have.
        seconds: the time budget of this run.
        epochs: the budget of the whole study.
    """
    own = own_trials(study)
    running = [trial for trial in own if trial.state is OptunaState.RUNNING]
    past = Past(
        ended=count_states(own),
        epochs=count_epochs(own),
        reached={trial.number: max(trial.intermediate_values, default=0) for trial in running},
        best=_best_of(study),
    )
    bounds = Bounds(trials=total, seconds=seconds, epochs=epochs)
    return onlooker_on(sys.stdout, Progress(bounds, past))


def _best_of(study: optuna.Study) -> Best | None:
    for trial in finished_trials(study)[:1]:
        ended = study.get_trials(deepcopy=False)[trial.number].datetime_complete
        return Best(name=trial_name(trial.number), value=trial.value, at=ended or datetime.now())
    return None


def summary_of(study: optuna.Study) -> Summary:
    """Return what tracking says of the study in the end."""
    counts = count_states(own_trials(study))
    tags = {f"{COUNT_TAG_PREFIX}{state}": str(count) for state, count in counts.items()}
    finished = finished_trials(study)
    if not finished:
        return Summary(ending=Ending.FAILED, tags=tags)
    tags[BEST_TRIAL_TAG] = str(finished[0].number)
    best = {BEST_OBJECTIVE: finished[0].value}
    return Summary(ending=Ending.FINISHED, tags=tags, metrics=best)


def result_of(
    study: optuna.Study, mlflow: MlflowRecorder, *, ended_by: str, seconds: float, uri: str
) -> SearchResult:
    """Gather the result of the search."""
    own, finished = own_trials(study), finished_trials(study)
    baseline = [trial.value for trial in finished if trial.number == PAPER_TRIAL]
    best = None
    if finished:
        best = BestTrial(run_id=run_id_of(mlflow, finished[0]), **finished[0].model_dump())
    counts = count_states(own)
    return SearchResult(
        study=study.study_name,
        trials=TrialCounts(**{state.value: count for state, count in counts.items()}),
        best=best,
        baseline=Baseline(value=baseline[0] if baseline else None),
        epochs_trained=count_epochs(own),
        ended_by=ended_by,
        wall_seconds=seconds,
        tracking_uri=uri,
    )


def faults_of(study: optuna.Study) -> list[str]:
    """Return what went wrong with trials, a line each: why they failed, and notes on them."""
    lines = []
    for trial in own_trials(study):
        name, attributes = trial_name(trial.number), trial.user_attrs
        if trial.state is OptunaState.FAIL:
            lines.append(f"{name} failed: {attributes.get(REASON, 'no reason was given')}")
        lines += [f"{name}: {_first_line(note)}" for note in attributes.get(NOTES, [])]
    return lines


def _first_line(note: str) -> str:
    first, _, rest = note.partition("\n")
    return f"{first} (...)" if rest else first


def run_id_of(mlflow: MlflowRecorder, trial: FinishedTrial) -> str | None:
    """Return the run of a trial; none where tracking lost it, which must not cost the result."""
    try:
        return mlflow.run_id(trial.number)
    except WorkFailedError:
        return None
