"""Which trials are left to draw."""

from itertools import pairwise

from tests.support.report_studies import searched
from tracking.report.thinning import spread, thinned


def test_few_are_all_kept() -> None:
    trials = searched(30).trials
    assert thinned(trials, 30) == list(trials)


def test_the_best_and_the_papers_stay_and_the_others_are_evenly_spread() -> None:
    study = searched(300)
    kept = thinned(study.trials, 40)
    numbers = [trial.number for trial in kept]
    assert len(set(numbers)) == len(numbers) == 40
    assert numbers == sorted(numbers)
    assert {trial.number for trial in study.ranked[:19]} <= set(numbers)
    assert 0 in numbers
    pruned = [trial.number for trial in kept if trial.pruned]
    gaps = [after - before for before, after in pairwise(pruned)]
    assert max(gaps) < 60


def test_spreading_takes_from_begin_to_end() -> None:
    assert spread(range(10), 5) == [0, 2, 4, 6, 8]
    assert spread(range(3), 5) == [0, 1, 2]
