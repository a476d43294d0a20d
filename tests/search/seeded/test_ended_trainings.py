"""Trainings that have ended are read again as they were kept."""

import errno
import math
import os
from pathlib import Path

import numpy as np
import pytest

from dlf.training.training import EpochRecord
from search.seeded.ended_trainings import EndedTraining, EndedTrainings
from tests.support.epoch_records import epoch_record
from tests.support.seeded_trainings import LABELS, ended_training, failed, predictions


@pytest.fixture
def kept(tmp_path: Path) -> EndedTrainings:
    return EndedTrainings(folder=tmp_path / "promotion" / "trainings")


def history(values: list[float]) -> tuple[EpochRecord, ...]:
    return tuple(epoch_record(e, mae, mae) for e, mae in enumerate(values, start=1))


def test_everything_comes_back(kept: EndedTrainings) -> None:
    whole = ended_training(3, 2**32 - 1, 0.7)
    broken = EndedTraining(
        number=12,
        entrant=4,
        seed=5,
        outcome=failed("loss/total is nan"),
        history=history([0.9, 1 / 3]),
        predictions=(),
    )
    for training in (whole, broken):
        kept.keep(training)
    assert kept.read() == {3: whole, 12: broken}
    assert (whole.complete, broken.complete) == (True, False)
    assert broken.best_mae == 1 / 3


def test_predictions_come_back_to_the_last_bit(kept: EndedTrainings) -> None:
    exact = predictions(1, 2, 0.8)
    kept.keep(ended_training(1, 2, 0.8))
    found = kept.read()[1]
    np.testing.assert_array_equal(np.array(found.predictions, np.float32), exact)
    errors = found.errors(LABELS)
    assert errors.dtype == np.float32
    np.testing.assert_array_equal(errors, np.abs(exact - LABELS))


def test_values_that_are_no_numbers_come_back(kept: EndedTrainings) -> None:
    record = epoch_record(1, 0.5, math.inf).model_copy(update={"spread": math.nan})
    odd = ended_training(0, 1, 0.5).model_copy(
        update={"history": (record,), "predictions": (math.nan, -math.inf)}
    )
    kept.keep(odd)
    found = kept.read()[0]
    np.testing.assert_array_equal(found.predictions, odd.predictions)
    assert found.best_mae == math.inf
    assert found.history[0].spread is not None
    assert math.isnan(found.history[0].spread)


def test_a_training_that_was_trained_again_takes_the_place_of_the_former(
    kept: EndedTrainings,
) -> None:
    kept.keep(ended_training(1, 2, 0.8).model_copy(update={"outcome": failed("it hung")}))
    again = ended_training(1, 2, 0.7)
    kept.keep(again)
    assert kept.read() == {1: again}


def test_nothing_was_kept_where_there_is_no_folder(kept: EndedTrainings) -> None:
    assert kept.read() == {}


@pytest.mark.parametrize("damage", [b"", b"{}", b"\x00" * 100, b"\xff\xfe\x80", b'{"number": 1'])
def test_a_damaged_file_is_as_if_it_were_not_there(kept: EndedTrainings, damage: bytes) -> None:
    for number in (1, 2):
        kept.keep(ended_training(number, 2, 0.8))
    (kept.folder / "training-1.json").write_bytes(damage)
    assert kept.read().keys() == {2}


def test_a_full_disk_is_told_and_a_former_file_stays(
    kept: EndedTrainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = ended_training(1, 2, 0.8)
    kept.keep(former)

    def write_half(file: Path, text: str, **_: object) -> None:
        file.write_bytes(text[:100].encode())
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", write_half)
        with pytest.raises(OSError, match="No space left"):
            kept.keep(ended_training(1, 2, 0.7))
    assert kept.read() == {1: former}
    assert [file.name for file in kept.folder.iterdir()] == ["training-1.json"]
