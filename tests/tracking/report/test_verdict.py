"""What the report says in words."""

import pytest

from tests.support.report_studies import reported, study_of
from tracking.records import TrialState
from tracking.report.records import StudyReport
from tracking.report.verdict import caution, states_in_words, verdict

FAILED = reported(0, TrialState.FAILED, value=None, reason="the loss is nan")


@pytest.mark.parametrize(
    ("study", "said"),
    [
        (study_of(), "No trial was begun yet."),
        (
            study_of(reported(0, None), reported(1, TrialState.PRUNED)),
            "No trial has reached its end yet: 2 of 100 were begun, 1 are under way.",
        ),
        (study_of(FAILED), "The only trial failed"),
        (study_of(reported(0, value=0.9)), "only the paper's configuration has reached its end"),
        (
            study_of(reported(0, value=0.8), reported(1, value=0.9)),
            "No trial beats the paper's configuration so far: at a validation MAE of 0.8000 it is "
            "the best of 2 complete trials.",
        ),
        (
            study_of(reported(0, value=0.8), reported(1, value=0.76)),
            "Trial 1 is the best of 2 complete trials, with a validation MAE of 0.7600: 0.0400 "
            "(5.0%) below the 0.8000 of the paper's configuration.",
        ),
        (
            study_of(FAILED, reported(1, value=0.76)),
            "The paper's configuration failed here (the loss is nan), so nothing is measured",
        ),
        (
            study_of(reported(0, None), reported(1, value=0.76)),
            "The paper's configuration is still under way, so nothing is measured against it.",
        ),
        (study_of(reported(1, value=0.76)), "The paper's configuration was not tried yet."),
        (
            study_of(reported(0, value=float("nan")), reported(1, value=0.76)),
            "The paper's configuration has no value that is a number",
        ),
    ],
)
def test_the_verdict_is_a_sentence_or_two(study: StudyReport, said: str) -> None:
    assert said in verdict(study)


def test_luck_is_named_where_there_is_a_best() -> None:
    assert "mostly luck" in caution(study_of(reported(0)))
    assert caution(study_of(reported(0), replicates=3)).startswith("The mean of 3 seeds")
    assert caution(study_of()) == ""


def test_every_state_is_counted_with_its_reasons() -> None:
    study = study_of(
        reported(0),
        reported(1, TrialState.PRUNED),
        reported(2, TrialState.PRUNED),
        reported(3, TrialState.PRUNED, reason="the time budget is spent"),
        reported(4, TrialState.FAILED, value=None),
        reported(5, None),
        reported(6, twin=0),
        copies=7,
    )
    said = " ".join(states_in_words(study))
    assert "7 of 100 trials were begun: 2 complete, 3 pruned, 1 failed, 1 under way." in said
    assert "stopped by the rule (2); the time budget is spent (1)" in said
    assert "drawn and ranked once: 1." in said
    assert "not counted here: 7." in said
