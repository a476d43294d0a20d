"""The paper's configuration is kept unless further seeds say clearly that it is beaten."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from dlf.text.source import TextSource
from search.promotion.decision import Decision, against, decide
from search.promotion.finals import Finals
from search.promotion.race import Race
from search.seeded.comparison import CLEARLY_BEATS, compare
from search.seeded.seeded_trainings import Entrant
from search.trial.data import TrialData
from tests.support.seeded_trainings import (
    LABELS,
    MadeUpTrainings,
    ended_training,
    entrant,
    predictions,
)

BEST, OTHER, PAPER = entrant(4), entrant(2), entrant(0)

Maes = Mapping[int, Sequence[float | None]]
"""by entrant and seed; none where a training has not ended"""


class Trained(NamedTuple):
    race: Race
    finals: Finals

    def decide(self, *, allow_tie: bool = False) -> Decision:
        return decide(self.race, self.finals, allow_tie=allow_tie, labels=LABELS)


@pytest.fixture
def made_up(tmp_path: Path) -> MadeUpTrainings:
    return MadeUpTrainings(tmp_path)


def trained(made_up: MadeUpTrainings, race: Maes, final: Maes, *, refit: bool = False) -> Trained:
    """Return a race and a final that have ended before, of the entrants that are given."""
    rates = (1e-3,) if refit else ()
    finalists = {each.number: each for each in (BEST, OTHER, PAPER)}
    kept, checkpoints = made_up.kept, made_up.checkpoints

    def of_race() -> Race:
        chosen = [finalists[number] for number in race]
        return Race(chosen, len(race[0]), LABELS, kept=kept, checkpoints=checkpoints)

    def of_finals() -> Finals:
        return Finals(
            [entrant(number, max_epochs=1, rates=rates) for number in final],
            len(final[0]),
            TrialData(
                dataset="synthetic",
                dataset_digest="0" * 64,
                data_dir=kept.folder,
                text=TextSource(way="precomputed"),
            ),
            kept.folder.parent,
            kept=kept,
            checkpoints=checkpoints,
            first_number=len(race) * len(race[0]),
        )

    for source, maes in ((of_race(), race), (of_finals(), final)):
        for each in source.entrants:
            for index, mae in enumerate(maes[each.number]):
                if mae is not None:
                    number = source.number_of(each, index)
                    has_none = refit and isinstance(source, Finals)
                    seed = source.seeds[index]
                    kept.keep(
                        ended_training(number, seed, mae, entrant=each.number, refit=has_none)
                    )
    return Trained(of_race(), of_finals())


RACE = {4: [0.7, 0.71, 0.7], 2: [0.72, 0.75, 0.7], 0: [0.8, 0.81, 0.8]}


def test_what_is_clearly_better_on_further_seeds_is_kept(made_up: MadeUpTrainings) -> None:
    done = trained(made_up, RACE, {0: [0.9, 0.91, 0.9], 4: [0.8, 0.82, 0.79]})
    decision = done.decide()
    assert decision.candidate == decision.kept == BEST
    assert decision.clearly_beaten
    assert decision.evidence is not None
    assert decision.evidence.seeds == 3
    assert decision.evidence.difference == pytest.approx(-0.1, abs=0.01)
    assert decision == done.decide(allow_tie=True)


UNCLEAR = {0: [0.8, 0.9, 0.85], 4: [0.84, 0.84, 0.86]}


def test_the_race_flatters_its_candidate_so_further_seeds_decide(made_up: MadeUpTrainings) -> None:
    done = trained(made_up, RACE, UNCLEAR)
    of_race = against(BEST, PAPER, done.race, LABELS)
    assert of_race is not None
    assert of_race.probability > 0.999, "by the race it would be"
    decision = done.decide()
    assert (decision.candidate, decision.kept) == (BEST, PAPER)
    assert not decision.clearly_beaten
    assert decision.evidence == against(BEST, PAPER, done.finals, LABELS) != of_race


def test_a_tie_can_be_allowed_and_is_told_as_one(made_up: MadeUpTrainings) -> None:
    decision = trained(made_up, RACE, UNCLEAR).decide(allow_tie=True)
    assert (decision.candidate, decision.kept) == (BEST, BEST)
    assert not decision.clearly_beaten


def test_what_is_clearly_worse_on_further_seeds_is_no_tie(made_up: MadeUpTrainings) -> None:
    done = trained(made_up, RACE, {0: [0.8, 0.81, 0.8], 4: [0.9, 0.91, 0.9]})
    decision = done.decide(allow_tie=True)
    assert (decision.candidate, decision.kept) == (BEST, PAPER)
    assert decision.evidence is not None
    assert decision.evidence.clearly_worse
    assert not decision.clearly_beaten


def test_it_takes_more_than_the_interval_to_replace_the_papers(made_up: MadeUpTrainings) -> None:
    done = trained(made_up, RACE, {0: [0.8, 0.8, 0.8], 4: [0.76, 0.78, 0.755]})
    decision = done.decide()
    assert decision.evidence is not None
    assert decision.evidence.clearly_better
    assert decision.evidence.probability < CLEARLY_BEATS
    assert (decision.candidate, decision.kept) == (BEST, PAPER)
    assert not decision.clearly_beaten


def test_the_papers_may_be_the_candidate_itself(made_up: MadeUpTrainings) -> None:
    race = {4: [0.9, 0.9, 0.9], 0: [0.7, 0.7, 0.7]}
    for allow_tie in (False, True):
        decision = trained(made_up, race, {0: [0.7, 0.7, 0.7]}).decide(allow_tie=allow_tie)
        assert (decision.candidate, decision.kept) == (PAPER, PAPER)
        assert decision.evidence is None
        assert not decision.clearly_beaten


def test_after_a_refit_the_race_has_to_do(made_up: MadeUpTrainings) -> None:
    done = trained(made_up, RACE, {0: [0.9] * 3, 4: [0.1] * 3}, refit=True)
    assert against(BEST, PAPER, done.finals, LABELS) is None
    decision = done.decide()
    assert decision.evidence == against(BEST, PAPER, done.race, LABELS)
    assert decision.evidence is not None
    assert decision.evidence.difference == pytest.approx(-0.1, abs=0.01)
    assert decision.kept == BEST
    assert decision.kept.learning_rates == (), "it is the finalist, as it was in the race"


def test_pairs_are_of_the_same_seed(made_up: MadeUpTrainings) -> None:
    race: Maes = {4: [0.70, 0.50, 0.90, 0.80], 0: [0.75, None, 0.95, 0.85]}
    done = trained(made_up, race, {0: [0.7, 0.7], 4: [0.7, 0.7]})

    def errors(who: Entrant) -> NDArray[np.float32]:
        found = [
            predictions(done.race.number_of(who, i), done.race.seeds[i], race[who.number][i] or 0)
            for i in (0, 2, 3)
        ]
        of_seeds: NDArray[np.float32] = np.abs(np.stack(found) - LABELS)
        return of_seeds

    found = against(BEST, PAPER, done.race, LABELS)
    assert found == compare(errors(BEST), errors(PAPER))
    assert found is not None
    assert found.seeds == 3
    assert found.difference == pytest.approx(-0.05, abs=0.005)
    other_way = against(PAPER, BEST, done.race, LABELS)
    assert other_way is not None
    assert other_way.difference == -found.difference


def test_two_pairs_are_evidence(made_up: MadeUpTrainings) -> None:
    race: Maes = {4: [0.7, 0.7, None], 0: [0.8, 0.8, 0.8]}
    found = against(BEST, PAPER, trained(made_up, race, {0: [0.7]}).race, LABELS)
    assert found is not None
    assert found.seeds == 2


def test_one_pair_is_no_evidence(made_up: MadeUpTrainings) -> None:
    race: Maes = {4: [0.7, 0.7, None], 0: [0.8, None, 0.8]}
    done = trained(made_up, race, {0: [0.7, 0.7], 4: [0.7, 0.7]})
    assert against(BEST, PAPER, done.race, LABELS) is None


def test_what_is_clearly_worse_is_no_tie(made_up: MadeUpTrainings) -> None:
    done = trained(made_up, RACE, {0: [0.7, 0.71, 0.7], 4: [0.9, 0.91, 0.9]})
    decision = done.decide(allow_tie=True)
    assert decision.evidence is not None
    assert decision.evidence.clearly_worse
    assert decision.kept == PAPER
