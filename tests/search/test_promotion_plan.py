"""The folders of a study's promotions: in the order in which they were begun, and resumed by it."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from dlf.command import BadInputError
from search.promotion_plan import PLAN_FILE, RESULT_FILE, PromotionFolder, PromotionPlan
from tests.support.seeded_trainings import entrant

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def plan(begun: datetime) -> PromotionPlan:
    return PromotionPlan(
        key="a key",
        begun=begun,
        top=3,
        seeds=4,
        final_seeds=6,
        max_epochs=20,
        paper_epochs=90,
        refit=False,
        allow_tie=False,
        only_if_better=False,
        again=False,
        finalists=(entrant(0),),
    )


def test_of_two_that_were_begun_in_one_second_the_later_goes_on(tmp_path: Path) -> None:
    later = PromotionFolder.new(tmp_path, plan(NOON + timedelta(microseconds=2)))
    PromotionFolder.new(tmp_path, plan(NOON + timedelta(microseconds=1)))
    unfinished = PromotionFolder.unfinished(tmp_path)
    assert unfinished is not None
    assert unfinished.folder == later.folder


def test_the_later_goes_on_wherever_it_was_begun(tmp_path: Path) -> None:
    PromotionFolder.new(tmp_path, plan(NOON.astimezone(timezone(timedelta(hours=9)))))
    later = PromotionFolder.new(tmp_path, plan(NOON + timedelta(minutes=1)))
    unfinished = PromotionFolder.unfinished(tmp_path)
    assert unfinished is not None
    assert unfinished.folder == later.folder


def test_one_that_has_a_result_does_not_go_on(tmp_path: Path) -> None:
    earlier = PromotionFolder.new(tmp_path, plan(NOON))
    later = PromotionFolder.new(tmp_path, plan(NOON + timedelta(hours=1)))
    (later.folder / RESULT_FILE).write_text("{}")
    unfinished = PromotionFolder.unfinished(tmp_path)
    assert unfinished is not None
    assert unfinished.folder == earlier.folder
    (earlier.folder / RESULT_FILE).write_text("{}")
    assert PromotionFolder.unfinished(tmp_path) is None


def test_a_plan_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    kept = plan(NOON)
    assert PromotionFolder.new(tmp_path, kept).plan() == kept


@pytest.mark.parametrize("content", [b"", b"{", b'{"key": 1}'])
def test_a_plan_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    place = PromotionFolder.new(tmp_path, plan(NOON))
    file = place.folder / PLAN_FILE
    file.write_bytes(content)
    with pytest.raises(BadInputError, match=str(file)):
        place.plan()
