"""A real MLflow server that is away, comes back, is slow, fails, or loses its answers."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlf.command import BadInputError, WorkFailedError
from tests.support.faulty_proxy import (
    Fault,
    FaultyProxy,
    Request,
    faulty_proxy,
    half_of_the_time,
    internal_error,
    lost_answer,
    well,
)
from tests.support.mlflow_server import MlflowServer
from tests.support.recording import (
    EPOCHS,
    SUMMARY,
    check,
    study_of,
    study_run_of,
    tell,
    trial_of,
)
from tracking.journal.file import own_journal
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.sending.recorded import recorded_trials
from tracking.sending.sender import Patience
from tracking.sending.sync_command import sync_command
from tracking.store.connection import connect
from tracking.store.location import TrackingLocation, resolve
from tracking.sync import sync

pytestmark = pytest.mark.slow

AT_ONCE = Patience(pause=0.01, grace=0.0)


@pytest.fixture
def proxy(server_location: TrackingLocation) -> Iterator[FaultyProxy]:
    with faulty_proxy(server_location.uri) as proxy:
        yield proxy


def test_a_server_that_is_away_from_the_start_is_sent_everything_when_it_comes(
    absent_server: MlflowServer, journal_file: Path
) -> None:
    location = resolve(absent_server.address)
    recorder = MlflowRecorder(
        location, study_of("late"), journal_file, patience=Patience(pause=0.05)
    )
    recorder.ready(offline=True)
    tell(recorder, journal_file)
    absent_server.start()
    recorder.run_id(2)
    assert recorder.finish(SUMMARY) is None
    assert recorder.unsent is None
    check(location, "late")


def test_a_server_that_never_came_is_sent_everything_later(
    absent_server: MlflowServer, journal_file: Path
) -> None:
    location = resolve(absent_server.address)
    recorder = MlflowRecorder(location, study_of("never"), journal_file)
    recorder.ready(offline=True)
    started = time.monotonic()
    tell(recorder, journal_file)
    assert recorder.finish(SUMMARY) is None
    assert time.monotonic() - started < 60
    assert recorder.unsent is not None
    assert f"`{sync_command(journal_file, location)}` sends it" in recorder.unsent
    with pytest.raises(WorkFailedError, match="trial 0 has no run"):
        recorder.run_id(0)
    with pytest.raises(WorkFailedError, match=r"does not answer .*; run this again when it does"):
        sync(location, journal_file)
    absent_server.start()
    for _ in range(2):
        assert sync(location, journal_file).words is None
        check(location, "never")


def test_an_outage_and_its_end_are_told_once(
    proxy: FaultyProxy, server_location: TrackingLocation, journal_file: Path
) -> None:
    told: list[str] = []
    back = threading.Event()

    def say(text: str) -> None:
        told.append(text)
        if "answers again" in text:
            back.set()

    location = resolve(proxy.address)
    recorder = MlflowRecorder(
        location, study_of("told"), journal_file, tell=say, patience=Patience(pause=0.01)
    )
    recorder.start_trial(trial_of(0))
    recorder.run_id(0)
    proxy.fault = internal_error
    before = proxy.requests
    tell(recorder, journal_file)
    while proxy.requests < before + 5:
        assert not back.wait(0.01)
    proxy.fault = well
    assert back.wait(30)
    assert recorder.finish(SUMMARY) is None
    check(server_location, "told")
    assert told == [
        f"tracking: {location.uri} is away (it answers with the error 500); what it lacks is "
        "kept, and sent when it is back",
        f"tracking: {location.uri} answers again",
    ]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("fault", [internal_error, lost_answer])
def test_every_point_arrives_once_where_half_of_the_requests_fail(
    fault: Fault,
    seed: int,
    proxy: FaultyProxy,
    server_location: TrackingLocation,
    journal_file: Path,
) -> None:
    key = f"{getattr(fault, '__name__', '')}-{seed}"
    proxy.fault = half_of_the_time(fault, seed)
    recorder = MlflowRecorder(
        resolve(proxy.address), study_of(key), journal_file, patience=Patience(pause=0.0, grace=60)
    )
    tell(recorder, journal_file)
    recorder.run_id(2)
    assert recorder.finish(SUMMARY) is None
    assert recorder.unsent is None
    check(server_location, key)


def test_nobody_waits_for_a_server_that_hangs(
    proxy: FaultyProxy, server_location: TrackingLocation, journal_file: Path
) -> None:
    go_on = threading.Event()

    def hang(request: Request) -> bool:
        go_on.wait()
        return False

    recorder = MlflowRecorder(resolve(proxy.address), study_of("hangs"), journal_file)
    recorder.ready()
    proxy.fault = hang
    started = time.monotonic()
    tell(recorder, journal_file)
    assert time.monotonic() - started < 15, "a request gives up after 20 seconds"
    go_on.set()
    assert recorder.finish(SUMMARY) is None
    check(server_location, "hangs")


def test_what_piled_up_is_sent_in_few_requests(
    proxy: FaultyProxy, server_location: TrackingLocation, journal_file: Path
) -> None:
    recorder = MlflowRecorder(
        resolve(proxy.address), study_of("piled"), journal_file, patience=AT_ONCE
    )
    recorder.start_trial(trial_of(0))
    recorder.run_id(0)
    proxy.fault = internal_error
    for epoch in range(1, 101):
        recorder.log_epoch(0, epoch, {"valid/mae": 1 / epoch})
    proxy.fault, before = well, proxy.requests
    recorder.run_id(0)
    assert proxy.requests - before < 10
    assert recorder.finish(SUMMARY) is None
    (run,) = recorded_trials(server_location, "piled")[0]
    assert run.epochs == tuple(range(1, 101))


def test_more_metrics_than_a_request_takes_all_arrive(
    server_location: TrackingLocation, journal_file: Path
) -> None:
    """MLflow refuses more than a thousand in one request."""
    names = ["valid/mae", *(f"loss/{i}" for i in range(29))]
    recorder = MlflowRecorder(server_location, study_of("many"), journal_file)
    recorder.start_trial(trial_of(0))
    recorder.run_id(0)
    for epoch in range(1, 61):
        recorder.log_epoch(0, epoch, dict.fromkeys(names, 1 / epoch))
    assert recorder.finish(SUMMARY) is None
    assert recorder.unsent is None
    (run,) = recorded_trials(server_location, "many")[0]
    store = connect(server_location)
    for name in (names[0], names[-1]):
        steps = [point.step for point in store.points(run.run_id, name)]
        assert steps == list(range(1, 61))


def test_a_server_that_refuses_artifacts_is_not_asked_for_ever(
    proxy: FaultyProxy, server_location: TrackingLocation, journal_file: Path
) -> None:
    def forbid(request: Request) -> bool:
        if "mlflow-artifacts" not in request.path:
            return False
        request.rfile.read(int(request.headers.get("Content-Length", 0)))
        request.answer(403, b'{"error_code": "PERMISSION_DENIED", "message": "not for you"}')
        return True

    proxy.fault = forbid
    recorder = MlflowRecorder(
        resolve(proxy.address), study_of("forbidden"), journal_file, patience=AT_ONCE
    )
    tell(recorder, journal_file)
    recorder.run_id(2)
    assert recorder.finish(SUMMARY) is None
    assert recorder.unsent is not None
    assert "refused a part of 3 trials" in recorder.unsent
    runs = recorded_trials(server_location, "forbidden")
    assert {n: run.epochs for n, (run,) in runs.items()} == dict.fromkeys(range(3), EPOCHS)
    proxy.fault = well
    assert sync(resolve(proxy.address), journal_file).words is None
    check(server_location, "forbidden")


def test_a_report_is_sent_while_the_search_runs_and_not_too_often(
    sqlite_location: TrackingLocation, journal_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def text_of_report() -> str:
        client, run_id = connect(sqlite_location).client, study_run_of(sqlite_location, "report")
        return Path(client.download_artifacts(run_id, "report.html")).read_text()

    report = journal_file.parent / "report.html"
    report.write_text("first")
    recorder = MlflowRecorder(sqlite_location, study_of("report"), journal_file)
    for number, text in enumerate(("first", "second")):
        report.write_text(text)
        recorder.start_trial(trial_of(number))
        recorder.run_id(number)
        # What follows the report in the thread's work shows that it has looked at it.
        recorder.log_epoch(number, 1, {"valid/mae": 1.0})
        recorder.run_id(number)
        assert text_of_report() == "first"
    monkeypatch.setattr("tracking.sending.delivery.REPORT_SECONDS", 0.0)
    for epoch in (2, 3):
        recorder.log_epoch(1, epoch, {"valid/mae": 1.0})
        recorder.run_id(1)
    assert text_of_report() == "second"
    report.write_text("last")
    assert recorder.finish(SUMMARY) is None
    assert text_of_report() == "last"


def test_a_search_that_was_killed_is_sent_as_interrupted(
    sqlite_location: TrackingLocation, journal_file: Path
) -> None:
    recorder = MlflowRecorder(sqlite_location, study_of("k"), journal_file)
    recorder.start_trial(trial_of(0))
    recorder.log_epoch(0, EPOCHS[0], {"valid/mae": 1.0})
    with pytest.raises(BadInputError, match=r"is in use by a search or by tracking\.sync"):
        sync(sqlite_location, journal_file)
    recorder.finish(SUMMARY)
    lines = journal_file.read_bytes().splitlines(keepends=True)
    journal_file.write_bytes(b"".join(lines[:-1]))
    assert sync(sqlite_location, journal_file).words is None
    (run,) = recorded_trials(sqlite_location, "k")[0]
    assert (run.status, run.state, run.epochs) == ("KILLED", "interrupted", EPOCHS[:1])


def test_a_journal_is_free_again_when_its_owner_is_done(journal_file: Path) -> None:
    with own_journal(journal_file):
        pass
    with own_journal(journal_file):
        pass
