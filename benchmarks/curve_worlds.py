"""Made-up worlds in which every configuration has a learning curve, fitted to a table of real ones.

Curves are log(MAE - 0.75), in two principal components and a remainder; each component is a
Gaussian process of the parameters, with a length for each and noise. A world is one draw from what
the processes leave open: a function that agrees with the table, to which every configuration adds
the noise and the remainder of a configuration of the table that learns much as it does. So worlds
differ where the table knows nothing, and quick learners are as noisy as quick learners were.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from optuna.distributions import FloatDistribution, IntDistribution
from scipy.optimize import minimize

from benchmarks.curve_table import CurveTable, Floats
from dlf.config import Value
from search.spaces.space import Space

COMPONENTS = 2
FLOOR = 0.75
"""an MAE that no trial comes near: what is above it is taken in logs"""
ALIKE = 8
"""configurations of the table, one of which a new one takes its noise from"""
FEATURES = 500
"""random Fourier features of a function drawn from a prior"""
TYPICAL_LOG_LENGTH, TYPICAL_LOG_NOISE = 1.5, -1.0
"""where the priors of the processes have their centres: most parameters matter little"""
FOLDS = 8


class GaussianProcess(NamedTuple):
    """A squared-exponential process of points in the unit cube, given targets of variance one."""

    points: Floats
    targets: Floats
    lengths: Floats
    deviation: float
    noise: float

    @classmethod
    def fit(cls, points: Floats, targets: Floats) -> "GaussianProcess":
        """Find the most probable lengths, deviation and noise; their logs have normal priors."""
        lengths = [TYPICAL_LOG_LENGTH] * points.shape[1]
        centre = np.array([*lengths, 0.0, TYPICAL_LOG_NOISE])

        def loss(logs: Floats) -> tuple[float, Floats]:
            process = cls._of_logs(points, targets, logs)
            kernel, covariance = process.kernel(points), process._covariance()
            inverse = np.linalg.inv(covariance)
            solved = inverse @ targets
            value = targets @ solved + np.linalg.slogdet(covariance)[1]
            pull = inverse - np.outer(solved, solved)
            apart = (points[:, None] - points) / process.lengths
            slopes = [
                *np.einsum("ij,ijk->k", pull * kernel, apart**2),
                2 * (pull * kernel).sum(),
                2 * process.noise**2 * pull.trace(),
            ]
            away = logs - centre
            return float(value + away @ away) / 2, np.array(slopes) / 2 + away

        bounds = [*[(-2, 5)] * len(lengths), (-3, 2), (-4, 1)]
        found = minimize(loss, centre, jac=True, method="L-BFGS-B", bounds=bounds)
        return cls._of_logs(points, targets, found.x)

    def mean(self, at: Floats) -> Floats:
        """Return what is expected at some points."""
        expected: Floats = self.kernel(at) @ self._solved(self.targets)
        return expected

    def noise_given(self) -> Floats:
        """Return the noise of the given targets: residuals when left out, as large as `noise`."""
        inverse = np.linalg.inv(self._covariance())
        return self.noise * (inverse @ self.targets) / np.sqrt(np.diag(inverse))

    def draw(self, random: np.random.Generator) -> "DrawnFunction":
        """Draw a function: one of the prior, moved to where the targets are (Matheron's rule)."""
        waves = random.standard_normal((self.points.shape[1], FEATURES)) / self.lengths[:, None]
        shifts = random.uniform(0, 2 * np.pi, FEATURES)
        weights = random.standard_normal(FEATURES) * self.deviation * np.sqrt(2 / FEATURES)
        prior = np.cos(self.points @ waves + shifts) @ weights
        noise = self.noise * random.standard_normal(len(self.targets))
        moved = self._solved(self.targets - prior - noise)
        return DrawnFunction(self, waves, shifts, weights, moved)

    def kernel(self, at: Floats) -> Floats:
        """Return the covariance of the function at some points with that at the given ones."""
        apart = (at[:, None] - self.points) / self.lengths
        kernel: Floats = self.deviation**2 * np.exp(-(apart**2).sum(axis=-1) / 2)
        return kernel

    def _covariance(self) -> Floats:
        return self.kernel(self.points) + self.noise**2 * np.eye(len(self.points))

    def _solved(self, targets: Floats) -> Floats:
        return np.asarray(np.linalg.solve(self._covariance(), targets), dtype=np.float64)

    @classmethod
    def _of_logs(cls, points: Floats, targets: Floats, logs: Floats) -> "GaussianProcess":
        *lengths, deviation, noise = np.exp(logs)
        return cls(points, targets, np.array(lengths), float(deviation), float(noise))


class DrawnFunction(NamedTuple):
    """A function that a Gaussian process may be, without the noise."""

    process: GaussianProcess
    waves: Floats
    shifts: Floats
    weights: Floats
    moved: Floats

    def at(self, points: Floats) -> Floats:
        """Return its values at some points."""
        prior = np.cos(points @ self.waves + self.shifts) @ self.weights
        values: Floats = prior + self.process.kernel(points) @ self.moved
        return values


class Surrogate:
    """The processes of a table's curves."""

    def __init__(self, space: Space, points: Floats, curves: Floats) -> None:
        self.space = space
        self.epochs = curves.shape[1]
        logs = np.log(curves - FLOOR)
        self._mean = logs.mean(axis=0)
        _, _, directions = np.linalg.svd(logs - self._mean, full_matrices=False)
        scores = (logs - self._mean) @ directions[:COMPONENTS].T
        self._axes = directions[:COMPONENTS] * scores.std(axis=0)[:, None]
        scores /= scores.std(axis=0)
        self.processes = [GaussianProcess.fit(points, column) for column in scores.T]
        noise = np.stack([process.noise_given() for process in self.processes], axis=1)
        self._noise = logs - self._mean - (scores - noise) @ self._axes
        """of the table's logs, with their remainders"""
        self._expected = self._smooth(points) @ self._axes

    @classmethod
    def of(cls, table: CurveTable) -> "Surrogate":
        """Fit the processes to a whole table."""
        return cls(table.header.space, points_of(table), table.curves)

    def expected(self, points: Floats) -> Floats:
        """Return the curves [points, epochs] in the middle of all worlds, without noise."""
        return self._curves(self._smooth(points) @ self._axes)

    def noisy(self, scores: Floats, chances: Floats) -> Floats:
        """Return curves from components [points, components], with noise.

        Args:
            scores: without noise.
            chances: from 0 to 1, for each point; which noise it has of those that it may have.
        """
        logs = scores @ self._axes
        apart = ((logs[:, None] - self._expected) ** 2).sum(axis=-1)
        alike = apart.argsort(axis=1)[:, :ALIKE]
        chosen = (chances * alike.shape[1]).astype(np.int64)
        return self._curves(logs + self._noise[alike[np.arange(len(logs)), chosen]])

    def _smooth(self, points: Floats) -> Floats:
        return np.stack([process.mean(points) for process in self.processes], axis=1)

    def _curves(self, logs: Floats) -> Floats:
        """Return curves from their logs less the mean; the best so far does not rise."""
        curves: Floats = FLOOR + np.exp(np.minimum.accumulate(self._mean + logs, axis=-1))
        return curves


class World:
    """A curve for every configuration, the same whenever it is asked for.

    A configuration of the table has its recorded one.
    """

    def __init__(self, surrogate: Surrogate, table: CurveTable, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.space, self.epochs, self.seed = surrogate.space, surrogate.epochs, seed
        self.seconds = [trial.seconds_per_epoch for trial in table.trials]
        self._surrogate = surrogate
        self._functions = [process.draw(random) for process in surrogate.processes]
        self._recorded: dict[frozenset[tuple[str, Value]], Floats] = {
            frozenset(trial.params.items()): curve
            for trial, curve in zip(table.trials, table.curves, strict=True)
        }

    def curve(self, params: Mapping[str, Value]) -> Floats:
        """Return the lowest validation MAE so far after each epoch of a configuration."""
        recorded = self._recorded.get(frozenset(params.items()))
        return self.curves([params])[0] if recorded is None else recorded

    def curves(self, configurations: Sequence[Mapping[str, Value]]) -> Floats:
        """Return curves [configurations, epochs] as of configurations that are not in the table."""
        points = unit_points(self.space, configurations)
        scores = np.stack([function.at(points) for function in self._functions], axis=1)
        keys = [(self.seed, zlib.crc32(point.tobytes())) for point in points]
        chances = np.array([np.random.default_rng(key).random() for key in keys])
        return self._surrogate.noisy(scores, chances)


class Validation(NamedTuple):
    """How well curves are foretold that a surrogate was not fitted to, after some epoch."""

    epoch: int
    mae: float
    mae_of_mean: float
    """of foretelling the mean of the others"""
    rank_correlation: float


def cross_validate(table: CurveTable, epochs: Sequence[int]) -> list[Validation]:
    """Fit a surrogate to seven eighths of a table and foretell the rest, eight times."""
    points, curves = points_of(table), table.curves
    order = np.random.default_rng(0).permutation(len(points))
    foretold, means = np.empty_like(curves), np.empty_like(curves)
    for fold in range(FOLDS):
        held = order[fold::FOLDS]
        others = np.setdiff1d(order, held)
        surrogate = Surrogate(table.header.space, points[others], curves[others])
        foretold[held] = surrogate.expected(points[held])
        means[held] = curves[others].mean(axis=0)
    return [
        Validation(
            epoch,
            float(np.abs(foretold - curves)[:, epoch - 1].mean()),
            float(np.abs(means - curves)[:, epoch - 1].mean()),
            _rank_correlation(foretold[:, epoch - 1], curves[:, epoch - 1]),
        )
        for epoch in epochs
    ]


def points_of(table: CurveTable) -> Floats:
    """Return the configurations of a table in the unit cube."""
    return unit_points(table.header.space, [trial.params for trial in table.trials])


def unit_points(space: Space, configurations: Sequence[Mapping[str, Value]]) -> Floats:
    """Return configurations [configurations, parameters] in the unit cube of the space."""
    columns = []
    for name, distribution in space.distributions().items():
        if not isinstance(distribution, FloatDistribution | IntDistribution):
            raise TypeError(f"{name} is no number: the surrogate knows nothing else")
        ends = [distribution.low, distribution.high]
        values = np.array([*ends, *(params[name] for params in configurations)], dtype=np.float64)
        low, high, *inside = np.log(values) if distribution.log else values
        columns.append((np.array(inside) - low) / (high - low))
    return np.stack(columns, axis=1)


def _rank_correlation(first: Floats, second: Floats) -> float:
    first_ranks, second_ranks = (values.argsort().argsort() for values in (first, second))
    correlations: Floats = np.corrcoef(first_ranks, second_ranks)
    return float(correlations[0, 1])
