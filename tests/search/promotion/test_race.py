"""The race: who is trained next, who drops out and why, and who wins."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from dlf.command import WorkFailedError
from search.promotion.race import LOSERS_FILE, Race
from search.trial.plan import Wait
from search.trial.seeds import final_seed, race_seed
from tests.support.epoch_records import epoch_record
from tests.support.seeded_trainings import (
    LABELS,
    MadeUpTrainings,
    all_plans,
    ended_training,
    entrant,
    failed,
)
from tracking.records import Outcome, TrialState

GOOD, BAD, PAPER = entrant(4), entrant(2), entrant(0)
SEEDS = 4
FIRST_OF_BAD, FIRST_OF_PAPER = SEEDS, 2 * SEEDS
"""the numbers of their first trainings; the good one's is 0"""


@pytest.fixture
def made_up(tmp_path: Path) -> MadeUpTrainings:
    return MadeUpTrainings(tmp_path)


def race_of(made_up: MadeUpTrainings) -> Race:
    return Race(
        [GOOD, BAD, PAPER], SEEDS, LABELS, kept=made_up.kept, checkpoints=made_up.checkpoints
    )


def numbers(race: Race) -> list[int]:
    return [plan.number for plan in all_plans(race)]


def stopped(race: Race, number: int) -> Outcome | None:
    """Return how a training is to end that reports an epoch now."""
    return race.report(number, epoch_record(1, 0.7, 0.7))


def ended_by(made_up: MadeUpTrainings, race: Race, maes: Mapping[int, float]) -> None:
    for number, mae in maes.items():
        made_up.finish(race, number, mae)


def drop_the_bad_one(made_up: MadeUpTrainings, race: Race) -> None:
    """End the first two seeds of all, with the further ones of the bad one under way."""
    assert numbers(race) == [8, 9, 10, 11, 0, 4, 1, 5]
    ended_by(made_up, race, {4: 0.95, 5: 0.96})
    assert numbers(race) == [FIRST_OF_BAD + 2, FIRST_OF_BAD + 3]
    ended_by(made_up, race, {8: 0.72, 0: 0.7})
    assert race.losers == {}, "nobody else has two seeds"
    ended_by(made_up, race, {1: 0.71})


class TestOrder:
    def test_the_papers_first_then_two_seeds_each_then_further_ones(
        self, made_up: MadeUpTrainings
    ) -> None:
        race = race_of(made_up)
        plans = all_plans(race)
        assert [(race.place_of(plan.number)[0].number, *plan.seeds) for plan in plans] == [
            *((0, race_seed(index)) for index in range(SEEDS)),
            (4, race_seed(0)),
            (2, race_seed(0)),
            (4, race_seed(1)),
            (2, race_seed(1)),
        ]
        assert plans[0].name == "trial 0 (paper), seed 0"
        ended_by(made_up, race, {0: 0.7})
        assert isinstance(race.next_trial(), Wait), "one seed tells nothing yet"
        ended_by(made_up, race, {1: 0.7})
        assert numbers(race) == [2, 3]
        ended_by(made_up, race, {4: 0.7, 5: 0.7})
        assert numbers(race) == [6, 7]

    def test_there_is_something_to_wait_for_until_the_last_training_has_ended(
        self, made_up: MadeUpTrainings
    ) -> None:
        race = race_of(made_up)
        maes = {4: 0.7, 2: 0.7001, 0: 0.7002}
        left = numbers(race)
        while left:
            assert isinstance(race.next_trial(), Wait)
            number = left.pop(0)
            made_up.finish(race, number, maes[race.place_of(number)[0].number])
            left += numbers(race)
        assert race.next_trial() is None
        assert race.ended.keys() == set(range(race.total))


