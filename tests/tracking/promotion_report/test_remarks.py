"""What stands beside the verdict."""

from typing import Any

import pytest

from tests.support.promotion_reports import (
    CLEAR,
    PROMOTIONS,
    RECIPE,
    TEST,
    UNCLEAR,
    WORSE,
    promotion,
    readings,
    typed,
)
from tracking.promotion_report.records import (
    AgainstChampion,
    Comparison,
    PromotionReport,
    TextFacts,
)
from tracking.promotion_report.remarks import remarks

FINETUNED = TextFacts(way="finetune", encoder="bert-base-uncased")
GOOD = {"valid_mae": (0.9, 0.92, 0.91, 0.9, 0.92)}
CAPPED = {"epochs": (30,) * 5, "best_epochs": (30, 30, 30, 29, 15)}


def one(report: PromotionReport, word: str) -> str:
    """Return the one remark that has a word."""
    (found,) = [remark for remark in remarks(report) if word in remark]
    return typed(found)


def undertrained(text: TextFacts, **changes: Any) -> list[str]:
    recipe = RECIPE.model_copy(update=changes)
    return [r for r in remarks(promotion(recipe=recipe, text=text)) if "recipe" in r]


def test_a_recipe_near_the_median_has_hardly_learnt() -> None:
    said = one(PROMOTIONS["clear"], "recipe")
    assert said == (
        "The paper's recipe is undertrained here and has hardly learnt: it assumes a BERT that is "
        "fine-tuned, and the text here is that of a frozen encoder. It makes 8 steps an epoch and "
        "trained for 12 to 17 epochs, until its own patience of 10 ended it; its mean validation "
        "MAE of 1.4180 stays near the 1.4250 of always predicting the median. Beating it here does "
        "not tell that the paper's configuration is beaten where BERT is fine-tuned."
    )


def test_a_recipe_that_a_limit_ended_was_still_improving() -> None:
    (said,) = undertrained(TextFacts(way="precomputed"), **GOOD, **CAPPED)
    assert said.startswith("The paper's recipe is undertrained here: it assumes a BERT")
    assert "the text here is precomputed" in said
    assert (
        "trained for 30 epochs, and was still improving when the limit of 30 ended it on 4 of 5 "
        "seeds; its mean validation MAE of 0.9100 is 36.1% below the 1.4250" in said
    )
    (said,) = undertrained(FINETUNED, **GOOD, epochs=(30,) * 5, best_epochs=(28,) * 5)
    assert "and was still within its patience when the limit of 30 ended it; its" in said


def test_a_recipe_that_ended_well_on_frozen_text_is_doubted_all_the_same() -> None:
    (said,) = undertrained(TextFacts(way="frozen", encoder="minilm"), **GOOD)
    assert said.startswith("The paper's recipe is probably undertrained here: it assumes")


def test_a_recipe_with_the_text_that_it_assumes_is_judged_by_what_it_reached() -> None:
    assert undertrained(FINETUNED, **GOOD) == []
    (said,) = undertrained(FINETUNED, valid_mae=(1.5,) * 5)
    assert said.startswith(
        "The paper's recipe is undertrained here and has hardly learnt. It makes"
    )
    assert "MAE of 1.5000 is worse than the 1.4250" in said
    assert "assumes" not in said
    assert "Beating" not in said


def test_losers_and_failures_are_named_with_their_reasons() -> None:
    assert one(PROMOTIONS["clear"], "dropped") == (
        "Trial 7 was dropped: after 3 seeds its difference from trial 12 was +0.0712, "
        "interval +0.0551 to +0.0865."
    )
    assert one(PROMOTIONS["the paper's is the candidate"], "could not be trained") == (
        "Trial 4 could not be trained: the loss is nan in epoch 3."
    )


def test_what_befell_a_training_is_told_last() -> None:
    note = "trial 12, seed 1: it went on with batches of 8"
    told = remarks(PROMOTIONS["clear"].model_copy(update={"notes": [note]}))
    assert told == [
        *remarks(PROMOTIONS["clear"]),
        "Trial 12, seed 1: it went on with batches of 8.",
    ]


@pytest.mark.parametrize(
    ("clearly", "on_test", "said"),
    [
        (True, CLEAR, ""),
        (True, UNCLEAR, "is not clear on the test split: its interval there includes zero"),
        (True, WORSE, "The test split contradicts validation: there the paper's configuration is"),
        (False, CLEAR, "On the test split trial 12 is clearly better (difference of MAE -0.0312"),
        (False, UNCLEAR, ""),
        (False, WORSE, ""),
    ],
)
def test_test_is_held_against_validation(clearly: bool, on_test: Any, said: str) -> None:
    test = TEST.model_copy(update={"comparison": on_test})
    kept = 12 if clearly else 0
    report = promotion(test=test, clearly_beaten=clearly, kept=kept)
    found = [remark for remark in remarks(report) if "difference of MAE" in remark]
    assert len(found) == bool(said)
    assert said in typed("".join(found))


def test_a_second_reading_of_test_comes_first() -> None:
    assert "was read" not in " ".join(remarks(PROMOTIONS["clear"]))
    first = remarks(promotion(readings=readings(2)))[0]
    assert first.startswith("The test split was read 2 times by promotions of this study")


def test_the_comparison_with_the_champion_is_told() -> None:
    said = one(promotion(champion=AgainstChampion(version=2, comparison=UNCLEAR)), "champion")
    assert said == (
        "Against version 2, the champion registered before, the kept model has a difference of "
        "validation MAE of -0.0050 (95% interval -0.0152 to +0.0049; better with a probability of "
        "84.2%; 5 seeds)."
    )


def test_an_interval_below_zero_that_is_not_enough_is_explained() -> None:
    almost = Comparison(difference=-0.03, low=-0.06, high=-0.001, probability=0.98, seeds=5)
    kept = promotion(clearly_beaten=False, kept=0, further=almost)
    assert any("more is asked of it than a probability of 98" in each for each in remarks(kept))
    beaten = promotion(clearly_beaten=True, further=almost)
    assert not any("more is asked" in each for each in remarks(beaten))
