"""How much each parameter decides, by Optuna's PED-ANOVA, and how much of that is chance."""

import math
import warnings
from collections.abc import Sequence

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.importance import get_param_importances
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from search.study.records import DUPLICATE_OF
from tracking.report.effects import shuffles
from tracking.report.records import Importances

LEAST_COMPLETE = 20
"""complete trials without which importances say nothing: of fewer the best tenth is one or two"""

STEADY_COMPLETE = 50
"""Optuna asks for five in the best tenth"""

CHANCE_SHUFFLES = 10
CHANCE_QUANTILE = 0.95


def importances_of(trials: Sequence[FrozenTrial]) -> Importances:
    """Return how much each parameter decides, by PED-ANOVA over the complete trials."""
    complete = [
        trial
        for trial in trials
        if trial.state is OptunaState.COMPLETE
        and DUPLICATE_OF not in trial.user_attrs
        and math.isfinite(trial.values[0])
    ]
    count = len(complete)
    if count < LEAST_COMPLETE:
        return Importances(
            trials=count,
            caution=f"Importances need {LEAST_COMPLETE} complete trials at least; there are "
            f"{count}.",
        )
    study = _study_of(complete)
    found = _ped_anova(study, None)
    total = sum(found.values())
    if not total > 0:
        return Importances(trials=count, caution="No parameter decides anything so far.")
    shares = {name: value / total for name, value in found.items()}
    if count < STEADY_COMPLETE:
        return Importances(
            shares=shares,
            trials=count,
            caution=f"With {count} complete trials the best tenth is {math.ceil(count / 10)} of "
            f"them: take the order lightly until there are {STEADY_COMPLETE}.",
        )
    return Importances(shares=shares, trials=count, chance=_chance_level(study) / total)


def _chance_level(study: optuna.Study) -> float:
    """Return what one importance in twenty exceeds when values are shuffled among neighbours."""
    values = np.array([trial.values[0] for trial in study.get_trials(deepcopy=False)])
    orders = shuffles(len(values), CHANCE_SHUFFLES, np.random.default_rng(0))
    found = [v for order in orders for v in _ped_anova(study, values[order]).values()]
    return float(np.quantile(found, CHANCE_QUANTILE))


def _ped_anova(study: optuna.Study, values: NDArray[np.float64] | None) -> dict[str, float]:
    """Return importances in their own unit, the highest first.

    Args:
        study: of complete trials.
        values: what the trials came to instead of their own, by number.
    """
    target = None if values is None else lambda trial: float(values[trial.number])
    with warnings.catch_warnings():
        # It warns of trials that lack a parameter, and that the unit may change.
        warnings.simplefilter("ignore")
        return get_param_importances(study, target=target, normalize=False)


def _study_of(complete: Sequence[FrozenTrial]) -> optuna.Study:
    """Return a study of these trials alone, for importances are drawn from whole studies."""
    study = optuna.create_study(direction="minimize")
    study.add_trials(
        [
            create_trial(params=t.params, distributions=t.distributions, value=t.values[0])
            for t in complete
        ]
    )
    return study
