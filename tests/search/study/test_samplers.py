"""The samplers: reproducible, going on where they stopped, and quiet about it."""

import warnings
from pathlib import Path

import optuna
import pytest
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from search.study.samplers import SAMPLERS, SamplerName, make_sampler

KINDS: dict[SamplerName, type[BaseSampler]] = {
    "tpe": TPESampler,
    "random": RandomSampler,
    "qmc": QMCSampler,
    "gp": GPSampler,
}

Params = dict[str, float]


def open_study(storage: BaseStorage, sampler: BaseSampler) -> optuna.Study:
    return optuna.create_study(
        storage=storage, sampler=sampler, study_name="s", load_if_exists=True
    )


def run(study: optuna.Study, trials: int) -> list[Params]:
    params = []
    for _ in range(trials):
        trial = study.ask()
        x = trial.suggest_float("x", 0.01, 1, log=True)
        n = trial.suggest_int("n", 1, 50)
        kind = trial.suggest_categorical("kind", ["a", "b", "c"])
        study.tell(trial, x + n / 50 + (kind == "a"))
        params.append(trial.params)
    return params


def search(name: SamplerName, *, seed: int = 0, trials: int = 3, before: int = 0) -> list[Params]:
    sampler = make_sampler(name, seed=seed, trials_before=before, grouped=False)
    study = open_study(InMemoryStorage(), sampler)
    study.enqueue_trial({"x": 0.1, "n": 5, "kind": "a"})
    return run(study, trials + 1)[1:]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_name_makes_its_sampler(name: SamplerName) -> None:
    assert type(make_sampler(name, seed=0, trials_before=0, grouped=False)) is KINDS[name]


def test_tpe_is_the_default() -> None:
    assert SAMPLERS[0] == "tpe"


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_seed_decides(name: SamplerName) -> None:
    assert search(name) == search(name)
    assert search(name) != search(name, seed=1)


@pytest.mark.parametrize("name", ["tpe", "random", "gp"])
def test_a_search_that_goes_on_draws_what_it_did_not_draw_before(name: SamplerName) -> None:
    first = [params["x"] for params in search(name)]
    again = [params["x"] for params in search(name, before=4)]
    assert not set(first) & set(again)


@pytest.mark.parametrize("journal", [True, False])
def test_the_quasi_random_sequence_goes_on_where_it_stopped(tmp_path: Path, journal: bool) -> None:
    memory = InMemoryStorage()

    def storage() -> BaseStorage:
        if not journal:
            return memory
        return JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))

    def part(trials: int, before: int) -> list[Params]:
        sampler = make_sampler("qmc", seed=3, trials_before=before, grouped=False)
        study = open_study(storage(), sampler)
        if not before:
            study.enqueue_trial({"x": 0.1, "n": 5, "kind": "a"})
        return run(study, trials)

    pieces = part(4, 0) + part(3, 4) + part(2, 7)
    assert pieces[1:] == search("qmc", seed=3, trials=8)


def test_the_quasi_random_sequence_fills_the_space_evenly() -> None:
    drawn = search("qmc", trials=48)
    kinds = [params["kind"] for params in drawn]
    assert {kinds.count(kind) for kind in "abc"} <= {15, 16, 17}
    halves = sum(params["x"] < 0.1 for params in drawn)
    assert 22 <= halves <= 26


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("name", SAMPLERS)
def test_no_sampler_warns(
    name: SamplerName, grouped: bool, recwarn: pytest.WarningsRecorder
) -> None:
    sampler = make_sampler(name, seed=0, trials_before=0, grouped=grouped)
    study = open_study(InMemoryStorage(), sampler)
    run(study, 12)
    told = [warning for warning in recwarn if not issubclass(warning.category, ResourceWarning)]
    assert [str(warning.message) for warning in told] == []


def test_other_warnings_are_heard() -> None:
    filters = list(warnings.filters)
    make_sampler("qmc", seed=0, trials_before=0, grouped=True)
    assert list(warnings.filters) == filters


def conditional(study: optuna.Study, trials: int, best_decay: float) -> None:
    for _ in range(trials):
        trial = study.ask()
        value = 1.0
        if trial.suggest_categorical("optimizer", ["adam", "adamw"]) == "adamw":
            decay = trial.suggest_float("decay", 0, 1)
            rate = trial.suggest_float("rate", 0, 1)
            value = abs(decay - best_decay) + abs(rate - decay)
        study.tell(trial, value)


def test_grouped_tpe_models_together_what_comes_together() -> None:
    def modelled(grouped: bool) -> set[str]:
        sampler = make_sampler("tpe", seed=0, trials_before=0, grouped=grouped)
        study = open_study(InMemoryStorage(), sampler)
        conditional(study, 20, 0.8)
        return set(study.ask().relative_params)

    assert modelled(grouped=True) == {"optimizer", "decay", "rate"}
    assert modelled(grouped=False) == {"optimizer"}


def test_groups_keep_the_first_range_of_a_parameter() -> None:
    def highest(grouped: bool) -> float:
        sampler = make_sampler("tpe", seed=0, trials_before=0, grouped=grouped)
        study = open_study(InMemoryStorage(), sampler)
        for high in [1] * 20 + [10] * 20:
            trial = study.ask()
            study.tell(trial, -trial.suggest_float("x", 0, high))
        return max(trial.params["x"] for trial in study.trials)

    assert highest(grouped=True) <= 1
    assert highest(grouped=False) > 5


def test_tpe_comes_closer_than_chance() -> None:
    def best(name: SamplerName) -> float:
        sampler = make_sampler(name, seed=0, trials_before=0, grouped=False)
        study = open_study(InMemoryStorage(), sampler)
        for _ in range(60):
            trial = study.ask()
            xs = [trial.suggest_float(name, 0, 1) for name in "abcde"]
            study.tell(trial, sum((x - 0.7) ** 2 for x in xs))
        return study.best_value

    assert best("tpe") < best("random")


def test_the_quasi_random_sequence_is_that_of_its_seed() -> None:
    one, other = ([params["x"] for params in search("qmc", seed=seed)] for seed in (0, 1))
    assert not set(one) & set(other)


def test_trials_that_run_side_by_side_are_kept_apart() -> None:
    """However sure the sampler is of where the best values are."""
    study = open_study(
        InMemoryStorage(), make_sampler("tpe", seed=0, trials_before=0, grouped=False)
    )
    for _ in range(30):
        trial = study.ask()
        study.tell(trial, abs(trial.suggest_float("x", 0, 1) - 0.5))
    drawn = [study.ask().suggest_float("x", 0, 1) for _ in range(12)]
    assert max(drawn) - min(drawn) > 0.5


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_seed_decides_what_comes_and_goes_as_well(name: SamplerName) -> None:
    def drawn() -> list[Params]:
        sampler = make_sampler(name, seed=0, trials_before=0, grouped=False)
        study = open_study(InMemoryStorage(), sampler)
        conditional(study, 8, 0.5)
        return [trial.params for trial in study.trials]

    assert drawn() == drawn()
