"""What ends a promotion before the test split is opened."""

from pathlib import Path

import pytest

from dlf.command import WorkFailedError
from search.promotion.conclusion import refuse_another_champion
from search.promotion.plan import RegisteredBefore
from tests.support.promotion_plans import promotion_plan
from tests.support.small_models import SMALL
from tests.support.tracking_stores import store_at
from tracking.registry.champion import Champion

COMPARED = RegisteredBefore(version=3, config=SMALL)


@pytest.mark.parametrize("compared", [None, COMPARED])
@pytest.mark.parametrize(
    ("version", "promotion", "may_go_on"),
    [(None, None, True), (3, "another key", None), (4, "another key", False), (4, "a key", True)],
)
def test_a_champion_that_nobody_compared_with_is_not_replaced(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    compared: RegisteredBefore | None,
    version: int | None,
    promotion: str | None,
    may_go_on: bool | None,
) -> None:
    """The champion that was compared with may be replaced, and so may the promotion's own."""
    found = None
    if version is not None:
        found = Champion(
            model="dlf-mosi",
            version=version,
            config_yaml="",
            card_json="",
            promotion=promotion,
            max_epochs=None,
        )
    monkeypatch.setattr("search.promotion.conclusion.champion_of", lambda *_: found)
    location = store_at(tmp_path / "ml.db")
    plan = promotion_plan(only_if_better=True, champion=compared)
    if may_go_on or (may_go_on is None and compared is not None):
        refuse_another_champion(plan, location, "mosi")
    else:
        with pytest.raises(WorkFailedError, match=f"version {version} of dlf-mosi became the ch"):
            refuse_another_champion(plan, location, "mosi")
    refuse_another_champion(promotion_plan(champion=None), location, "mosi")
