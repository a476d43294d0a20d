"""The test split is read once by a promotion, and the study remembers when."""

import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray

from dlf.command import BadInputError
from dlf.data import Split, open_test_split
from dlf.modalities import PerModality
from dlf.text.source import TextSource
from dlf.trained_model import TrainedModel
from dlf.training.batching import Clips
from dlf.training.inference import predict
from search.promotion.test_split import OnTest, read_test_split
from search.study.readings import readings_of
from tests.support.kept_study import Kept
from tests.support.small_models import small_model
from tracking.predictions import read_predictions

OPEN = "search.promotion.test_split.open_test_split"

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> optuna.Study:
    """A study in a process that has not trained, which may open the split."""
    monkeypatch.setattr("dlf.data.store._test_split_sealed", False)
    return optuna.create_study()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "promotion" / "artifacts" / "test.parquet"


@pytest.fixture
def read(study: optuna.Study, file: Path, tmp_path: Path, tiny_data: Path) -> Callable[..., OnTest]:
    data = Kept(tmp_path, tiny_data).data

    def call(
        models: dict[str, list[TrainedModel]] | None = None,
        *,
        promotion: str = "first",
        text: TextSource = data.text,
        data_dir: Path = tiny_data,
        look: Callable[..., None] = lambda *_: None,
    ) -> OnTest:
        changed = data.model_copy(update={"text": text, "data_dir": data_dir})
        models = models or two_kinds()
        return read_test_split(study, promotion, models, changed, "cpu", file, look)

    return call


def two_kinds() -> dict[str, list[TrainedModel]]:
    """Four different models: two seeds of each of two configurations."""
    models = [small_model(values={"width": width}) for width in (8, 12, 16, 20)]
    return {"candidate": models[:2], "paper": models[2:]}


def refuse(*_: object) -> None:
    raise AssertionError("the test split was opened")


def test_predictions_are_the_models_own(
    read: Callable[..., OnTest], file: Path, tiny_data: Path
) -> None:
    models = two_kinds()
    on_test = read(models)
    test = open_test_split("synthetic", tiny_data)
    assert on_test.ids == test.ids
    np.testing.assert_array_equal(on_test.labels, test.labels)
    for name, of_seeds in models.items():
        own = [
            predict(each.model, Clips(test, each.card.sizes, each.config, "cpu"), each.config)
            for each in of_seeds
        ]
        np.testing.assert_array_equal(np.stack(list(on_test.of_seeds[name])), np.stack(own))
        np.testing.assert_array_equal(on_test.errors(name), np.abs(np.stack(own) - test.labels))
        np.testing.assert_allclose(on_test.ensemble(name), (own[0] + own[1]) / 2, rtol=1e-5)
    table = read_predictions(file)
    np.testing.assert_array_equal(table.prediction, on_test.of_seeds["candidate"][0])
    assert list(table.others) == ["candidate_0", "candidate_1", "paper_0", "paper_1"]


def test_the_study_is_stamped_before_the_split_is_opened(
    read: Callable[..., OnTest], study: optuna.Study, file: Path
) -> None:
    before = datetime.now(UTC)

    def break_off(*_: object) -> Split:
        (stamp,) = readings_of(study)
        assert stamp.promotion == "first"
        assert before <= stamp.at <= datetime.now(UTC)
        raise KeyboardInterrupt

    with patch(OPEN, break_off), pytest.raises(KeyboardInterrupt):
        read()
    stamps = readings_of(study)
    assert len(stamps) == 1
    assert not file.exists()
    assert len(read().ids) > 0
    assert readings_of(study) == stamps, "a promotion that goes on is the same reading"


def test_a_promotion_that_goes_on_does_not_open_it_again(
    read: Callable[..., OnTest], study: optuna.Study
) -> None:
    first, stamps = read(), readings_of(study)
    with patch(OPEN, refuse):
        second = read()
    assert list(second.ids) == list(first.ids)
    for name in ("candidate", "paper"):
        np.testing.assert_array_equal(second.errors(name), first.errors(name))
    assert readings_of(study) == stamps


def test_a_look_at_the_split_is_had_once_its_predictions_are_kept(
    read: Callable[..., OnTest], file: Path, tiny_data: Path
) -> None:
    looks: list[tuple[Split, Mapping[str, NDArray[np.float32]]]] = []

    def look(split: Split, columns: Mapping[str, NDArray[np.float32]]) -> None:
        assert file.exists()
        looks.append((split, columns))

    on_test = read(look=look)
    read(look=look)
    ((split, columns),) = looks
    assert split.ids == open_test_split("synthetic", tiny_data).ids
    assert list(columns) == ["candidate_0", "candidate_1", "paper_0", "paper_1"]
    np.testing.assert_array_equal(columns["paper_1"], on_test.of_seeds["paper"][1])


def test_every_promotion_leaves_a_stamp_of_its_own(
    read: Callable[..., OnTest], study: optuna.Study, file: Path
) -> None:
    read()
    file.unlink()
    read(promotion="second")
    first, second = readings_of(study)
    assert (first.promotion, second.promotion) == ("first", "second")
    assert first.at < second.at


def test_a_model_that_cannot_predict_fails_before_the_stamp(
    read: Callable[..., OnTest], study: optuna.Study, file: Path
) -> None:
    misfit = small_model(widths=PerModality(text=3, audio=5, vision=20))
    with patch(OPEN, refuse), pytest.raises((RuntimeError, ValueError)):
        read({"candidate": [small_model()], "paper": [misfit]})
    assert readings_of(study) == []
    assert not file.exists()


def test_a_split_that_is_damaged_fails_before_the_stamp(
    read: Callable[..., OnTest], study: optuna.Study, tiny_data: Path, tmp_path: Path
) -> None:
    own = tmp_path / "data"
    shutil.copytree(tiny_data, own)
    (file,) = own.rglob("test.arrow")
    file.write_bytes(file.read_bytes()[:-1])
    with patch(OPEN, refuse), pytest.raises(BadInputError, match=r"test.arrow is missing or damag"):
        read(data_dir=own)
    assert readings_of(study) == []


def test_an_encoder_that_has_changed_fails_before_the_stamp(
    read: Callable[..., OnTest], study: optuna.Study
) -> None:
    def changed(*_: object) -> None:
        raise BadInputError("the text encoder has changed")

    text = TextSource.model_construct(way="frozen", encoder="an encoder")  # type: ignore[arg-type]
    with (
        patch(OPEN, refuse),
        patch("search.promotion.test_split.refuse_changed", changed),
        pytest.raises(BadInputError, match="has changed"),
    ):
        read(text=text)
    assert readings_of(study) == []
