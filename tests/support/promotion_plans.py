"""A promotion before anything is trained."""

from datetime import datetime
from typing import Any

from search.promotion.plan import PromotionPlan, now
from tests.support.seeded_trainings import entrant


def promotion_plan(begun: datetime | None = None, **changes: Any) -> PromotionPlan:
    """Return a plan of which every number differs from its default."""
    values: dict[str, Any] = {
        "key": "a key",
        "begun": begun or now(),
        "top": 3,
        "seeds": 4,
        "final_seeds": 6,
        "max_epochs": 20,
        "paper_epochs": 90,
        **dict.fromkeys(("refit", "allow_tie", "only_if_better", "again"), False),
        "finalists": (entrant(0),),
    }
    return PromotionPlan(**(values | changes))
