"""What a reader must know beside the verdict: who was dropped, and what weakens the verdict."""

from statistics import fmean

from tracking.promotion_report.records import Comparison, PaperRecipe, PromotionReport
from tracking.promotion_report.verdict import PAPER, named
from tracking.promotion_report.wording import (
    capital,
    clause,
    counted,
    difference_span,
    number,
    probability,
    signed,
    span_of_counts,
)

NEAR = 0.05
"""of the median's MAE: who is not further below it has hardly learnt"""


def remarks(promotion: PromotionReport) -> list[str]:
    """Return them, the weightiest first."""
    return [
        *_readings(promotion),
        *_almost_beaten(promotion),
        *_test_against_validation(promotion),
        *_undertrained(promotion),
        *_against_champion(promotion),
        *(
            f"{capital(named(f))} could not be trained: {clause(f.failed)}."
            for f in promotion.ranked
            if f.failed is not None
        ),
        *(
            f"{capital(named(f))} was dropped: {clause(f.dropped)}."
            for f in promotion.ranked
            if f.dropped is not None
        ),
        *(f"{capital(clause(note))}." for note in promotion.notes),
    ]


def _readings(promotion: PromotionReport) -> list[str]:
    times = len(promotion.readings)
    if times < 2:
        return []
    return [
        f"The test split was read {times} times by promotions of this study or of one that it was "
        "warm-started from: what was chosen after the first reading may have been chosen in its "
        "light, so the test figures may flatter. All readings are listed below."
    ]


def _almost_beaten(promotion: PromotionReport) -> list[str]:
    further = promotion.further
    if promotion.clearly_beaten or further is None or further.high >= 0:
        return []
    return [
        f"The 95% interval lies below zero, and yet {PAPER} does not count as clearly beaten: the "
        "candidate was chosen among many on these same validation clips, which flatters it, so "
        f"that more is asked of it than a probability of {probability(further.probability)}."
    ]


def _test_against_validation(promotion: PromotionReport) -> list[str]:
    test = None if promotion.test is None else promotion.test.comparison
    if test is None:
        return []
    numbers = f"{signed(test.difference)}, 95% interval {difference_span(test)}"
    if promotion.clearly_beaten and test.low > 0:
        return [
            f"The test split contradicts validation: there {PAPER} is the better one (difference "
            f"of MAE {numbers})."
        ]
    if promotion.clearly_beaten and test.high >= 0:
        return [
            "The difference that is clear on validation is not clear on the test split: its "
            f"interval there includes zero (difference of MAE {numbers})."
        ]
    if not promotion.clearly_beaten and test.high < 0:
        return [
            f"On the test split {promotion.best.name} is clearly better (difference of MAE "
            f"{numbers}), but the choice is made on validation and stays."
        ]
    return []


def _undertrained(promotion: PromotionReport) -> list[str]:
    recipe = promotion.recipe
    assumes = promotion.text.way != "finetune"
    mean = fmean(recipe.valid_mae)
    gain = 1 - mean / recipe.median_mae
    capped = _capped(recipe)
    if gain < NEAR:
        head = "The paper's recipe is undertrained here and has hardly learnt"
    elif capped:
        head = "The paper's recipe is undertrained here"
    elif assumes:
        head = "The paper's recipe is probably undertrained here"
    else:
        return []
    text = {"frozen": "that of a frozen encoder", "precomputed": "precomputed"}
    because = (
        f": it assumes a BERT that is fine-tuned, and the text here is {text[promotion.text.way]}"
        if promotion.text.way in text
        else ""
    )
    lesson = (
        f" Beating it here does not tell that {PAPER} is beaten where BERT is fine-tuned."
        if assumes
        else ""
    )
    return [
        f"{head}{because}. It makes {counted(recipe.steps_per_epoch, 'step')} an epoch and trained "
        f"for {span_of_counts(recipe.epochs)} epochs{_how_it_ended(recipe)}; its mean validation "
        f"MAE of {number(mean)} {_beside_median(gain)} the {number(recipe.median_mae)} of always "
        f"predicting the median.{lesson}"
    ]


def _capped(recipe: PaperRecipe) -> int:
    """Return how many seeds the limit of epochs ended before their patience did."""
    pairs = zip(recipe.epochs, recipe.best_epochs, strict=True)
    return sum(epochs - best < recipe.patience for epochs, best in pairs)


def _how_it_ended(recipe: PaperRecipe) -> str:
    capped, seeds = _capped(recipe), len(recipe.epochs)
    if not capped:
        return f", until its own patience of {recipe.patience} ended it"
    pairs = zip(recipe.epochs, recipe.best_epochs, strict=True)
    rising = sum(epochs == best for epochs, best in pairs)
    state = "was still improving" if rising * 2 > seeds else "was still within its patience"
    which = "" if capped == seeds else f" on {capped} of {seeds} seeds"
    return f", and {state} when the limit of {recipe.max_epochs} ended it{which}"


def _beside_median(gain: float) -> str:
    if gain < 0:
        return "is worse than"
    if gain < NEAR:
        return "stays near"
    return f"is {100 * gain:.1f}% below"


def _against_champion(promotion: PromotionReport) -> list[str]:
    champion = promotion.champion
    if champion is None:
        return []
    return [
        f"Against version {champion.version}, the champion registered before, the kept model has a "
        f"difference of validation MAE of {_in_full(champion.comparison)}."
    ]


def _in_full(comparison: Comparison) -> str:
    return (
        f"{signed(comparison.difference)} (95% interval {difference_span(comparison)}; better with "
        f"a probability of {probability(comparison.probability)}; "
        f"{counted(comparison.seeds, 'seed')})"
    )
