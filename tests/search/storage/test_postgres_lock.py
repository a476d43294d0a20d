"""The lock on a study in Postgres: restarts, idle sessions, and what others see of it."""

import os
import select
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text

from dlf.command import BadInputError
from search.promote import alone
from search.storage.driver_lock import hold_study, holder_of
from search.storage.lost_connection import LostConnectionError
from search.storage.patience import Patience
from search.storage.postgres_lock import holder_of_name, name_of_holder, study_key
from search.storage.study_lock import Holder
from search.study.open_study import StudyPlace
from tests.support.cutting_proxy import cutting_proxy
from tests.support.postgres import PostgresServer
from tests.support.study_driver import Place, driver


def test_a_postgres_that_restarts_gives_the_lock_back_unless_another_was_faster(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    place = Place(tmp_path, postgres_server.url, "restarted")
    with hold_study(*place) as lock:
        assert lock.still_held()
        postgres_server.stop()
        try:
            with pytest.raises(LostConnectionError):
                lock.still_held()
        finally:
            postgres_server.start()
        assert holder_of(*place) is None
        assert lock.still_held()
        holder = holder_of(*place)
        assert holder is not None
        assert holder.pid == os.getpid()
        postgres_server.stop()
        postgres_server.start()
        with driver(place):
            assert not lock.still_held()
        assert lock.still_held()
    assert holder_of(*place) is None


def test_a_session_that_only_its_server_believes_alive_gives_the_lock_back(
    postgres_url: str, tmp_path: Path
) -> None:
    patience = Patience()
    with (
        cutting_proxy(postgres_url) as proxy,
        hold_study(tmp_path, proxy.url, "half") as lock,
        hold_study(tmp_path, proxy.url, "other half") as other,
    ):
        proxy.lose_clients()
        assert holder_of(tmp_path, postgres_url, "half") is not None
        assert patience.run(lock.still_held)
        assert holder_of(tmp_path, postgres_url, "other half") is not None
        assert patience.run(other.still_held)
        assert lock.still_held()


def test_a_lock_whose_server_is_out_of_reach_is_another_s_for_the_taking(
    postgres_url: str, tmp_path: Path
) -> None:
    with (
        cutting_proxy(postgres_url) as proxy,
        hold_study(tmp_path, proxy.url, "unreached") as lock,
    ):
        proxy.cut_off()
        with pytest.raises(LostConnectionError):
            lock.still_held()
        with driver(Place(tmp_path, postgres_url, "unreached")):
            proxy.deaf.clear()
            assert not lock.still_held()


def test_a_postgres_that_ends_idle_sessions_spares_the_lock(
    postgres_url: str, tmp_path: Path
) -> None:
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as admin:
        admin.execute(text("ALTER ROLE dlf SET idle_session_timeout = '100ms'"))
        try:
            with hold_study(tmp_path, postgres_url, "idle"):
                with psycopg.connect(postgres_url.replace("+psycopg", "")) as other:
                    ended, _, _ = select.select([other.pgconn.socket], [], [], 30)
                    assert ended, "the server ends no idle session"
                assert holder_of(tmp_path, postgres_url, "idle") is not None
        finally:
            admin.execute(text("ALTER ROLE dlf RESET idle_session_timeout"))
    engine.dispose()


def test_a_postgres_tells_other_roles_who_holds_a_study(postgres_url: str, tmp_path: Path) -> None:
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as admin:
        admin.execute(text("CREATE ROLE guest LOGIN"))
    engine.dispose()
    with hold_study(tmp_path, postgres_url, "shared"):
        holder = holder_of(tmp_path, postgres_url.replace("dlf@", "guest@"), "shared")
    assert holder is not None
    assert holder.pid == os.getpid()


def test_the_name_of_a_holder_fits_into_postgres() -> None:
    said = {"host": "lab3", "pid": 4711, "user": "uid 1000", "since": "2026-11-24T10:00:00Z"}
    holder = Holder.model_validate(said)
    assert holder_of_name(name_of_holder(holder)) == holder.model_copy(update={"user": "uid_1000"})
    long = holder.model_copy(update={"host": "gerät-" * 20, "user": "jürgen" * 20, "pid": 4194304})
    name = name_of_holder(long)
    assert len(name.encode()) == 63
    assert holder_of_name(name).pid == 4194304
    assert holder_of_name("psql").pid is None


def test_the_keys_of_studies_are_stable_and_their_own() -> None:
    assert study_key("mosi") == 272583219742016160
    keys = [study_key(f"mosi-{i}") for i in range(10_000)]
    assert len(set(keys)) == len(keys)
    assert -(2**63) <= min(keys) < 0 < max(keys) < 2**63


def test_promotions_of_one_study_meet_in_postgres_whatever_their_folders(
    postgres_url: str, tmp_path: Path
) -> None:
    one, other = (StudyPlace("met", tmp_path / folder, postgres_url) for folder in "ab")
    with (
        alone(one, postgres_url),
        pytest.raises(BadInputError, match="is held by process"),
        alone(other, postgres_url),
    ):
        pass
