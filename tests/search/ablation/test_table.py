"""The table of an ablation: our means and intervals, the paper's figures, and what they say."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dlf.config import Config
from dlf.metrics import Metrics, compute_metrics
from dlf.published_results import TABLE_2
from dlf.text.source import TextSource
from dlf.training.training import EpochRecord
from search.ablation.ablation import AblationPlan
from search.ablation.request import DEFAULT_SEEDS
from search.ablation.result import AblationResult, RowResult, result_of
from search.ablation.table import markdown_table, remarks, shown_table
from search.seeded.ended_trainings import EndedTrainings
from search.seeded.seeded_trainings import SeededTrainings
from search.trial.checkpoints import Checkpoints
from search.trial.plan import TrialPlan
from search.trial.seeds import ABLATION_SEEDS, ablation_seed
from tests.support.seeded_trainings import leave_state
from tracking.records import Outcome, TrialState

CLIPS = 60
LABELS = np.random.default_rng(0).uniform(-3, 3, CLIPS).astype(np.float32)
REASON = "RuntimeError: the fan is on fire"

FARTHER = {"DLF": 0.0, "w/o HP": 0.25, "w/o LFA": -0.125, "w/o L_o": 0.0}
"""by how much every clip is missed more than by the full model, whatever the seed"""


def plan_of(config: Config | None = None, *, seeds: int = DEFAULT_SEEDS) -> AblationPlan:
    return AblationPlan.model_validate(
        {
            "key": "key",
            "begun": "2026-11-24T09:00:00+01:00",
            "dataset": "mosi",
            "dataset_digest": "0" * 64,
            "text": TextSource(way="precomputed"),
            "config_name": "best.yaml",
            "config": config or Config(),
            "seeds": seeds,
            "max_epochs": 2,
        }
    )


def predicted(row: str, seed: int) -> NDArray[np.float32]:
    """Predictions whose errors have the side of the full model's and a part that is planted."""
    missed = np.random.default_rng(seed - ABLATION_SEEDS + 1).uniform(0.5, 1.0, CLIPS)
    missed = missed + FARTHER.get(row, 1.0)
    return (LABELS + missed).astype(np.float32)


@pytest.fixture
def ablated(tmp_path: Path, record_of_mae: Callable[..., EpochRecord]) -> "Ablated":
    """Make the result of an ablation whose trainings predict what is planted."""
    return Ablated(tmp_path, record_of_mae)


class Ablated:
    """Lets the trainings of an ablation end, but for those of some rows, which fail."""

    def __init__(self, folder: Path, record: Callable[..., EpochRecord]) -> None:
        self.checkpoints = Checkpoints(folder=folder / "checkpoints")
        self.kept = EndedTrainings(folder=folder / "trainings")
        self.record = record
        self.trained: list[str] = []

    def __call__(self, plan: AblationPlan, *failing: str) -> AblationResult:
        seeds = [ablation_seed(index) for index in range(plan.seeds)]
        trainings = SeededTrainings(
            plan.entrants, seeds, kept=self.kept, checkpoints=self.checkpoints
        )
        while isinstance(training := trainings.next_trial(), TrialPlan):
            self.trained.append(training.name)
            row = training.name.partition(",")[0]
            outcome = Outcome(state=TrialState.COMPLETE)
            if training.name in failing or row in failing:
                outcome = Outcome(state=TrialState.FAILED, reason=REASON)
            predictions = predicted(row, training.seeds[0])
            leave_state(self.checkpoints, training.number, predictions)
            mae = float(np.abs(predictions - LABELS).mean())
            trainings.report(training.number, self.record(1, mae, mae))
            trainings.end(training.number, outcome)
        table = Path("ablation.md")
        return result_of("ablation-1", plan, trainings, LABELS, table=table, seconds=1.0)


def row_of(result: AblationResult, name: str) -> RowResult:
    return next(row for row in result.rows if row.name == name)


def line_of(text: str, name: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(name)]
    return line


def test_every_row_has_the_metrics_of_its_predictions(ablated: Ablated) -> None:
    result = ablated(plan_of())
    assert [row.name for row in result.rows] == list(TABLE_2)
    assert len(ablated.trained) == 13 * DEFAULT_SEEDS
    for row in result.rows:
        assert row.scores is not None
        each = [
            compute_metrics(predicted(row.name, ablation_seed(index)), LABELS)
            for index in range(DEFAULT_SEEDS)
        ]
        assert row.scores.valid_mae == pytest.approx([metrics.mae for metrics in each])
        for name in Metrics.model_fields:
            mean = np.mean([getattr(metrics, name) for metrics in each])
            assert getattr(row.scores.mean, name) == pytest.approx(mean)
            low, high = row.scores.intervals[name]
            assert low <= mean <= high


def test_the_difference_to_the_full_model_is_paired(ablated: Ablated) -> None:
    result = ablated(plan_of())
    assert result.full_model.difference is None
    for name, farther in list(FARTHER.items())[1:]:
        compared = row_of(result, name).difference
        assert compared is not None
        # Unpaired, it would vary by the errors of the clips: by about 0.02.
        assert compared.difference == pytest.approx(farther, abs=1e-6)
        assert compared.interval.low == pytest.approx(farther, abs=1e-5)
        assert compared.interval.high == pytest.approx(farther, abs=1e-5)