class TestLosers:
    def test_a_clearly_worse_one_gets_no_further_seed(self, made_up: MadeUpTrainings) -> None:
        race = race_of(made_up)
        numbers(race)
        ended_by(made_up, race, {8: 0.72, 9: 0.73, 0: 0.7, 1: 0.71, 4: 0.95, 5: 0.96})
        (loser,) = race.losers.values()
        assert (loser.number, loser.leader, loser.comparison.seeds) == (2, 4, 2)
        assert loser.comparison.difference == pytest.approx(0.25, abs=0.01)
        assert numbers(race) == [2, 3]
        ended_by(made_up, race, {2: 0.7, 3: 0.7, 10: 0.72, 11: 0.72})
        assert race.next_trial() is None
        assert [each.number for each in race.finishers] == [4, 0]
        assert race.candidate == GOOD

    def test_its_running_trainings_are_stopped_with_the_evidence(
        self, made_up: MadeUpTrainings
    ) -> None:
        race = race_of(made_up)
        drop_the_bad_one(made_up, race)
        evidence = race.losers[2].evidence
        assert "worse than trial 4 on 2 seeds" in evidence
        running = FIRST_OF_BAD + 2
        assert stopped(race, running) == Outcome(state=TrialState.PRUNED, reason=evidence)
        assert stopped(race, 10) is None
        race.end(running, Outcome(state=TrialState.PRUNED, reason=evidence))
        assert made_up.kept.read()[running].outcome.reason == evidence

    def test_the_evidence_outlives_the_process(self, made_up: MadeUpTrainings) -> None:
        first = race_of(made_up)
        drop_the_bad_one(made_up, first)
        second = race_of(made_up)
        assert second.losers == first.losers
        assert numbers(second) == [9, 10, 11, 2, 3]

    def test_what_an_earlier_process_has_begun_of_it_is_ended(
        self, made_up: MadeUpTrainings
    ) -> None:
        drop_the_bad_one(made_up, race_of(made_up))
        begun = FIRST_OF_BAD + 2
        made_up.leave(begun, race_seed(2), 0.9)
        second = race_of(made_up)
        plans = {plan.number: plan for plan in all_plans(second)}
        assert list(plans) == [9, 10, 11, 2, 3, begun]
        assert plans[begun].begun
        out = stopped(second, begun)
        assert out == Outcome(state=TrialState.PRUNED, reason=second.losers[2].evidence)
        second.end(begun, out)
        assert begun not in second.under_way

    @pytest.mark.parametrize("damage", [b"", b"{}", b"\xff\x00"])
    def test_evidence_that_is_damaged_is_found_again(
        self, made_up: MadeUpTrainings, damage: bytes
    ) -> None:
        first = race_of(made_up)
        drop_the_bad_one(made_up, first)
        file = made_up.kept.folder / LOSERS_FILE
        whole = file.read_bytes()
        file.write_bytes(damage)
        assert race_of(made_up).losers == first.losers
        assert file.read_bytes() == whole

    def test_evidence_that_cannot_be_written_ends_the_work(self, made_up: MadeUpTrainings) -> None:
        race = race_of(made_up)
        (made_up.kept.folder / LOSERS_FILE / "a folder in its place").mkdir(parents=True)
        with pytest.raises(WorkFailedError, match=f"{LOSERS_FILE} cannot be written"):
            drop_the_bad_one(made_up, race)

    def test_one_that_was_trained_on_every_seed_may_be_out(self, made_up: MadeUpTrainings) -> None:
        race = race_of(made_up)
        numbers(race)
        ended_by(made_up, race, {4: 0.95, 5: 0.96})
        numbers(race)
        ended_by(made_up, race, {6: 0.95, 7: 0.95, 8: 0.7, 9: 0.7, 10: 0.7, 11: 0.7})
        assert len(race.trainings_of(BAD)) == SEEDS
        assert race.finishers == [PAPER]

    def test_the_papers_is_never_dropped_however_bad_it_is(self, made_up: MadeUpTrainings) -> None:
        race = race_of(made_up)
        numbers(race)
        ended_by(made_up, race, {0: 0.7, 1: 0.7, 4: 0.7, 5: 0.7, 8: 1.5, 9: 1.5})
        assert race.losers == {}
        assert stopped(race, 10) is None
        ended_by(made_up, race, {10: 1.5, 11: 1.5})
        assert race.losers == {}
        assert race.paper in race.finishers

    def test_the_papers_may_lead(self, made_up: MadeUpTrainings) -> None:
        race = race_of(made_up)
        numbers(race)
        ended_by(made_up, race, {0: 0.9, 1: 0.9, 4: 0.9, 5: 0.9, 8: 0.5, 9: 0.5})
        assert race.losers.keys() == {2, 4}
        ended_by(made_up, race, {10: 0.5, 11: 0.5})
        assert race.next_trial() is None
        assert race.candidate == race.paper == PAPER


