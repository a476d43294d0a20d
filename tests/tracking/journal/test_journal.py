import errno
import math
import os
from pathlib import Path

import pytest

from dlf.command import BadInputError
from tests.support.recording import SUMMARY, check, study_of, tell
from tracking.journal.events import (
    EpochTrained,
    StudyClosed,
    StudyEvent,
    StudyOpened,
    TrialEnded,
    TrialStarted,
)
from tracking.journal.file import (
    JournaledTrial,
    Standing,
    TrackingJournal,
    journaled_trials,
    read_events,
)
from tracking.records import Ending, Outcome, StudyRecord, Summary, TrialRecord, TrialState
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.store.location import TrackingLocation

TRIAL = TrialRecord(
    number=3,
    name="trial 3",
    params={"whole": 1, "real": 1.0, "tiny": 1e-300, "text": "1", "flag": True, "none": math.inf},
    config_yaml="a: 1\nb: 'ü'\n",
    seed=2**31,
)
EVENTS: tuple[StudyEvent, ...] = (
    StudyOpened(study=StudyRecord(name="s", dataset="mosi", tags={"a": "b"}), time_ms=1),
    TrialStarted(trial=TRIAL, time_ms=2),
    EpochTrained(number=3, epoch=1, metrics={"valid/mae": 0.1 + 0.2, "bad": -math.inf}, time_ms=3),
    TrialEnded(number=3, outcome=Outcome(state=TrialState.FAILED, reason="no\nmore"), time_ms=4),
    StudyClosed(summary=Summary(ending=Ending.INTERRUPTED, metrics={"m": 1.0}), time_ms=5),
)


def write(file: Path, events: tuple[StudyEvent, ...] = EVENTS) -> None:
    journal = TrackingJournal(file)
    for event in events:
        journal.append(event)
    journal.close()


def test_everything_is_read_as_it_was_written(journal_file: Path) -> None:
    write(journal_file)
    assert tuple(read_events(journal_file)) == EVENTS
    (started,) = (event for event in read_events(journal_file) if isinstance(event, TrialStarted))
    types = {name: type(value) for name, value in started.trial.params.items()}
    assert types == {name: type(value) for name, value in TRIAL.params.items()}


def test_a_value_that_is_no_number_is_kept(journal_file: Path) -> None:
    write(journal_file, (EpochTrained(number=0, epoch=1, metrics={"m": math.nan}, time_ms=3),))
    (event,) = read_events(journal_file)
    assert isinstance(event, EpochTrained)
    assert math.isnan(event.metrics["m"])


def test_a_line_is_in_the_file_at_once(journal_file: Path) -> None:
    journal = TrackingJournal(journal_file)
    for count, event in enumerate(EVENTS, start=1):
        journal.append(event)
        assert len(list(read_events(journal.file))) == count
        assert journal.file.stat().st_size == journal.size


def test_a_reader_can_stop_where_the_journal_ended_once(journal_file: Path) -> None:
    journal = TrackingJournal(journal_file)
    journal.append(EVENTS[0])
    size = journal.size
    journal.append(EVENTS[1])
    assert list(read_events(journal.file, size)) == [EVENTS[0]]


def test_how_far_trials_are_is_known_again(journal_file: Path) -> None:
    write(journal_file, EVENTS[:3])
    journal = TrackingJournal(journal_file)
    assert journal.standing(3) == Standing(last_epoch=1)
    assert journal.standing(4) is None
    journal.close()
    write(journal_file, EVENTS[3:])
    journal = TrackingJournal(journal_file)
    outcome = Outcome(state=TrialState.FAILED, reason="no\nmore")
    assert journal.standing(3) == Standing(last_epoch=1, outcome=outcome)
    journal.close()
    assert journaled_trials(journal_file) == {
        3: JournaledTrial(trial=TRIAL, epochs=(1,), outcome=outcome)
    }
    write(journal_file, EVENTS[1:2])
    assert TrackingJournal(journal_file).standing(3) == Standing(last_epoch=1)
    assert journaled_trials(journal_file)[3].outcome is None


def test_a_missing_journal_has_nothing(tmp_path: Path) -> None:
    assert journaled_trials(tmp_path / "absent") == {}


def test_a_torn_last_line_is_passed_over_and_cut_off(journal_file: Path) -> None:
    write(journal_file)
    whole = journal_file.read_bytes()
    last = whole.rstrip(b"\n").rindex(b"\n") + 1
    for end in range(last + 1, len(whole)):
        journal_file.write_bytes(whole[:end])
        assert tuple(read_events(journal_file)) == EVENTS[:-1]
        write(journal_file, EVENTS[-1:])
        assert journal_file.read_bytes() == whole


def test_a_damaged_line_is_named(journal_file: Path) -> None:
    write(journal_file)
    lines = journal_file.read_bytes().splitlines(keepends=True)
    journal_file.write_bytes(b"".join([*lines[:2], b'{"event": "epoch"}\n', *lines[2:]]))
    with pytest.raises(BadInputError, match=r"damaged in line 3"):
        TrackingJournal(journal_file)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"cannot be opened: No such file or directory"):
        TrackingJournal(tmp_path / "absent" / "tracking.jsonl")


class FullDisk:
    """A disk on which some bytes are left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
        self.left = 0
        self._write = os.write
        self._file = file.stat().st_ino
        monkeypatch.setattr(os, "write", self._write_what_fits)

    def _write_what_fits(self, descriptor: int, text: bytes) -> int:
        if os.fstat(descriptor).st_ino != self._file:
            return self._write(descriptor, text)
        if self.left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(descriptor, text[: self.left])
        self.left -= written
        return written


def test_what_a_full_disk_did_not_take_is_written_later(
    journal_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = TrackingJournal(journal_file)
    disk = FullDisk(monkeypatch, journal_file)
    for event in EVENTS[:4]:
        disk.left = 10
        journal.append(event)
        assert journal.failure is not None
    assert list(read_events(journal.file)) == []
    disk.left = 10**6
    journal.append(EVENTS[4])
    assert journal.failure is None
    assert tuple(read_events(journal.file)) == EVENTS
    assert journal.file.stat().st_size == journal.size


def test_a_journal_that_cannot_be_written_costs_the_store_nothing_and_is_told(
    sqlite_location: TrackingLocation,
    journal_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = MlflowRecorder(sqlite_location, study_of("full"), journal_file)
    recorder.ready()
    FullDisk(monkeypatch, journal_file)
    tell(recorder, journal_file)
    assert recorder.finish(SUMMARY) == (
        f"the tracking journal {journal_file} could not be written (No space left on device)"
    )
    check(sqlite_location, "full")
    monkeypatch.undo()

    recorder = MlflowRecorder(sqlite_location, study_of("full"), journal_file)
    tell(recorder, journal_file)
    assert recorder.finish(SUMMARY) is None
    check(sqlite_location, "full")
