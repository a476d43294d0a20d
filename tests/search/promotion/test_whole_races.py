"""Whole races in the slots of a backend: who wins, however they run and whoever is killed."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from dlf.training.training import EpochRecord
from search.engine.ledger import TrialLedger
from search.promotion.race import Race
from search.trial.plan import TrialPlan
from tests.support.memory_recorder import MemoryRecorder
from tests.support.seeded_trainings import LABELS, MadeUpTrainings, entrant
from tests.support.simulation import EPOCHS, DriverKilledError, SimulatedBackend
from tracking.records import TrialState

SEEDS = 4
MAES = {4: 0.7, 3: 0.72, 2: 0.9, 1: 1.0, 0: 0.75}
ENTRANTS = [entrant(number) for number in (1, 3, 4, 2, 0)]


@pytest.fixture
def made_up(tmp_path: Path) -> MadeUpTrainings:
    return MadeUpTrainings(tmp_path)


class WholeRace:
    """A race that runs in the slots of a simulated backend, as it would on Tune."""

    def __init__(self, made_up: MadeUpTrainings) -> None:
        self._made_up = made_up
        self.recorder = MemoryRecorder()
        self.race = Race(
            ENTRANTS, SEEDS, LABELS, kept=made_up.kept, checkpoints=made_up.checkpoints
        )

    def run(
        self,
        slots: int,
        record_of_mae: Callable[..., EpochRecord],
        look: Callable[[TrialPlan, int], None] = lambda *_: None,
    ) -> None:
        def curve(plan: TrialPlan, epoch: int) -> float:
            look(plan, epoch)
            mae = MAES[self.race.place_of(plan.number)[0].number] + 0.01 * (EPOCHS - epoch)
            self._made_up.leave(plan.number, plan.seeds[0], mae, epoch)
            return mae

        ledger = TrialLedger(self.race, self.recorder)
        SimulatedBackend(ledger, curve, slots).run(record_of_mae)

    def trained(self) -> dict[int, int]:
        """How many trainings of each entrant came to their end."""
        return {each.number: len(self.race.trainings_of(each)) for each in ENTRANTS}


@pytest.mark.parametrize("slots", [1, 3, 4, 50])
def test_whole_races_end_with_the_same_candidate(
    made_up: MadeUpTrainings, record_of_mae: Callable[..., EpochRecord], slots: int
) -> None:
    whole = WholeRace(made_up)
    whole.run(slots, record_of_mae)
    race = whole.race
    assert race.next_trial() is None
    assert race.under_way == []
    assert race.candidate.number == 4
    assert {1, 2} <= race.losers.keys() <= {1, 2, 3}
    trained = whole.trained()
    assert (trained[4], trained[0]) == (SEEDS, SEEDS)
    assert sum(trained.values()) < race.total
    assert len(whole.recorder.ended) == len(whole.recorder.started)
    for number, outcome in whole.recorder.ended.items():
        whose, _ = race.place_of(number)
        if outcome.state is TrialState.PRUNED:
            assert outcome.reason == race.losers[whose.number].evidence
        else:
            assert outcome.state is TrialState.COMPLETE


def test_one_slot_trains_no_loser_further(
    made_up: MadeUpTrainings, record_of_mae: Callable[..., EpochRecord]
) -> None:
    whole = WholeRace(made_up)
    whole.run(1, record_of_mae)
    assert whole.trained()[1] == whole.trained()[2] == 2
    begun = Counter(whole.race.place_of(trial.number)[0].number for trial in whole.recorder.started)
    assert begun[1] == begun[2] == 2


@pytest.mark.parametrize("after", [3, 9, 12])
def test_a_race_that_was_killed_trains_nothing_twice(
    made_up: MadeUpTrainings, record_of_mae: Callable[..., EpochRecord], after: int
) -> None:
    first = WholeRace(made_up)

    def kill(plan: TrialPlan, epoch: int) -> None:
        if len(first.race.ended) == after:
            raise DriverKilledError

    with pytest.raises(DriverKilledError):
        first.run(2, record_of_mae, kill)
    second = WholeRace(made_up)
    second.run(2, record_of_mae)
    assert len(second.race.ended_before) == after
    started = {trial.number for trial in second.recorder.started}
    assert not started & second.race.ended_before.keys()
    assert second.race.candidate.number == 4
