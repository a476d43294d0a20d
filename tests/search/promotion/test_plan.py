"""The folders of a study's promotions: in the order in which they were begun, and resumed by it."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from dlf.command import BadInputError
from search.promotion.plan import PLAN_FILE, RESULT_FILE, PromotionFolder
from tests.support.promotion_plans import promotion_plan

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_of_two_that_were_begun_in_one_second_the_later_goes_on(tmp_path: Path) -> None:
    # The keys, which are random, are in another order than the times.
    earlier, later = (
        PromotionFolder.new(tmp_path, promotion_plan(NOON + timedelta(microseconds=at), key=key))
        for at, key in ((1, "later by key"), (2, "earlier by key"))
    )
    assert earlier.folder != later.folder
    unfinished = PromotionFolder.unfinished(tmp_path)
    assert unfinished is not None
    assert unfinished.folder == later.folder


def test_the_later_goes_on_wherever_it_was_begun(tmp_path: Path) -> None:
    PromotionFolder.new(tmp_path, promotion_plan(NOON.astimezone(timezone(timedelta(hours=9)))))
    later = PromotionFolder.new(tmp_path, promotion_plan(NOON + timedelta(minutes=1)))
    unfinished = PromotionFolder.unfinished(tmp_path)
    assert unfinished is not None
    assert unfinished.folder == later.folder


def test_one_that_has_a_result_does_not_go_on(tmp_path: Path) -> None:
    earlier = PromotionFolder.new(tmp_path, promotion_plan(NOON))
    later = PromotionFolder.new(tmp_path, promotion_plan(NOON + timedelta(hours=1)))
    (later.folder / RESULT_FILE).write_text("{}")
    unfinished = PromotionFolder.unfinished(tmp_path)
    assert unfinished is not None
    assert unfinished.folder == earlier.folder
    (earlier.folder / RESULT_FILE).write_text("{}")
    assert PromotionFolder.unfinished(tmp_path) is None


def test_a_plan_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    kept = promotion_plan(NOON)
    assert PromotionFolder.new(tmp_path, kept).plan() == kept


@pytest.mark.parametrize("content", [b"", b"{", b'{"key": 1}'])
def test_a_plan_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    place = PromotionFolder.new(tmp_path, promotion_plan(NOON))
    file = place.folder / PLAN_FILE
    file.write_bytes(content)
    with pytest.raises(BadInputError, match=str(file)):
        place.plan()
