"""Whether a promotion keeps the paper's configuration, and on what evidence."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from search.promotion.finals import Finals
from search.promotion.race import Race
from search.seeded.comparison import FEWEST_SEEDS, Comparison, clearly_beats, compare
from search.seeded.seeded_trainings import Entrant, SeededTrainings
from search.study.identity import PAPER_TRIAL


class Decision(NamedTuple):
    """Who goes on, and why."""

    candidate: Entrant
    """the lowest mean validation MAE in the race"""
    kept: Entrant
    """the candidate, or the paper's configuration"""
    evidence: Comparison | None
    """the candidate against the paper's configuration; none where it is that"""

    @property
    def clearly_beaten(self) -> bool:
        """Whether the paper's configuration is."""
        return self.evidence is not None and clearly_beats(self.evidence)


def decide(race: Race, finals: Finals, *, allow_tie: bool, labels: NDArray[np.float32]) -> Decision:
    """Decide between the race's candidate and the paper's configuration, on validation.

    The candidate was chosen by its seeds in the race, which therefore flatter it: the further seeds
    of the final trainings decide. A refit has nothing held out, and the race has to do.

    Args:
        race: which is over.
        finals: the final trainings of both; they are over.
        allow_tie: whether the candidate is kept without being clearly better, if it is not
            clearly worse.
        labels: of the validation clips, [N].
    """
    candidate, paper = race.candidate, race.paper
    if candidate.number == PAPER_TRIAL:
        return Decision(candidate, paper, None)
    evidence = against(candidate, paper, finals, labels) or against(candidate, paper, race, labels)
    if evidence is None:
        return Decision(candidate, paper, None)
    tie = allow_tie and not evidence.clearly_worse
    kept = candidate if clearly_beats(evidence) or tie else paper
    return Decision(candidate, kept, evidence)


def against(
    first: Entrant, second: Entrant, trainings: SeededTrainings, labels: NDArray[np.float32]
) -> Comparison | None:
    """Compare two entrants on the seeds that both have; none where nothing was held out.

    Those of a final may be refits, which only their number tells from those of the race.
    """
    entrants = {entrant.number: entrant for entrant in trainings.entrants}
    of_first = trainings.trainings_of(entrants[first.number])
    of_second = trainings.trainings_of(entrants[second.number])
    shared = sorted(of_first.keys() & of_second.keys())
    pairs = [(of_first[seed], of_second[seed]) for seed in shared]
    enough = len(pairs) >= FEWEST_SEEDS
    if not enough or not all(one.predictions and other.predictions for one, other in pairs):
        return None
    return compare(
        np.stack([one.errors(labels) for one, _ in pairs]),
        np.stack([other.errors(labels) for _, other in pairs]),
    )
