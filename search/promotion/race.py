"""The race of a promotion: finalists on fresh seeds, of which the clearly worse get no more.

Every finalist is trained on two seeds, and then on further ones as long as it is not clearly worse
than the leader (`search.promotion.racing`). The paper's configuration is never dropped.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from dlf.training.training import EpochRecord
from dlf.whole_file import write_or_fail
from search.promotion.racing import Loser, losers
from search.seeded.comparison import FEWEST_SEEDS
from search.seeded.ended_trainings import EndedTrainings
from search.seeded.seeded_trainings import Entrant, SeededTrainings
from search.study.identity import PAPER_TRIAL
from search.trial.checkpoints import Checkpoints
from search.trial.plan import TrialPlan, Wait
from search.trial.seeds import race_seed
from tracking.records import Outcome, TrialState

LOSERS_FILE = "losers.json"
_Losers = TypeAdapter(list[Loser])


class Race(SeededTrainings):
    """Hands out the seeds of the finalists that are still in the race."""

    def __init__(
        self,
        entrants: Sequence[Entrant],
        seeds: int,
        labels: NDArray[np.float32],
        *,
        kept: EndedTrainings,
        checkpoints: Checkpoints,
    ) -> None:
        """Begin the race, or go on with it; `labels` [N] are those of the validation clips."""
        super().__init__(
            entrants,
            [race_seed(index) for index in range(seeds)],
            kept=kept,
            checkpoints=checkpoints,
        )
        self._labels = labels
        self._file = kept.folder / LOSERS_FILE
        self.losers = {loser.number: loser for loser in _read(self._file)}
        """those that were dropped, by number, with the evidence"""
        for training in kept.read().values():
            # One that is out stays out, so that going on changes nothing; all hangs on the paper's.
            if training.outcome.state is TrialState.FAILED and training.seed in self.seeds:
                entrant, index = self.place_of(training.number)
                if entrant.number not in (PAPER_TRIAL, *self.failures):
                    reason = training.outcome.reason or "no reason was given"
                    self.failures[entrant.number] = f"seed {index}: {reason}"
        self._drop_losers()

    @property
    def paper(self) -> Entrant:
        """The paper's configuration."""
        return next(each for each in self.entrants if each.number == PAPER_TRIAL)

    @property
    def paper_failed(self) -> str | None:
        """Why the paper's configuration failed, if it did: nothing can be compared then."""
        return self.failures.get(PAPER_TRIAL)

    @property
    def finishers(self) -> list[Entrant]:
        """Those that were trained on every seed."""
        return [
            each
            for each in self.entrants
            if len(self.trainings_of(each)) == len(self.seeds) and each.number not in self.losers
        ]

    @property
    def candidate(self) -> Entrant:
        """The one with the lowest mean validation MAE over all seeds."""
        return min(self.finishers, key=self.mean_mae)

    def next_trial(self) -> TrialPlan | Wait | None:
        """Return the next training, or wait until it is known whether it is worth it.

        The paper's trainings, which nothing drops, come first: they are the longest. Last come
        those of finalists that are out, which an earlier process has left under way, to be ended.
        """
        for entrant in sorted(self._running(), key=self._turn):
            index = self._next_seed(entrant)
            if index is not None:
                return self.hand_out(entrant, index)
        for entrant in self.entrants:
            for index in range(len(self.seeds)):
                if self._is_left_behind(entrant, index):
                    return self.hand_out(entrant, index)
        return Wait() if self.under_way else None

    def report(self, number: int, record: EpochRecord) -> Outcome | None:
        """Keep the record; stop a training of a finalist that is out of the race."""
        super().report(number, record)
        reason = self._why_out(self.place_of(number)[0])
        return None if reason is None else Outcome(state=TrialState.PRUNED, reason=reason)

    def end(self, number: int, outcome: Outcome) -> Mapping[int, Outcome]:
        """Keep the result, and see who is clearly worse now."""
        ended = super().end(number, outcome)
        self._drop_losers()
        return ended

    def _running(self) -> list[Entrant]:
        return [each for each in self.entrants if self._why_out(each) is None]

    def _why_out(self, entrant: Entrant) -> str | None:
        if self.paper_failed is not None:
            return "the paper's configuration failed"
        if entrant.number in self.failures:
            return "the finalist failed on another seed"
        loser = self.losers.get(entrant.number)
        return None if loser is None else loser.evidence

    def _is_left_behind(self, entrant: Entrant, index: int) -> bool:
        out = self._why_out(entrant) is not None
        return out and self.was_begun(entrant, index) and not self.is_begun(entrant, index)

    def _turn(self, entrant: Entrant) -> tuple[bool, int]:
        begun = sum(self.is_begun(entrant, index) for index in range(len(self.seeds)))
        return entrant.number != PAPER_TRIAL, begun

    def _next_seed(self, entrant: Entrant) -> int | None:
        """Return the next seed of a finalist, none while its first ones have not ended."""
        left = [i for i in range(len(self.seeds)) if not self.is_begun(entrant, i)]
        if not left:
            return None
        known = len(self.trainings_of(entrant)) >= FEWEST_SEEDS
        may = entrant.number == PAPER_TRIAL or left[0] < FEWEST_SEEDS or known
        return left[0] if may else None

    def _drop_losers(self) -> None:
        errors = {
            entrant.number: {
                index: training.errors(self._labels)
                for index, training in self.trainings_of(entrant).items()
            }
            for entrant in self._running()
        }
        found = losers(errors, never={PAPER_TRIAL})
        if found:
            self.losers |= {loser.number: loser for loser in found}
            kept = _Losers.dump_json(list(self.losers.values()))
            write_or_fail(self._file, kept.decode())


def _read(file: Path) -> list[Loser]:
    try:
        return _Losers.validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return []
