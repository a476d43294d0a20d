"""Who is trained finally, and for how long."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dlf.command import WorkFailedError
from search.promotion.plan import PromotionFolder, RegisteredBefore
from search.promotion.promotion import CHAMPION, Promotion
from tests.support.promotion_plans import promotion_plan
from tests.support.seeded_trainings import entrant
from tests.support.small_models import SMALL

PAPER, BEST = entrant(0, max_epochs=90), entrant(4, max_epochs=20)
RACE = cast(Any, SimpleNamespace(paper=PAPER, candidate=BEST))


def promotion_of(folder: Path, **plan: Any) -> Promotion:
    nothing = cast(Any, None)
    workplace = cast(Any, SimpleNamespace(data=None, resources=SimpleNamespace(driver_device="")))
    place = PromotionFolder(folder)
    return Promotion(nothing, promotion_plan(**plan), place, workplace, nothing)


@pytest.mark.parametrize(("own", "trained_for"), [(None, 20), (8, 20), (80, 80)])
def test_the_champion_is_trained_for_as_long_as_it_was(
    tmp_path: Path, own: int | None, trained_for: int
) -> None:
    other = SMALL.with_values({"margin": 0.9})
    champion = RegisteredBefore(version=7, config=other, max_epochs=own)
    found = promotion_of(tmp_path, champion=champion)._finalists(RACE)
    assert [each.number for each in found] == [0, 4, CHAMPION]
    assert (found[-1].config, found[-1].max_epochs) == (other, trained_for)


@pytest.mark.parametrize(("own", "stands"), [(None, True), (20, True), (21, False)])
def test_a_finalist_of_its_configuration_stands_for_it_unless_trained_for_less(
    tmp_path: Path, own: int | None, stands: bool
) -> None:
    champion = RegisteredBefore(version=7, config=BEST.config, max_epochs=own)
    promotion = promotion_of(tmp_path, champion=champion)
    found = promotion._finalists(RACE)
    assert [each.number for each in found] == ([0, 4] if stands else [0, 4, CHAMPION])
    assert promotion._champion_among(found) == found[-1]


def test_a_test_split_that_cannot_be_predicted_ends_the_promotion_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_: object) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr("search.promotion.promotion.read_test_split", out_of_memory)
    finals = SimpleNamespace(models_of=lambda _: ["a model"], valid_mae=lambda _: [0.7])
    decision = SimpleNamespace(candidate=PAPER, kept=PAPER)
    trained = SimpleNamespace(
        race=RACE, finals=finals, decision=decision, entrant=lambda each: each, final=0
    )
    with pytest.raises(WorkFailedError, match=r"CUDA out of memory.*--resume goes on"):
        promotion_of(tmp_path).read_test_split(cast(Any, trained))
