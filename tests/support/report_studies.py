"""Studies for the report, made up of records: no storage, no training."""

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from tracking.records import ParamValue, TrialState
from tracking.report.records import Importances, Parameter, ReportedTrial, StudyReport

EPOCHS = 6
BEGIN = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)

PARAMETERS = (
    Parameter(name="margin", low=0.0, high=1.0, paper=0.15),
    Parameter(name="lambda_r", low=0.005, high=2.0, log=True, paper=0.1),
    Parameter(name="lambda_o", choices=(0.0, 0.01, 0.1), paper=0.01),
    Parameter(name="lambda_m", low=0.0, high=0.5, paper=0.01),
    Parameter(name="optimizer", choices=("adam", "adamw"), paper="adam"),
    Parameter(name="weight_decay", low=1e-5, high=0.1, log=True),
    Parameter(name="learning_rate", low=5e-4, high=5e-3, log=True, paper=1e-4),
    Parameter(name="layers", low=1, high=3, whole=True, paper=2),
)
"""one of each kind: lambda_m with zeros, weight_decay only with adamw, a rate out of range"""

IMPORTANT = Importances(
    shares={"weight_decay": 0.5, "margin": 0.3, "optimizer": 0.2}, trials=60, chance=0.25
)
UNKNOWN = Importances(caution="Importances need 20 complete trials at least; there are 3.")

PRUNED_AT = 2


def reported(
    number: int,
    state: TrialState | None = TrialState.COMPLETE,
    *,
    epochs: int | None = None,
    **more: Any,
) -> ReportedTrial:
    """A trial whose MAE rises with its margin; trial 0 is the paper's."""
    params = paper_params() if number == 0 else drawn_params(number)
    if epochs is None:
        epochs = PRUNED_AT if state is TrialState.PRUNED else EPOCHS
    noise, best, curve = random.Random(number), math.inf, []
    for epoch in range(1, epochs + 1):
        mae = 0.7 + 0.2 * float(params["margin"]) + 0.6 * math.exp(-0.4 * epoch)
        best = min(best, mae + noise.gauss(0, 0.02))
        curve.append((epoch, best))
    begun = BEGIN + timedelta(minutes=number)
    known: dict[str, Any] = {
        "number": number,
        "name": f"trial {number}" + (" (paper)" if number == 0 else ""),
        "state": state,
        "params": params,
        "curve": curve,
        "value": curve[-1][1] if curve else None,
        "begun": begun,
        "ended": None if state is None else begun + timedelta(minutes=2),
        "paper": number == 0,
    }
    return ReportedTrial(**(known | more))


def study_of(*trials: ReportedTrial, **more: Any) -> StudyReport:
    """A study of these trials."""
    known: dict[str, Any] = {
        "name": "made-up",
        "dataset": "mosi",
        "wanted": 100,
        "max_epochs": EPOCHS,
        "parameters": PARAMETERS,
        "trials": trials,
        "importances": UNKNOWN,
        "written": BEGIN,
    }
    return StudyReport(**(known | more))


def searched(trials: int, **more: Any) -> StudyReport:
    """A study in which one trial in three is complete and the others are pruned."""
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.PRUNED)
    each = [reported(number, states[number % 3]) for number in range(trials)]
    return study_of(*each, **({"importances": IMPORTANT} | more))


def paper_params() -> dict[str, ParamValue]:
    return {p.name: p.paper for p in PARAMETERS if p.paper is not None}


def drawn_params(number: int) -> dict[str, ParamValue]:
    draw = random.Random(1000 + number)
    params: dict[str, ParamValue] = {
        "margin": draw.random(),
        "lambda_r": 10 ** draw.uniform(-2.3, 0.3),
        "lambda_o": draw.choice([0.0, 0.01, 0.1]),
        "lambda_m": draw.choice([0.0, draw.random() / 2]),
        "optimizer": draw.choice(["adam", "adamw"]),
        "learning_rate": 10 ** draw.uniform(-3.3, -2.3),
        "layers": draw.choice([1, 2, 3]),
    }
    if params["optimizer"] == "adamw":
        params["weight_decay"] = 10 ** draw.uniform(-5, -1)
    return params
