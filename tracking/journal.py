"""The journal of all that a recorder was told: JSON lines that survive the death of the driver."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from dlf.command import BadInputError
from tracking.events import (
    DiscriminatedEvent,
    EpochTrained,
    StudyClosed,
    StudyEvent,
    StudyOpened,
    TrialEnded,
    TrialStarted,
)
from tracking.records import Outcome, Record, TrialRecord

TRACKING_FILE = "tracking.jsonl"

_EVENT: TypeAdapter[StudyEvent] = TypeAdapter(DiscriminatedEvent)


class JournaledTrial(Record):
    """What a journal has of one trial."""

    trial: TrialRecord
    epochs: tuple[int, ...] = ()
    outcome: Outcome | None = None


def read_events(file: Path, until: int | None = None) -> Iterator[StudyEvent]:
    """Return the events of a journal in order, one at a time; none when there is no such file.

    Only its first `until` bytes are read. A last line without an end, as a killed driver leaves
    it, is passed over.

    Raises:
        BadInputError: for a file that is no journal.
    """
    for event, end in _events_with_ends(file):
        if until is not None and end > until:
            return
        yield event


def journaled_trials(file: Path) -> dict[int, JournaledTrial]:
    """Return what a journal has of every trial.

    Raises:
        BadInputError: for a file that is no journal.
    """
    trials: dict[int, TrialRecord] = {}
    epochs: dict[int, list[int]] = {}
    outcomes: dict[int, Outcome | None] = {}
    for event in read_events(file):
        match event:
            case TrialStarted():
                trials.setdefault(event.number, event.trial)
                outcomes[event.number] = None
            case EpochTrained():
                epochs.setdefault(event.number, []).append(event.epoch)
            case TrialEnded():
                outcomes[event.number] = event.outcome
    return {
        number: JournaledTrial(
            trial=trial, epochs=tuple(epochs.get(number, ())), outcome=outcomes[number]
        )
        for number, trial in trials.items()
    }


@dataclass
class Standing:
    """How far a trial is."""

    last_epoch: int = 0
    outcome: Outcome | None = None


class TrackingJournal:
    """A journal that is written: made, or continued after its last whole line.

    What cannot be written waits in memory and is written before the next line; `failure` says why
    until then. One process at a time may write.

    Raises:
        BadInputError: when the file cannot be opened, or is no journal.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.failure: OSError | None = None
        self._trials: dict[int, Standing] = {}
        self._unwritten = bytearray()
        self._size = 0
        for event, end in _events_with_ends(file):
            self._follow(event)
            self._size = end
        try:
            self._descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            os.ftruncate(self._descriptor, self._size)
        except OSError as error:
            raise BadInputError(
                f"the tracking journal {file} cannot be opened: {error.strerror}"
            ) from error

    @property
    def size(self) -> int:
        """How many bytes of the file are written, for `read_events`."""
        return self._size

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers of the trials that were ever started."""
        return frozenset(self._trials)

    def standing(self, number: int) -> Standing | None:
        """Return how far a trial is; none for a trial that was never started."""
        return self._trials.get(number)

    def append(self, event: StudyEvent) -> None:
        """Write one line, which survives the death of this process though not of the machine."""
        self._follow(event)
        self._unwritten += event.model_dump_json().encode() + b"\n"
        try:
            while self._unwritten:
                written = os.write(self._descriptor, self._unwritten)
                self._size += written
                del self._unwritten[:written]
        except OSError as error:
            self.failure = error
        else:
            self.failure = None

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _follow(self, event: StudyEvent) -> None:
        if isinstance(event, StudyOpened | StudyClosed):
            return
        trial = self._trials.setdefault(event.number, Standing())
        match event:
            case TrialStarted():
                trial.outcome = None
            case EpochTrained():
                trial.last_epoch = event.epoch
            case TrialEnded():
                trial.outcome = event.outcome


def _events_with_ends(file: Path) -> Iterator[tuple[StudyEvent, int]]:
    """Return each event with the number of bytes up to the end of its line."""
    end = 0
    try:
        with file.open("rb") as lines:
            for position, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    return
                end += len(line)
                try:
                    event = _EVENT.validate_json(line)
                except ValidationError as error:
                    raise BadInputError(
                        f"the tracking journal {file} is damaged in line {position}; move it away "
                        "to go on from what the tracking store has"
                    ) from error
                yield event, end
    except FileNotFoundError:
        return
    except OSError as error:
        raise BadInputError(
            f"the tracking journal {file} cannot be read: {error.strerror}"
        ) from error
