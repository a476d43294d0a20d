"""The samplers that a search offers: what chooses the parameters of the next trial."""

import warnings
from typing import Literal, get_args

import numpy as np
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler

SamplerName = Literal["tpe", "random", "qmc", "gp"]

SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)
"""the first is the default"""


def make_sampler(name: SamplerName, *, seed: int, trials_before: int, grouped: bool) -> BaseSampler:
    """Return a sampler for a search that begins, or goes on, after a number of trials.

    Its random numbers are drawn anew for each number of trials, so that a search that goes on does
    not draw what it drew before. The quasi-random sequence is one and the same, since the study
    keeps the place in it.

    Args:
        name: one of `SAMPLERS`.
        seed: of the search.
        trials_before: that the study has already.
        grouped: whether trials have different parameters, as in a conditional space; TPE then
            models those together that come together. A parameter stays in the range that the
            study's first trials gave it, so this is not for a study whose ranges have changed.
    """
    fresh = int(np.random.SeedSequence((seed, trials_before)).generate_state(1)[0])
    with warnings.catch_warnings():
        # groups and the quasi-random sampler have been experimental to Optuna for years
        warnings.simplefilter("ignore", ExperimentalWarning)
        match name:
            case "tpe":
                # the constant liar keeps trials that run side by side apart
                return TPESampler(multivariate=True, group=grouped, constant_liar=True, seed=fresh)
            case "random":
                return RandomSampler(seed=fresh)
            case "qmc":
                # without scrambling the first point is the lowest corner of the space
                return QMCSampler(
                    scramble=True, seed=seed, independent_sampler=RandomSampler(seed=fresh)
                )
            case "gp":
                return GPSampler(seed=fresh)
