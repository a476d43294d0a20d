"""The journal of all that a recorder was told: JSON lines that survive the death of the driver."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from dlf.command import BadInputError
from tracking.journal.events import (
    DiscriminatedEvent,
    EpochTrained,
    ModelsKept,
    StudyClosed,
    StudyEvent,
    StudyOpened,
    TrialEnded,
    TrialMeasured,
    TrialStarted,
)
from tracking.records import Outcome, Record, TrialRecord

TRACKING_FILE = "tracking.jsonl"
"""all that is to be recorded; MLflow is brought up to it"""
READ_BYTES = 1 << 20
"""how much of a journal is taken into memory at once, for sending"""

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
    measured_epochs: int = 0
    """after how many its facts were told"""
    outcome: Outcome | None = None


class TrackingJournal:
    """A journal that is written: made, or continued after its last whole line.

    What cannot be written waits in memory and is written before the next line; `failure` says why
    until then. One thread of one process may write; another thread may read along.

    Raises:
        BadInputError: when the file cannot be opened, is no journal, or is being written already.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.failure: OSError | None = None
        self.grown = threading.Event()
        """set by every event; whoever reads along clears it"""
        self._trials: dict[int, Standing] = {}
        self._unwritten = bytearray()
        self._size = 0
        self._change = threading.Lock()
        try:
            self._descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        except OSError as error:
            raise BadInputError(
                f"the tracking journal {file} cannot be opened: {error.strerror}"
            ) from error
        self._owner = own_journal(file)
        for event, end in _events_with_ends(file):
            self._follow(event)
            self._size = end
        os.ftruncate(self._descriptor, self._size)

    @property
    def size(self) -> int:
        """How many bytes of the file are written, for `read_events`."""
        return self._size

    def standing(self, number: int) -> Standing | None:
        """Return how far a trial is; none for a trial that was never started."""
        return self._trials.get(number)

    def append(self, event: StudyEvent) -> None:
        """Write one line, which survives the death of this process though not of the machine."""
        self._follow(event)
        line = event.model_dump_json().encode() + b"\n"
        with self._change:
            self._unwritten += line
            try:
                while self._unwritten:
                    written = os.write(self._descriptor, self._unwritten)
                    self._size += written
                    del self._unwritten[:written]
            except OSError as error:
                self.failure = error
            else:
                self.failure = None
        self.grown.set()

    def read(self, position: int) -> tuple[list[StudyEvent], int]:
        """Return some of the events from a position on, and the position after the last of them.

        Positions count bytes; those that could not be written to the file are read, too.
        """
        with self._change:
            stored = max(0, self._size - position)
            waiting = bytes(self._unwritten[max(0, position - self._size) :])
        read = os.pread(self._descriptor, min(stored, READ_BYTES), position) if stored else b""
        if len(read) == stored:
            read += waiting
        lines = read[: read.rfind(b"\n") + 1]
        return [_EVENT.validate_json(line) for line in lines.splitlines()], position + len(lines)

    def close(self) -> None:
        """Close the file; another process may then write."""
        os.close(self._descriptor)
        self._owner.release()

    def _follow(self, event: StudyEvent) -> None:
        if isinstance(event, StudyOpened | StudyClosed | ModelsKept):
            return
        trial = self._trials.setdefault(event.number, Standing())
        match event:
            case TrialStarted():
                trial.outcome = None
            case EpochTrained():
                trial.last_epoch = event.epoch
            case TrialMeasured():
                trial.measured_epochs = event.facts.epochs
            case TrialEnded():
                trial.outcome = event.outcome


def own_journal(file: Path) -> FileLock:
    """Take a journal for this process; it is free again when released, or when the process ends.

    Raises:
        BadInputError: when another process has it, or its folder cannot be written.
    """
    lock = FileLock(file.with_suffix(".lock"), blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise BadInputError(
            f"the tracking journal {file} is in use by a search or by tracking.sync; wait for its "
            "end"
        ) from error
    except OSError as error:
        raise BadInputError(
            f"the tracking journal {file} cannot be opened: {error.strerror}"
        ) from error
    return lock


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
