"""What is said and drawn of each regulariser."""

from tests.support.report_studies import EPOCHS, PRUNED_AT, reported, searched, study_of
from tracking.records import TrialState
from tracking.report.effects import Effect
from tracking.report.regularisers import comparisons, regulariser_views, sentence

ORDER = ["lambda_r", "lambda_s", "lambda_m", "lambda_o", "margin"]


def test_pruned_trials_are_compared_where_all_had_come() -> None:
    early, late = comparisons(searched(90))
    assert (early.epoch, late.epoch) == (PRUNED_AT, EPOCHS)
    assert len(early.trials) == 90
    assert len(late.trials) == 30
    assert all(trial.complete for trial in late.trials)
    for trial, value in zip(early.trials, early.values, strict=True):
        assert dict(trial.curve)[PRUNED_AT] == value


def test_a_few_that_ended_sooner_are_left_out() -> None:
    sooner = [reported(n, TrialState.PRUNED, epochs=1) for n in range(100, 104)]
    told = study_of(*searched(90).trials, *sooner)
    early, _ = comparisons(told)
    assert early.epoch == PRUNED_AT
    assert early.left_out == 4
    assert len(early.trials) == 90


def test_trials_under_way_and_duplicates_do_not_move_the_epoch() -> None:
    beginners = [reported(n, None, epochs=1) for n in range(100, 140)]
    twins = [reported(n, epochs=1, twin=3) for n in range(140, 180)]
    early, late = comparisons(study_of(*searched(90).trials, *beginners, *twins))
    assert early.epoch == PRUNED_AT
    assert {trial.number for trial in (*early.trials, *late.trials)} == set(range(90))


def test_without_early_stops_the_ends_are_compared() -> None:
    patient = reported(5, epochs=EPOCHS - 2)
    (only,) = comparisons(study_of(*(reported(n) for n in range(5)), patient))
    assert only.epoch == EPOCHS
    assert patient in only.trials
    assert only.values[-1] == patient.value


def test_nothing_is_compared_before_a_trial_has_ended() -> None:
    assert comparisons(study_of(reported(0, None))) == []
    assert comparisons(study_of(reported(0, TrialState.FAILED, epochs=0))) == []


def test_each_regulariser_has_its_say() -> None:
    views = {view.name: view for view in regulariser_views(searched(150))}
    assert list(views) == ORDER
    assert views["lambda_s"].sentences == ["This study does not vary lambda_s."]
    assert not views["lambda_s"].figures
    early, late = views["margin"].sentences
    assert early.startswith("After epoch 2, all trials: lower values went with a lower MAE")
    assert "among 150 trials" in early
    assert late.startswith("At the end, complete trials only: lower values")
    for name in ("lambda_r", "lambda_m", "lambda_o"):
        assert all("no clear effect among" in said for said in views[name].sentences)


def test_weights_are_on_a_log_axis_on_which_zero_has_a_place() -> None:
    views = {view.name: view for view in regulariser_views(searched(90))}
    drawn = views["lambda_m"].figures[0].to_dict()  # type: ignore[attr-defined]
    assert drawn["layout"]["xaxis"]["ticktext"][0] == "0"
    zero = drawn["layout"]["xaxis"]["tickvals"][0]
    placed = [x for trace in drawn["data"] for x in trace["x"]]
    assert placed.count(zero) > 20
    assert None not in placed


def test_sentences_are_plain() -> None:
    def said(**found: float) -> str:
        return sentence(Effect(trials=96, needed=20, **found), "at the end")  # type: ignore[arg-type]

    assert (
        said(correlation=-0.004)
        == "At the end: no clear effect among 96 trials (rank correlation 0.00)."
    )
    assert said() == "At the end: its value hardly varies, so there is nothing to tell."
    assert "higher values went with a lower MAE" in said(correlation=-0.4, trend=0.001)
    assert "a slightly lower MAE" in said(correlation=-0.1, trend=0.001)
    few = Effect(trials=12, needed=30)
    assert sentence(few, "at the end") == "At the end: too few to tell (12; it takes 30)."
