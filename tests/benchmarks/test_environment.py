"""What is measured never goes to the servers and clusters of whoever measures it."""

import os

import pytest

from benchmarks.environment import clean_environment, clean_this_process
from benchmarks.measurement import Measurement, tell
from benchmarks.page import Records

OF_A_USER = {
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    "DLF_STORAGE": "sqlite:////nowhere/study.db",
    "RAY_ADDRESS": "127.0.0.1:9",
}
OTHERS = ("HOME", "PATH")


@pytest.fixture
def of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the variables of a user, and what stood there before again in the end."""
    monkeypatch.setattr(os, "environ", {**os.environ, **OF_A_USER})


@pytest.mark.usefixtures("of_a_user")
def test_the_places_of_a_user_are_left_out() -> None:
    clean = clean_environment()
    assert not {"MLFLOW_TRACKING_URI", "DLF_STORAGE"} & clean.keys()
    assert clean["RAY_ADDRESS"] == "local"
    assert {name: clean[name] for name in OTHERS} == {name: os.environ[name] for name in OTHERS}
    assert OF_A_USER.items() <= os.environ.items()


@pytest.mark.usefixtures("of_a_user")
def test_a_process_can_leave_them() -> None:
    clean = clean_environment()
    clean_this_process()
    assert os.environ == clean


@pytest.mark.usefixtures("of_a_user")
def test_a_benchmark_measures_without_them(
    records: Records, capsys: pytest.CaptureFixture[str]
) -> None:
    claims = records["claims"].measured
    seen: list[str] = []

    def measure() -> Measurement:
        seen.extend(OF_A_USER.keys() & os.environ.keys())
        return claims

    tell(measure, as_json=True)
    assert seen == ["RAY_ADDRESS"]
    assert capsys.readouterr().out == f"{claims.model_dump_json()}\n"
