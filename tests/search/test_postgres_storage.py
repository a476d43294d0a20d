"""A study whose storage is a Postgres server, and the loss of that server."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from search.study import SearchSettings, StudyPlace
from tests.support.postgres import PostgresServer
from tests.support.simulation import SimulatedSearch


def test_a_study_lives_in_postgres(
    simulated: SimulatedSearch, tmp_path: Path, postgres_url: str
) -> None:
    place = StudyPlace("mosi", tmp_path, postgres_url)
    place.refuse_if_taken()
    study = place.create(simulated.identity, SearchSettings(trials=1, seed=0)).study
    trial = study.ask()
    trial.report(0.9, step=1)
    study.tell(trial, 0.8)
    opened = StudyPlace("mosi", tmp_path, postgres_url).load()
    assert opened.identity == simulated.identity
    found = opened.study.trials
    assert [(trial.value, trial.intermediate_values) for trial in found] == [(0.8, {1: 0.9})]


def test_a_study_goes_on_when_its_server_is_back(
    simulated: SimulatedSearch, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    place = StudyPlace("outage", tmp_path, postgres_server.url)
    study = place.create(simulated.identity, SearchSettings(trials=1, seed=0)).study
    trial = study.ask()
    postgres_server.stop()
    try:
        # Each of them fails in its own way; afterwards all of them work again.
        for attempt in (study.ask, lambda: trial.report(0.9, 1), lambda: study.tell(trial, 0.8)):
            with pytest.raises((OperationalError, optuna.exceptions.StorageInternalError)):
                attempt()
    finally:
        postgres_server.start()
    trial.report(0.9, step=1)
    study.tell(trial, 0.8)
    assert [trial.state for trial in place.load().study.trials] == [TrialState.COMPLETE]
