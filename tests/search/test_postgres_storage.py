"""A study whose storage is a Postgres server, and the loss of that server."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from dlf.command import WorkFailedError
from search.storage.lost_connection import LostConnectionError
from search.study.open_study import OpenStudy, SearchSettings, StudyPlace
from tests.support.cutting_proxy import cutting_proxy
from tests.support.postgres import PostgresServer
from tests.support.simulation import SimulatedSearch

SETTINGS = SearchSettings(trials=1, seed=0)


def test_a_study_lives_in_postgres(
    simulated: SimulatedSearch, tmp_path: Path, postgres_url: str
) -> None:
    place = StudyPlace("mosi", tmp_path, postgres_url)
    place.refuse_if_taken()
    study = place.create(simulated.identity, SETTINGS).study
    trial = study.ask()
    trial.report(0.9, step=1)
    study.tell(trial, 0.8)
    opened = StudyPlace("mosi", tmp_path, postgres_url).load()
    assert opened.identity == simulated.identity
    found = opened.study.trials
    assert [(trial.value, trial.intermediate_values) for trial in found] == [(0.8, {1: 0.9})]


def test_a_driver_waits_for_its_server_and_goes_on(
    simulated: SimulatedSearch, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    place = StudyPlace("outage", tmp_path, postgres_server.url)
    with place.hold():
        study = place.create(simulated.identity, SETTINGS).study
        trial = study.ask()
        for attempt in (
            lambda: trial.suggest_float("x", 0, 1),
            lambda: trial.report(0.9, step=1),
            place.refuse_if_lost,
            lambda: study.tell(trial, 0.8),
            study.ask,
        ):
            postgres_server.stop()
            starter = threading.Timer(0.5, postgres_server.start)
            starter.start()
            attempt()
            starter.join()
        assert place.holder() is not None
        assert [trial.state.name for trial in study.trials] == ["COMPLETE", "RUNNING"]
    (trial, _) = StudyPlace("outage", tmp_path, postgres_server.url).load().study.trials
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 0.8)
    assert trial.intermediate_values == {1: 0.9}


def test_who_only_reads_waits_a_moment_and_says_why(
    simulated: SimulatedSearch, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.storage.patience.MOMENT_SECONDS", 0.0)
    with cutting_proxy(postgres_url) as proxy:
        StudyPlace("read", tmp_path, postgres_url).create(simulated.identity, SETTINGS)
        opened = StudyPlace("read", tmp_path, proxy.url).load()
        proxy.cut_off()
        with pytest.raises(LostConnectionError, match=r"does not answer \(.*\); try again when"):
            opened.study.get_trials()
        proxy.deaf.clear()
        assert len(opened.study.get_trials()) == 1


def test_a_driver_writes_nothing_once_another_has_taken_the_study(
    simulated: SimulatedSearch, tmp_path: Path, postgres_url: str
) -> None:
    with cutting_proxy(postgres_url) as proxy:
        ours = StudyPlace("taken", tmp_path, proxy.url)
        with ours.hold():
            study = ours.create(simulated.identity, SETTINGS).study
            trial = study.ask()
            proxy.cut_off()
            theirs = StudyPlace("taken", tmp_path, postgres_url)
            with theirs.hold():
                proxy.deaf.clear()
                for write in (
                    study.ask,
                    lambda: trial.report(0.9, 1),
                    lambda: study.tell(trial, 1),
                ):
                    proxy.cut_off()
                    proxy.deaf.clear()
                    assert_taken(write)
                assert_taken(ours.refuse_if_lost)
                assert [(t.state, t.intermediate_values) for t in trials(theirs.load())] == [
                    (TrialState.RUNNING, {})
                ]


def test_a_driver_notices_that_another_has_come_and_gone(
    simulated: SimulatedSearch, tmp_path: Path, postgres_url: str
) -> None:
    with cutting_proxy(postgres_url) as proxy:
        ours = StudyPlace("visited", tmp_path, proxy.url)
        with ours.hold():
            study = ours.create(simulated.identity, SETTINGS).study
            study.ask()
            proxy.cut_off()
            theirs = StudyPlace("visited", tmp_path, postgres_url)
            with theirs.hold():
                theirs.take_up(theirs.load(), simulated.identity, SETTINGS)
            proxy.deaf.clear()
            assert_taken(study.ask)
            assert_taken(ours.refuse_if_lost)
        assert len(trials(theirs.load())) == 1


def assert_taken(write: Callable[[], object]) -> None:
    with pytest.raises(WorkFailedError, match="another driver has taken it"):
        write()


def trials(opened: OpenStudy) -> list[FrozenTrial]:
    return opened.study.get_trials()
