"""The finalists of a promotion, and their trials: each of them on every fresh seed."""

from collections.abc import Mapping, Sequence
from statistics import fmean

import optuna
from pydantic import BaseModel, ConfigDict

from dlf.command import BadInputError, WorkFailedError
from dlf.config import Config, Value
from dlf.training import EpochRecord
from search.identity import PAPER_TRIAL, StudyIdentity
from search.seeds import promotion_seed
from search.study_records import finished_trials, trial_name
from search.trials import TrialPlan, TrialSource
from tracking.records import Outcome, TrialState


class Finalist(BaseModel):
    """A configuration of the search that is tried again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    """of its trial in the search"""
    params: Mapping[str, Value]
    config: Config


def choose_finalists(study: optuna.Study, identity: StudyIdentity, top: int) -> list[Finalist]:
    """Return the best trials of a study, and the paper's configuration in any case.

    Raises:
        BadInputError: when no trial of the study is complete.
    """
    ranked = finished_trials(study)
    if not ranked:
        raise BadInputError(f"the study {study.study_name!r} has no complete trial to promote")
    chosen = [
        Finalist(
            number=trial.number,
            params=identity.shown_params(trial.number, trial.params),
            config=identity.config_of(trial.number, trial.params),
        )
        for trial in ranked[:top]
    ]
    if all(finalist.number != PAPER_TRIAL for finalist in chosen):
        params = identity.shown_params(PAPER_TRIAL, {})
        chosen.append(Finalist(number=PAPER_TRIAL, params=params, config=identity.paper))
    return chosen


class FinalistTrials(TrialSource):
    """Hands out each finalist with each seed, and keeps the last record of every training."""

    def __init__(self, finalists: Sequence[Finalist], seeds: int) -> None:
        self.records: dict[int, EpochRecord] = {}
        self.failures: dict[int, str] = {}
        self.finalists = finalists
        self.total = len(finalists) * seeds
        self._seeds = seeds
        self._plans = iter(
            TrialPlan(
                number=position * seeds + index,
                name=f"{trial_name(finalist.number)}, seed {index}",
                params=finalist.params,
                config=finalist.config,
                seeds=[promotion_seed(index)],
            )
            for position, finalist in enumerate(finalists)
            for index in range(seeds)
        )

    def next_trial(self) -> TrialPlan | None:
        """Return the next finalist and seed."""
        return next(self._plans, None)

    def report(self, number: int, record: EpochRecord) -> None:
        """Keep the record; finalists are never stopped."""
        self.records[number] = record

    def end(self, number: int, outcome: Outcome) -> Sequence[int]:
        """Keep the reason of a failure."""
        if outcome.state is TrialState.FAILED:
            self.failures[number] = outcome.reason or "no reason was given"
        return ()

    def note(self, number: int, text: str) -> None:
        """Keep nothing: a promotion that lacks something says so itself."""

    def numbers_of(self, finalist: Finalist) -> list[int]:
        """Return the numbers of a finalist's trainings, in the order of the seeds."""
        first = self.finalists.index(finalist) * self._seeds
        return list(range(first, first + self._seeds))

    def valid_mae(self, finalist: Finalist) -> list[float]:
        """Return a finalist's validation MAE on each seed."""
        return [self.records[number].best_mae for number in self.numbers_of(finalist)]

    def refuse_failures(self) -> None:
        """Raise `WorkFailedError` when a training failed: then finalists cannot be compared."""
        if self.failures:
            number, reason = min(self.failures.items())
            raise WorkFailedError(
                f"{len(self.failures)} trainings failed, the first of them number {number}: "
                f"{reason}; the test split was not opened"
            )

    def winner(self) -> Finalist:
        """Return the finalist with the lowest mean validation MAE."""
        return min(self.finalists, key=lambda finalist: fmean(self.valid_mae(finalist)))
