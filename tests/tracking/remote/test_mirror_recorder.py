"""What sends a study's folder while its trials run: in time, and past a store that is away."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import IO

import pytest

from dlf.command import WorkFailedError
from tests.support.searches import wait_until
from tracking.records import Ending, Outcome, Summary, TrialFacts, TrialState
from tracking.remote.folder import RemoteFolder
from tracking.remote.mirror import Mirror
from tracking.remote.mirror_recorder import MirrorRecorder

FACTS = TrialFacts(
    host="here",
    device="cpu",
    device_share="1 CPU",
    parameters=1,
    epochs=1,
    seconds_per_epoch=1.0,
    samples_per_second=1.0,
    peak_memory_mb=1.0,
)
COMPLETE = Outcome(state=TrialState.COMPLETE)
FINISHED = Summary(ending=Ending.FINISHED)


class Sending:
    """A folder that is sent."""

    def __init__(self, folder: Path) -> None:
        self.there = folder / "there"
        self.mirror = Mirror(folder / "here", RemoteFolder.at(self.there.as_uri()))
        self.mirror.fetch()
        self.told: list[str] = []
        self.recorder = MirrorRecorder(self.mirror, self.told.append)

        self._said: list[str | None] = []
        self.tried = ""
        """what was last tried to be sent"""

    def finish(self) -> str | None:
        """Finish, once."""
        if not self._said:
            self._said.append(self.recorder.finish(FINISHED))
        return self._said[0]

    def write(self, text: str) -> None:
        (self.mirror.folder / "tracking.jsonl").write_text(text)

    @property
    def sent(self) -> str:
        return (self.there / "tracking.jsonl").read_text()


@pytest.fixture
def sending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sending]:
    monkeypatch.setattr("tracking.remote.mirror_recorder.LAST_WAIT_SECONDS", 3.0)
    monkeypatch.setattr("tracking.remote.mirror_recorder.WAIT_SECONDS", 60.0)
    sending = Sending(tmp_path)
    yield sending
    sending.finish()


@pytest.fixture
def away(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Make the file system fail, or let it be well."""
    upload = RemoteFolder.upload

    def failing(folder: RemoteFolder, name: str, source: IO[bytes], size: int) -> None:
        sending.tried = source.read(size).decode()
        raise OSError("SLOW_DOWN: please wait")

    return lambda fails: monkeypatch.setattr(RemoteFolder, "upload", failing if fails else upload)


def test_what_is_here_of_a_trial_is_there_before_its_end_is_told(sending: Sending) -> None:
    sending.write("epochs")
    sending.recorder.log_facts(0, FACTS)
    assert sending.sent == "epochs"
    sending.write("epochs, end")
    sending.recorder.end_trial(0, COMPLETE)
    assert sending.sent == "epochs, end"


def test_it_sends_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracking.remote.mirror_recorder.PAUSE_SECONDS", 0.05)
    sending = Sending(tmp_path)
    sending.write("epochs")
    wait_until(lambda: sending.there.is_dir() and sending.sent == "epochs")
    assert sending.finish() is None


def test_the_last_of_it_is_sent_in_the_end(sending: Sending) -> None:
    sending.write("closed")
    assert sending.finish() is None
    assert sending.sent == "closed"
    assert sending.told == []


def test_a_store_that_is_away_is_told_of_once_and_what_it_lacks_is_sent_later(
    sending: Sending, away: Callable[[bool], None]
) -> None:
    away(True)
    for text in ("one", "two", "three"):
        sending.write(text)
        sending.recorder.log_facts(0, FACTS)
        wait_until(lambda text=text: sending.tried == text)
    shown = sending.there.as_uri()
    assert sending.told == [
        f"{shown} cannot be written (SLOW_DOWN: please wait); this goes on all the same, and what "
        "is missing there is sent later"
    ]
    away(False)
    sending.write("four")
    sending.recorder.end_trial(1, COMPLETE)
    wait_until(lambda: len(sending.told) == 2)
    assert sending.told[1] == f"{shown} can be written again, and has what was missing"
    assert sending.sent == "four"


def test_a_store_that_stays_away_is_told_of_in_the_end(
    sending: Sending, away: Callable[[bool], None]
) -> None:
    away(True)
    sending.write("closed")
    said = sending.finish()
    assert said == f"{sending.there.as_uri()} lacks the last of it, which --resume sends"


def test_a_store_that_does_not_answer_holds_trials_up_once_and_not_for_long(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()

    def silent(*_: object) -> None:
        answer.wait()
        raise OSError("no answer")

    monkeypatch.setattr(RemoteFolder, "upload", silent)
    monkeypatch.setattr("tracking.remote.mirror_recorder.WAIT_SECONDS", 0.3)
    sending.write("epochs")
    begun = monotonic()
    sending.recorder.log_facts(0, FACTS)
    assert 0.3 <= monotonic() - begun < 30.0
    answer.set()
    wait_until(lambda: len(sending.told) == 1)
    answer.clear()
    monkeypatch.setattr("tracking.remote.mirror_recorder.WAIT_SECONDS", 20.0)
    begun = monotonic()
    sending.recorder.log_facts(1, FACTS)
    sending.recorder.end_trial(1, COMPLETE)
    assert monotonic() - begun < 20.0
    answer.set()


def test_what_another_machine_has_written_ends_the_search(sending: Sending) -> None:
    sending.write("one")
    sending.recorder.end_trial(0, COMPLETE)
    (sending.there / "tracking.jsonl").write_text("of another machine")
    sending.write("two")
    sending.recorder.end_trial(1, COMPLETE)
    with pytest.raises(WorkFailedError, match="was written by another machine; so this ends"):
        sending.recorder.log_epoch(2, 1, {})
    said = sending.finish()
    assert said is not None
    assert "overwrites nothing" in said
    assert sending.sent == "of another machine"