class TestFailures:
    def test_a_finalist_that_fails_is_out_and_the_others_go_on(
        self, made_up: MadeUpTrainings
    ) -> None:
        race = race_of(made_up)
        numbers(race)
        race.end(FIRST_OF_BAD, failed("loss/total is nan"))
        reason = "the finalist failed on another seed"
        assert stopped(race, FIRST_OF_BAD + 1) == Outcome(state=TrialState.PRUNED, reason=reason)
        ended_by(made_up, race, {FIRST_OF_BAD + 1: 0.1, 0: 0.7, 1: 0.7})
        assert numbers(race) == [2, 3]
        ended_by(made_up, race, {2: 0.7, 3: 0.7, 8: 0.8, 9: 0.8, 10: 0.8, 11: 0.8})
        assert race.next_trial() is None
        assert race.paper_failed is None
        assert race.candidate == GOOD

    def test_one_that_failed_stays_out_for_the_next_process(self, made_up: MadeUpTrainings) -> None:
        race = race_of(made_up)
        numbers(race)
        race.end(FIRST_OF_BAD, failed("the machine went away"))
        second = race_of(made_up)
        assert second.failures == race.failures
        assert not {FIRST_OF_BAD, FIRST_OF_BAD + 1} & set(numbers(second))

    def test_the_papers_is_tried_again_by_the_next_process(self, made_up: MadeUpTrainings) -> None:
        race = race_of(made_up)
        first = numbers(race)[0]
        race.end(first, failed("the machine went away"))
        assert race.paper_failed is not None
        second = race_of(made_up)
        assert second.paper_failed is None
        assert first in numbers(second)

    def test_a_failure_of_a_final_is_none_of_the_race(self, made_up: MadeUpTrainings) -> None:
        lost = ended_training(12, final_seed(0), 0.7, entrant=4)
        made_up.kept.keep(lost.model_copy(update={"outcome": failed("it hung")}))
        assert race_of(made_up).failures == {}

    def test_the_papers_failure_ends_the_race(self, made_up: MadeUpTrainings) -> None:
        race = race_of(made_up)
        numbers(race)
        ended_by(made_up, race, {0: 0.7, 1: 0.7})
        race.end(FIRST_OF_PAPER + 1, failed("loss/total is nan"))
        assert race.paper_failed == "seed 1: loss/total is nan"
        out = Outcome(state=TrialState.PRUNED, reason="the paper's configuration failed")
        for number in (4, 5, 8, 10, 11):
            assert isinstance(race.next_trial(), Wait)
            assert stopped(race, number) == out
            race.end(number, out)
        assert race.next_trial() is None


class TestCandidate:
    def test_has_the_lowest_mean_not_the_lowest_value(self, made_up: MadeUpTrainings) -> None:
        race = race_of(made_up)
        numbers(race)
        ended_by(made_up, race, dict(zip((8, 9, 10, 11), (0.8, 0.81, 0.79, 0.8), strict=True)))
        ended_by(made_up, race, {0: 0.5, 1: 1.15})
        numbers(race)
        ended_by(made_up, race, {2: 1.0, 3: 0.7})
        assert race.mean_mae(GOOD) == pytest.approx(0.8375)
        assert race.losers == {}
        assert race.candidate == PAPER

    def test_has_all_seeds(self, made_up: MadeUpTrainings) -> None:
        race = race_of(made_up)
        numbers(race)
        ended_by(made_up, race, {8: 0.75, 9: 0.75, 10: 0.75, 11: 0.75, 4: 0.7, 5: 0.71})
        assert race.finishers == [PAPER]
        assert race.candidate == PAPER
