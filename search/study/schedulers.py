"""When trials are stopped early: the rules that a search offers, as Optuna's pruners."""

import math
from typing import Literal, Self, get_args

from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    SuccessiveHalvingPruner,
)
from pydantic import BaseModel, ConfigDict, model_validator

from dlf.command import BadInputError

SchedulerName = Literal["asha", "hyperband", "median", "none"]

SCHEDULERS: tuple[SchedulerName, ...] = get_args(SchedulerName)
"""the first is the default"""

HALVING: tuple[SchedulerName, ...] = ("asha", "hyperband")
"""those with rungs, at each of which one trial in `reduction` goes on"""

MEDIAN_TRIALS = 5
"""complete trials that came as far as the epoch in question; of fewer there is no median"""


class Stopping(BaseModel):
    """A rule that stops trials, by the best validation MAE that they report epoch by epoch.

    Epochs count from 1, and a trial is judged after `grace_epochs` at the earliest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheduler: SchedulerName = SCHEDULERS[0]
    grace_epochs: int = 3
    """the model leaves the median only after some epochs"""
    reduction: int = 3
    """one trial in so many goes on at each rung of ASHA and Hyperband"""

    @model_validator(mode="after")
    def _stops_some(self) -> Self:
        if self.grace_epochs < 1:
            raise BadInputError(f"--grace-epochs is 1 at least, not {self.grace_epochs}")
        if self.reduction < 2:
            raise BadInputError(
                f"--reduction is 2 at least, not {self.reduction}: one trial in so many goes on"
            )
        return self

    def pruner(self, max_epochs: int) -> BasePruner:
        """Return the rule for trials of at most `max_epochs`; its memory is the study itself."""
        match self.scheduler:
            case "asha":
                return SuccessiveHalvingPruner(
                    min_resource=self.grace_epochs, reduction_factor=self.reduction
                )
            case "hyperband":
                return HyperbandPruner(
                    min_resource=self.grace_epochs,
                    max_resource=max_epochs,
                    reduction_factor=self.reduction,
                )
            case "median":
                # so many at the epoch itself are so many in all, which Optuna could ask for as well
                return MedianPruner(
                    n_startup_trials=0,
                    n_warmup_steps=self.grace_epochs,
                    n_min_trials=MEDIAN_TRIALS,
                )
            case "none":
                return NopPruner()

    def can_stop(self, max_epochs: int) -> bool:
        """Return whether the rule ever spares a trial an epoch: a stop at the last one does not."""
        return self.scheduler != "none" and self.grace_epochs < max_epochs

    def describe(self, max_epochs: int) -> str:
        """Return the rule in one sentence."""
        grace, go_on = self.grace_epochs, f"one in {self.reduction} goes on at each"
        if self.scheduler == "none":
            return "no trial is stopped early"
        if not self.can_stop(max_epochs):
            return (
                f"no trial is stopped early: {self.scheduler} judges none before epoch {grace}, "
                f"and the last is {max_epochs}"
            )
        rungs = _listed(self._rungs(grace, max_epochs))
        match self.scheduler:
            case "asha":
                return f"trials are stopped by ASHA after {rungs}: {go_on}"
            case "hyperband":
                brackets = len(self._brackets(max_epochs))
                if brackets == 1:
                    return (
                        f"trials are stopped by Hyperband, here just ASHA, after {rungs}: {go_on}"
                    )
                return (
                    f"trials are stopped by Hyperband after {rungs}: {go_on}, and in {brackets} "
                    "brackets each begins one rung later than the one before"
                )
            case "median":
                return (
                    f"trials are stopped from epoch {grace} on when worse than the median of "
                    f"complete ones, once there are {MEDIAN_TRIALS}"
                )

    def expected_epochs(self, max_epochs: int) -> float:
        """Return the mean epochs of a trial when the rule stops as many as it means to.

        For the median rule that is half of the trials, when it first judges them.
        """
        if not self.can_stop(max_epochs):
            return max_epochs
        match self.scheduler:
            case "asha":
                return self._expected_from(self.grace_epochs, max_epochs)
            case "hyperband":
                brackets = self._brackets(max_epochs)
                spent = sum(
                    trials * self._expected_from(first, max_epochs) for first, trials in brackets
                )
                return spent / sum(trials for _, trials in brackets)
            case "median":
                return (self.grace_epochs + max_epochs) / 2
            case "none":
                return max_epochs

    def _rungs(self, first: int, max_epochs: int) -> list[int]:
        """Return the epochs after which trials are stopped: none at the last epoch."""
        rungs = []
        while first < max_epochs:
            rungs.append(first)
            first *= self.reduction
        return rungs

    def _expected_from(self, first: int, max_epochs: int) -> float:
        expected, share, before = 0.0, 1.0, 0
        for epoch in [*self._rungs(first, max_epochs), max_epochs]:
            expected += share * (epoch - before)
            share /= self.reduction
            before = epoch
        return expected

    def _brackets(self, max_epochs: int) -> list[tuple[int, int]]:
        """Return the first rung of each bracket and its part of the trials, as Optuna has them."""
        ratio = max_epochs / self.grace_epochs
        brackets = math.floor(math.log(ratio, self.reduction)) + 1
        return [
            (
                self.grace_epochs * self.reduction**bracket,
                math.ceil(
                    brackets * self.reduction ** (brackets - 1 - bracket) / (brackets - bracket)
                ),
            )
            for bracket in range(brackets)
        ]


def _listed(epochs: list[int]) -> str:
    if len(epochs) == 1:
        return f"epoch {epochs[0]}"
    return f"epochs {', '.join(map(str, epochs[:-1]))} and {epochs[-1]}"
