"""Where a study lies, what makes it this study, and what is refused."""

from itertools import pairwise
from pathlib import Path

import optuna
import pytest

from dlf.command import MAX_SEED, BadInputError
from search.study.open_study import SearchSettings, StudyPlace
from search.trial.seeds import ablation_seed, final_seed, race_seed, search_seed
from tests.support.simulation import SimulatedSearch


@pytest.mark.parametrize("storage", [None, "sqlite"])
def test_a_study_is_found_again(
    simulated: SimulatedSearch, tmp_path: Path, storage: str | None
) -> None:
    url = None if storage is None else f"sqlite:///{tmp_path}/study.db"
    place = StudyPlace("again", tmp_path / "runs", url)
    place.refuse_if_taken()
    place.create(simulated.identity, SearchSettings(trials=3, seed=0)).study.ask()
    opened = StudyPlace("again", tmp_path / "runs", url).load()
    assert opened.identity == simulated.identity
    assert opened.settings == SearchSettings(trials=3, seed=0)
    assert len(opened.study.trials) == 1
    with pytest.raises(BadInputError, match="already"):
        place.refuse_if_taken()


def test_a_study_that_is_not_there_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no study 'mosi-1'"):
        StudyPlace("mosi-1", tmp_path / "runs", None).load()
    assert not (tmp_path / "runs").exists()


def test_a_study_of_somebody_else_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    optuna.create_study(storage=url, study_name="other")
    with pytest.raises(BadInputError, match="not made by this search"):
        StudyPlace("other", tmp_path, url).load()


@pytest.mark.parametrize("name", ["", "a b", "../up", ".hidden", "a/b"])
def test_a_name_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInputError, match="letters, digits"):
        StudyPlace(name, tmp_path, None)


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////nowhere/at/all.db", "oracle9://x"])
def test_a_storage_that_cannot_be_opened_is_refused_in_one_line(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadInputError, match="--storage") as refusal:
        StudyPlace("a", tmp_path, url).refuse_if_taken()
    assert len(str(refusal.value).splitlines()) == 1


def test_the_digest_names_all_that_must_be_the_same(simulated: SimulatedSearch) -> None:
    identity = simulated.identity
    others = [
        identity.model_copy(update={"max_epochs": 8}),
        identity.model_copy(update={"dataset_digest": "1" * 64}),
        identity.model_copy(update={"base": identity.base.with_values({"width": 40})}),
    ]
    assert len({identity.digest, *(other.digest for other in others)}) == 4
    assert identity.model_copy().digest == identity.digest


def test_seeds_of_searches_races_finals_and_ablations_never_meet() -> None:
    searched = {search_seed(base, trial) for base in range(50) for trial in range(500)}
    assert len(searched) == 50 * 500
    bases = (0, 1, 999, MAX_SEED)
    searched |= {search_seed(b, t, r) for b in bases for t in range(100) for r in range(10)}
    kinds = [list(searched)]
    kinds += [[of(i) for i in range(1000)] for of in (race_seed, final_seed, ablation_seed)]
    for seeds in kinds[1:]:
        assert len(set(seeds)) == 1000
    for lower, higher in pairwise(kinds):
        assert max(lower) < min(higher)
    assert min(searched) >= 0
    assert max(kinds[-1]) <= MAX_SEED
