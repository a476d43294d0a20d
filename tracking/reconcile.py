"""Gives a tracking store everything that a journal has and the store lacks, exactly once."""

from collections.abc import Callable, Iterable

from tracking.events import (
    EpochTrained,
    StudyClosed,
    StudyEvent,
    StudyOpened,
    TrialEnded,
    TrialEvent,
    TrialStarted,
)
from tracking.mlflow_store import StoreRefusedError
from tracking.study_runs import Refusals, StudyRuns


def reconcile(runs: StudyRuns, journal: Callable[[], Iterable[StudyEvent]]) -> Refusals:
    """Compare every trial of the journal with its run, and send what is missing.

    A missing run is created with its original start; missing epochs get their original steps and
    times; a trial that ended ends in its last outcome, and so does the study. The runs of trials
    that have not ended keep their status. The journal is read twice, so that it is never in memory.

    Returns:
        What the store refused, by trial; the others are sent all the same.

    Raises:
        StoreAwayError: when the store does not answer; calling again goes on from there.
    """
    ends: dict[int, TrialEnded | None] = {}
    closed: StudyClosed | None = None
    for event in journal():
        match event:
            case StudyOpened():
                closed = None
            case StudyClosed():
                closed = event
            case TrialEnded():
                ends[event.number] = event
            case TrialStarted():
                ends[event.number] = None
            case EpochTrained():
                ends.setdefault(event.number, None)
    open_trials = {number for number, end in ends.items() if end is None or not runs.has_ended(end)}
    refusals: Refusals = {}
    for event in journal() if open_trials else ():
        if isinstance(event, StudyOpened | StudyClosed):
            continue
        if event.number not in open_trials or event.number in refusals:
            continue
        try:
            _send(runs, event, last=event == ends[event.number])
        except StoreRefusedError as error:
            refusals[event.number] = error
    if closed is not None:
        refusals = {**runs.close(closed), **refusals}
    return refusals


def _send(runs: StudyRuns, event: TrialEvent, *, last: bool) -> None:
    match event:
        case TrialStarted():
            runs.begin(event)
        case EpochTrained():
            runs.add_epoch(event)
        case TrialEnded() if last:
            runs.end(event)
