"""The verdict of a promotion: three sentences, whatever it came to."""

from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.promotion_reports import (
    CLEAR,
    PROMOTIONS,
    UNCLEAR,
    WORSE,
    failed,
    finalist,
    promotion,
    typed,
)
from tracking.promotion_report.records import PromotionReport, Refit
from tracking.promotion_report.verdict import verdict

WINNERS = {
    "clear": "Trial 12 wins: it clearly beats the paper's configuration.",
    "a tie": "The paper's configuration is not clearly beaten, so it is kept, and not trial 12, "
    "the best of the race.",
    "a tie that is allowed": "The paper's configuration is not clearly beaten; trial 12 is kept "
    "all the same, for --allow-tie lets a tie pass.",
    "the paper's is the candidate": "The paper's configuration is not beaten: of 2 finalists it "
    "has the lowest mean validation MAE itself, so it is kept.",
    "the paper's is alone": "The paper's configuration is not beaten: no other finalist could be "
    "trained, so it is kept.",
    "with a refit": "Trial 12 wins: it clearly beats the paper's configuration, by the seeds of "
    "the race.",
    "without test": "Trial 12 wins: it clearly beats the paper's configuration.",
    "not registered": "Trial 12 wins: it clearly beats the paper's configuration.",
}

FURTHER = (
    "Trial 12's validation MAE is 0.0312 lower than that of the paper's configuration on average "
    "over 5 further seeds (95% interval of the difference -0.0450 to -0.0171; better with a "
    "probability of over 99.9%)."
)
TIE = (
    "Trial 12's validation MAE is 0.0050 lower than that of the paper's configuration on average "
    "over 5 further seeds (95% interval of the difference -0.0152 to +0.0049; better with a "
    "probability of 84.2%)."
)
CERTAINTIES = {
    "clear": FURTHER,
    "a tie": TIE,
    "a tie that is allowed": TIE,
    "the paper's is the candidate": "The paper's configuration's validation MAE is 0.0050 lower "
    "than that of trial 12 on average over 5 seeds of the race (95% interval of the difference "
    "-0.0152 to +0.0049; better with a probability of 84.2%).",
    "the paper's is alone": "There is nothing to compare it with, so no difference was measured.",
    "with a refit": "Trained anew on train and valid together, trial 12 reaches a test MAE that is "
    "0.0312 lower than that of the paper's configuration on average over 5 seeds (95% interval of "
    "the difference -0.0450 to -0.0171; better with a probability of over 99.9%).",
    "without test": FURTHER,
    "not registered": FURTHER,
}

BOTH = (
    "On the test split trial 12 has a mean MAE of 0.9123 (95% interval 0.9012 to 0.9245), and the "
    "paper's configuration one of 0.9461 (95% interval 0.9350 to 0.9583), each over 5 seeds."
)
ON_TEST = {
    "clear": BOTH,
    "a tie": "On the test split the paper's configuration has a mean MAE of 0.9461 (95% interval "
    "0.9350 to 0.9583), and trial 12 one of 0.9123 (95% interval 0.9012 to 0.9245), each over 5 "
    "seeds.",
    "a tie that is allowed": BOTH,
    "the paper's is the candidate": "On the test split the paper's configuration has a mean MAE of "
    "0.9300 (95% interval 0.9189 to 0.9422) over 5 seeds.",
    "the paper's is alone": "On the test split the paper's configuration has a mean MAE of 0.9300 "
    "(95% interval 0.9189 to 0.9422) over 5 seeds.",
    "with a refit": BOTH,
    "without test": "The test split was not opened: the champion is not beaten on validation, and "
    "--only-if-better was given.",
    "not registered": BOTH,
}


@pytest.mark.parametrize("case", PROMOTIONS)
def test_every_outcome_has_its_three_sentences(case: str) -> None:
    expected = (WINNERS[case], CERTAINTIES[case], ON_TEST[case])
    assert tuple(map(typed, verdict(PROMOTIONS[case]).sentences)) == expected


def test_a_candidate_may_be_worse_on_further_seeds() -> None:
    said = verdict(promotion(kept=0, clearly_beaten=False, further=WORSE)).certainty
    assert "MAE is 0.0211 higher than that of the paper's configuration" in said
    assert "+0.0102 to +0.0325; better with a probability of 0.3%" in said


def test_no_difference_is_called_none() -> None:
    same = UNCLEAR.model_copy(update={"difference": -0.00004})
    said = verdict(promotion(kept=0, clearly_beaten=False, further=same)).certainty
    assert "MAE is the same as that of the paper's configuration on average" in said


@pytest.mark.parametrize(
    ("probability", "said"),
    [(1.0, "over 99.9%"), (0.999, "99.9%"), (0.0, "below 0.1%"), (0.5, "50.0%")],
)
def test_no_probability_is_certain(probability: float, said: str) -> None:
    further = CLEAR.model_copy(update={"probability": probability})
    assert f"with a probability of {said})" in verdict(promotion(further=further)).certainty


def test_a_refit_whose_test_was_not_opened_falls_back_on_the_race() -> None:
    report = promotion(
        further=None, refit=Refit(candidate_epochs=9), test=None, test_unopened="it is away"
    )
    assert "than that of the paper's configuration on average over 5 seeds of the race" in (
        verdict(report).certainty
    )


def test_what_was_not_compared_is_not_told() -> None:
    finalists = (finalist(0), finalist(12))
    said = verdict(promotion(finalists=finalists, further=None)).certainty
    assert said == "By how much is not known, for the two were not compared on the same seeds."


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"finalists": (finalist(12),)}, "one finalist has to be"),
        ({"finalists": (failed(0), finalist(12))}, "configuration failed"),
        ({"candidate": 5, "kept": 5}, "no finalist"),
        ({"kept": 3}, "neither the candidate nor"),
        ({"kept": 0}, "clearly beaten and kept"),
        ({"clearly_beaten": False}, "a tie keeps the paper's"),
        ({"test_unopened": "no need"}, "either a result on test or a reason"),
        ({"test": None}, "either a result on test or a reason"),
    ],
)
def test_what_contradicts_itself_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        promotion(**changes)


def test_finalists_are_ranked_with_losers_last() -> None:
    report: PromotionReport = PROMOTIONS["clear"]
    assert [each.number for each in report.ranked] == [12, 3, 0, 7]
