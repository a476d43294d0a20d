"""How many trials share a GPU: by what the largest took, by CPUs, by what is sensible."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from dlf.command import BadInputError
from search.arguments import AUTO, TrainingRequest
from search.cluster.rooms import NodeRoom, trials_that_fit
from search.planning.request import read_request
from search.resources.allotment import Resources
from search.resources.gpu_memory import CONTEXT, memory_limit
from search.resources.gpu_share import MARGIN, MOST_AT_ONCE, most_on_a_gpu, settle_share, share_of
from search.resources.memory_probe import Measured
from search.trial.data import TrialData
from tests.support.searches import Search

GIGABYTE = 10**9
MANY = 100


def test_the_choice_is_told_with_its_figures() -> None:
    measured = Measured(total=80 * GIGABYTE, peak=round(10.5 * GIGABYTE), data=GIGABYTE)
    share = share_of(measured, MANY)
    assert (share.at_once, share.gpus_per_trial) == (5, 0.2)
    assert str(share) == (
        "0.2 GPU per trial: the largest configuration took 11.3 GB of 80.0 GB, 5 fit with a margin "
        "of 20%"
    )


@pytest.mark.parametrize("peak", [0.3, 1, 2.9, 7, 30, 60, 79])
@pytest.mark.parametrize("data", [0.0, 0.5, 5])
def test_what_fits_has_its_margin_within_its_limit(peak: float, data: float) -> None:
    measured = Measured(80 * GIGABYTE, int(peak * GIGABYTE), int(data * GIGABYTE))
    share = share_of(measured, MANY)
    assert measured.peak is not None
    if share.at_once > 1:
        limit = memory_limit(share.gpus_per_trial, measured.total)
        # A share is rounded down to what Ray can count, a ten thousandth of the GPU.
        assert limit + measured.total / 10_000 >= (1 + MARGIN) * measured.peak
    one_more = (measured.total // (share.at_once + 1)) - CONTEXT
    assert one_more < measured.peak + max(MARGIN * measured.peak, measured.data)


def test_data_that_outweighs_the_margin_has_room_to_stay_on_the_gpu() -> None:
    """Features lie there when they take no more than half of what the model leaves of the limit."""
    model, data = 2 * GIGABYTE, 6 * GIGABYTE
    share = share_of(Measured(80 * GIGABYTE, model + data, data), MANY)
    limit = memory_limit(share.gpus_per_trial, 80 * GIGABYTE)
    assert data <= 0.5 * (limit - model)
    assert data > 0.5 * (memory_limit(1 / (share.at_once + 2), 80 * GIGABYTE) - model)


@pytest.mark.parametrize("at_once", range(1, 17))
def test_as_many_fit_on_a_gpu_as_are_meant_to(at_once: int) -> None:
    share = share_of(Measured(80 * GIGABYTE, 1000, 0), at_once)
    assert share.at_once == at_once
    room = NodeRoom(cpus=MANY, gpus=1)
    assert trials_that_fit([room], 1, share.gpus_per_trial) == at_once
    assert round(share.gpus_per_trial * 10_000) * at_once <= 10_000, "as Ray counts"


def test_what_bounds_it_is_told() -> None:
    share = share_of(Measured(80 * GIGABYTE, GIGABYTE, 0), 4)
    assert share.gpus_per_trial == 0.25
    assert share.reason.endswith(
        "39 fit with a margin of 20%, and 4 are the most that the CPUs and a GPU are good for"
    )


def test_a_configuration_that_needs_more_than_there_is_gets_a_whole_gpu() -> None:
    share = share_of(Measured(8 * GIGABYTE, None, 0), MANY)
    assert str(share) == (
        "1 GPU per trial: the largest configuration needs more than all 8.0 GB of one"
    )


@pytest.mark.parametrize(
    ("rooms", "cpus", "most"),
    [
        ([NodeRoom(8, 1)], 1, MOST_AT_ONCE),
        ([NodeRoom(64, 1)], 1, MOST_AT_ONCE),
        ([NodeRoom(8, 2)], 1, 4),
        ([NodeRoom(8, 2)], 0.5, MOST_AT_ONCE),
        ([NodeRoom(8, 2)], 16, 1),
        ([NodeRoom(64, 0), NodeRoom(4, 2), NodeRoom(3, 1)], 1, 3),
    ],
)
def test_no_more_share_a_gpu_than_the_cpus_beside_it_serve(
    rooms: list[NodeRoom], cpus: float, most: int
) -> None:
    assert most_on_a_gpu(rooms, cpus) == most


def settled(resources: Resources, **flags: object) -> Resources:
    request = SimpleNamespace(**{"json_only": False, "cpus_per_trial": 1.0, **flags})
    data = cast(TrialData, None)
    return settle_share(cast(TrainingRequest, request), resources, data, [])


def test_a_share_that_is_given_stays(capsys: pytest.CaptureFixture[str]) -> None:
    given = Resources(cpus_per_trial=1, gpus_per_trial=0.5, max_concurrent=2)
    assert settled(given, gpus_per_trial=0.5) == given
    assert given.tags() == {}
    assert capsys.readouterr().out == ""


def test_without_a_gpu_there_is_nothing_to_measure(capsys: pytest.CaptureFixture[str]) -> None:
    none = Resources(cpus_per_trial=1, gpus_per_trial=0, max_concurrent=2)
    found = settled(none, gpus_per_trial=AUTO)
    assert found.gpus_per_trial == 0
    said = "0 GPUs per trial: there is none that torch can use"
    assert found.tags() == {"dlf.gpu_share": said}
    assert capsys.readouterr().out == f"{said}\n"
    settled(none, gpus_per_trial=AUTO, json_only=True)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("word", "value"), [("auto", AUTO), ("0.25", 0.25), ("0", 0.0), ("2", 2.0), (None, None)]
)
def test_the_flag(monkeypatch: pytest.MonkeyPatch, word: str | None, value: object) -> None:
    words = [] if word is None else ["--gpus-per-trial", word]
    monkeypatch.setattr(sys, "argv", ["run.py", "--dataset", "synthetic", *words])
    assert read_request().gpus_per_trial == value


@pytest.mark.parametrize("word", ["automatic", "AUTO", "-1", "1.5", "nan", ""])
def test_other_words_are_refused(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    words = ["run.py", "--dataset", "synthetic", f"--gpus-per-trial={word}"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(BadInputError, match=r"0, a fraction from 0\.01, whole ones, or auto"):
        read_request()


@pytest.mark.slow
@pytest.mark.usefixtures("ray_here")
def test_a_search_says_and_records_that_there_is_no_gpu(tiny_data: Path, tmp_path: Path) -> None:
    search = Search(tmp_path, tiny_data)
    words = ("--gpus-per-trial", "auto", "--trials", 1, "--max-epochs", 1)
    said = "0 GPUs per trial: there is none that torch can use"
    dry = search.run(*words, "--dry-run")
    assert (dry.code, said in dry.out) == (0, True)
    done = search.run(*words)
    assert (done.code, said in done.out) == (0, True)
    database = tmp_path / "ml.db"
    assert said.encode() in database.read_bytes()
