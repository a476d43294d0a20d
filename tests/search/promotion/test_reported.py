"""What the report is told of a finalist."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from search.promotion.race import Race
from search.promotion.reported import reported_finalist
from tests.support.seeded_trainings import LABELS, MadeUpTrainings, all_plans, entrant, failed

GOOD, PAPER = entrant(4), entrant(0)


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    """Of clips alone it would be, which is not what the others' are of."""
    made_up = MadeUpTrainings(tmp_path)
    race = Race([GOOD, PAPER], 2, LABELS, kept=made_up.kept, checkpoints=made_up.checkpoints)
    assert [plan.number for plan in all_plans(race)] == [2, 3, 0, 1]
    for number in (2, 3, 0):
        made_up.finish(race, number, 0.8)
    race.end(1, failed("it hung"))
    trained = cast(Any, SimpleNamespace(race=race, decision=SimpleNamespace(candidate=PAPER)))
    lame = reported_finalist(GOOD, trained, LABELS, {})
    assert lame.failed == "seed 1: it hung"
    assert lame.valid_mae == [0.8]
    assert (lame.estimate, lame.comparison) == (None, None)
    paper = reported_finalist(PAPER, trained, LABELS, {})
    assert paper.estimate is not None
    assert paper.estimate.low < 0.8 < paper.estimate.high
    assert paper.estimate.mean == pytest.approx(0.8, abs=0.05)
