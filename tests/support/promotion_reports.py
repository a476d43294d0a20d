"""Promotions of every kind for tests of their report."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from dlf.presets import preset
from tracking.figures.class_accuracy import class_accuracy
from tracking.promotion_report.records import (
    Comparison,
    DataFacts,
    Estimate,
    Figure,
    NotRegistered,
    PaperRecipe,
    PromotionReport,
    ReadingOfTest,
    Refit,
    Registered,
    ReportedFinalist,
    ResultsOnTest,
    Scores,
    TextFacts,
)
from tracking.records import ParamValue

WHEN = datetime(2026, 11, 23, 15, 31, 4, tzinfo=UTC)
PARAMS: Mapping[str, ParamValue] = {"learning_rate": 0.0012, "accumulation": 2, "lambda_r": 0.03}

CLEAR = Comparison(difference=-0.0312, low=-0.045, high=-0.0171, probability=0.9996, seeds=5)
UNCLEAR = Comparison(difference=-0.005, low=-0.0152, high=0.0049, probability=0.842, seeds=5)
WORSE = Comparison(difference=0.0211, low=0.0102, high=0.0325, probability=0.003, seeds=5)

TABLE_1 = {
    "mae": 0.731,
    "corr": 0.781,
    "acc7": 0.4708,
    "acc5": 0.5233,
    "acc2": 0.8506,
    "f1": 0.8504,
}


def finalist(number: int, mean: float = 0.95, **more: Any) -> ReportedFinalist:
    """Return a finalist that was trained on five seeds; number 0 is the paper's configuration."""
    maes = [mean + offset for offset in (-0.01, -0.004, 0.0, 0.003, 0.011)]
    given = {
        "name": "trial 0 (the paper's)" if number == 0 else f"trial {number}",
        "params": PARAMS,
        "valid_mae": maes,
        "estimate": Estimate(mean=mean, low=mean - 0.008, high=mean + 0.009),
        **more,
    }
    return ReportedFinalist(number=number, paper=number == 0, **given)


def failed(number: int, reason: str = "the loss is nan in epoch 3.") -> ReportedFinalist:
    """Return a finalist that could not be trained."""
    return finalist(number, valid_mae=(), estimate=None, failed=reason)


BEST = finalist(12, 0.941)
PAPER = finalist(0, 0.979, comparison=CLEAR)
DROPPED = finalist(
    7,
    1.012,
    dropped="after 3 seeds its difference from trial 12 was +0.0712, interval +0.0551 to +0.0865",
    comparison=CLEAR,
)
OTHER = finalist(3, 0.948, comparison=UNCLEAR)

RECIPE = PaperRecipe(
    epochs=(14, 17, 12, 13, 12),
    best_epochs=(4, 7, 2, 3, 2),
    valid_mae=(1.41, 1.42, 1.43, 1.41, 1.42),
    median_mae=1.425,
    steps_per_epoch=8,
    patience=10,
    max_epochs=30,
)


def scores(mae: float) -> Scores:
    """Return scores with a mean MAE."""
    means = {"mae": mae, "corr": 0.7123, "acc7": 0.3411, "acc5": 0.3877, "acc2": 0.7951, "f1": 0.79}
    return Scores(
        metrics={
            name: Estimate(mean=mean, low=mean - 0.0111, high=mean + 0.0122)
            for name, mean in means.items()
        },
        ensemble={name: mean + 0.0033 for name, mean in means.items()},
    )


TEST = ResultsOnTest(candidate=scores(0.9123), paper=scores(0.9461), comparison=CLEAR)


def picture() -> bytes:
    """Return a picture in the manner of Figure 4."""
    generator = np.random.default_rng(0)
    labels = generator.uniform(-3, 3, 200).astype(np.float32)
    return class_accuracy(labels, labels + generator.normal(0, 0.8, 200).astype(np.float32))


def promotion(**changes: Any) -> PromotionReport:
    """Return a promotion that replaces the paper's configuration, with some things changed."""
    values = dict(preset("paper", "mosi").values())
    given = {
        "study": "mosi-20261123-153104",
        "dataset": "mosi",
        "when": WHEN,
        "finalists": (PAPER, DROPPED, OTHER, BEST),
        "candidate": 12,
        "kept": 12,
        "clearly_beaten": True,
        "further": CLEAR,
        "recipe": RECIPE,
        "candidate_config": values | PARAMS,
        "paper_config": values,
        "final_seeds": 5,
        "test": TEST,
        "readings": readings(1),
        "table_1": TABLE_1,
        "text": TextFacts(way="frozen", encoder="minilm"),
        "data": DataFacts(
            source="mosi_aligned_50.pkl",
            published=None,
            widths={"text": 300, "audio": 74, "vision": 35},
            clips={"train": 1284, "valid": 229, "test": 686},
        ),
        "registration": Registered(model="dlf-mosi", version=3, alias="champion", former=2),
        "revision": "0a4f749",
        "packages": {"torch": "2.9.1", "mlflow": "3.5.0"},
        "commands": {
            "the whole promotion": "python search/promote.py --study mosi-20261123-153104 --top 5",
            "the kept configuration": "python -m dlf.train --config best.yaml --dataset mosi",
        },
        "links": {
            "the run of the study": "http://127.0.0.1:5000/#/experiments/1/runs/a",
            "the run of this promotion": "http://127.0.0.1:5000/#/experiments/1/runs/b",
        },
        **changes,
    }
    return PromotionReport.model_validate(given)


def typed(text: str) -> str:
    """Return a text with hyphens, which tests can type, for minus signs and en dashes."""
    return text.replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "-")


def readings(count: int) -> tuple[ReadingOfTest, ...]:
    """Return readings of the test split, a day after each other."""
    return tuple(
        ReadingOfTest(when=WHEN + timedelta(days=day), promotion=f"promotion {day + 1}")
        for day in range(count)
    )


def with_pictures(report: PromotionReport) -> PromotionReport:
    """Return a promotion with a picture that is also a file, and one that is not."""
    figures = (
        Figure(caption="Classes, after Figure 4", png=picture(), file="artifacts/classes.png"),
        Figure(caption="Confusion again", png=picture()),
    )
    return report.model_copy(update={"figures": figures})


PROMOTIONS: dict[str, PromotionReport] = {
    "clear": promotion(),
    "a tie": promotion(kept=0, clearly_beaten=False, further=UNCLEAR),
    "a tie that is allowed": promotion(clearly_beaten=False, further=UNCLEAR, allow_tie=True),
    "the paper's is the candidate": promotion(
        finalists=(finalist(0, 0.93), finalist(12, 0.951, comparison=UNCLEAR), failed(4)),
        candidate=0,
        kept=0,
        clearly_beaten=False,
        further=None,
        candidate_config=dict(preset("paper", "mosi").values()),
        test=ResultsOnTest(candidate=scores(0.93)),
    ),
    "the paper's is alone": promotion(
        finalists=(finalist(0, 0.93), failed(4)),
        candidate=0,
        kept=0,
        clearly_beaten=False,
        further=None,
        test=ResultsOnTest(candidate=scores(0.93)),
    ),
    "with a refit": promotion(
        further=None, refit=Refit(candidate_epochs=9, paper_epochs=14), test=TEST
    ),
    "without test": promotion(
        test=None,
        readings=(),
        test_unopened="the champion is not beaten on validation, and --only-if-better was given",
        registration=NotRegistered(reason="version 2 of dlf-mosi is not clearly beaten"),
    ),
    "not registered": promotion(
        registration=NotRegistered(reason="the registry is away: Connection refused."),
        readings=readings(3),
        table_1=None,
    ),
}