def test_the_table_has_our_figures_beside_the_papers(ablated: Ablated) -> None:
    result = ablated(plan_of())
    text = shown_table(result)
    scores = row_of(result, "w/o HP").scores
    assert scores is not None
    line = line_of(text, "w/o HP")
    assert re.split(r"\s{2,}", line)[4:] == [
        f"{scores.mean.mae:.3f}",
        "+0.250",
        *("42.42", "84.76", "84.74", "0.761", "+0.030"),
    ]
    below = text.splitlines()[text.splitlines().index(line) + 1]
    low, high = scores.intervals["mae"]
    assert re.split(r"\s{2,}", below.strip())[3:] == [
        f"{low:.3f} to {high:.3f}",
        "+0.250 to +0.250",
    ]
    assert line_of(text, "DLF").endswith("47.08  85.06  85.04  0.731")
    for name, figures in TABLE_2.items():
        assert f"{100 * figures['acc7']:.2f}" in line_of(text, name)
        assert f"{figures['mae'] - 0.731:+.3f}" in line_of(text, name) or name == "DLF"


def test_the_table_fits_a_terminal_also_where_intervals_are_wide(ablated: Ablated) -> None:
    result = ablated(plan_of(seeds=2), "only L")
    lines = shown_table(result).splitlines()
    assert max(len(line) for line in lines) <= 120
    assert any("the intervals are wide" in remark for remark in remarks(result))


def test_the_remarks_say_what_can_be_told_from_the_full_model(ablated: Ablated) -> None:
    said = " ".join(remarks(ablated(plan_of())))
    assert re.search(r"clearly worse than DLF: only A,.* w/o FDM, w/o HP;", said)
    assert "clearly better than DLF: w/o LFA; not to be told from DLF: w/o L_o." in said
    assert "the intervals are over 3 seeds and 60 clips" in said
    assert "the intervals are wide" not in said


def test_markdown_has_a_line_for_every_row(ablated: Ablated) -> None:
    result = ablated(plan_of(), "only L")
    lines = markdown_table(result).splitlines()
    rows = [line for line in lines if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in rows]
    assert [each[0].replace("\\", "") for each in cells] == list(TABLE_2)
    assert {len(each) for each in cells} == {11}
    hp = cells[-1]
    assert hp[5] == "+0.250 (+0.250 to +0.250)"
    assert hp[6:] == ["42.42", "84.76", "84.74", "0.761", "+0.030"]
    assert cells[3][1] == "failed"
    assert f"- only L failed: seed 0: {REASON}" in lines


def test_a_row_with_one_failed_training_is_failed_and_the_others_stand(ablated: Ablated) -> None:
    result = ablated(plan_of(), "w/o HP, seed 1")
    assert [row.name for row in result.failed] == ["w/o HP"]
    assert row_of(result, "w/o HP").failed == f"seed 1: {REASON}"
    assert row_of(result, "w/o HP").scores is None
    assert row_of(result, "w/o LFA").difference is not None
    text = shown_table(result)
    assert re.match(r"w/o HP +failed +42\.42 ", line_of(text.partition("\nThe full")[0], "w/o HP"))
    assert f"w/o HP failed: seed 1: {REASON}" in text


def test_a_full_model_that_failed_leaves_nothing_to_compare_with(ablated: Ablated) -> None:
    result = ablated(plan_of(), "DLF")
    assert result.full_model.scores is None
    assert all(row.difference is None for row in result.rows)
    assert row_of(result, "w/o HP").scores is not None
    assert "DLF failed, so there is nothing to hold the rows against." in remarks(result)
    assert "By the 95% interval" not in shown_table(result)


def test_rows_without_a_training_of_their_own_say_so(ablated: Ablated) -> None:
    config = Config().with_values({"lambda_m": 0, "lambda_o": 0})
    result = ablated(plan_of(config))
    assert len(ablated.trained) == 11 * DEFAULT_SEEDS
    assert not any(name.startswith(("w/o L_m", "w/o L_o")) for name in ablated.trained)
    assert [row.same_as for row in result.rows if row.name in ("w/o L_m", "w/o L_o")] == ["DLF"] * 2
    text = shown_table(result)
    assert re.match(r"w/o L_m +the same as DLF +45\.77 ", line_of(text, "w/o L_m"))
    assert "Not trained, for they are the same as DLF: w/o L_m, w/o L_o." in text
    assert result.failed == []


def test_the_json_has_all_of_it(ablated: Ablated) -> None:
    told = json.loads(ablated(plan_of()).model_dump_json())
    assert [row["name"] for row in told["rows"]] == list(TABLE_2)
    hp = told["rows"][-1]
    assert hp["published"] == dict(TABLE_2["w/o HP"])
    assert hp["scores"]["difference"]["difference"] == pytest.approx(0.25, abs=1e-6)
    assert set(hp["scores"]["intervals"]) == set(Metrics.model_fields)
