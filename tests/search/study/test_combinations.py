"""Combinations of sampler, scheduler and space: those that make no sense, and those that do."""

import optuna
import pytest

from dlf.command import BadInputError
from dlf.config import Config
from search.spaces.space import Space
from search.study.combinations import default_scheduler, refuse_senseless
from search.study.samplers import SAMPLERS, SamplerName, make_sampler
from search.study.schedulers import SCHEDULERS, SchedulerName, Stopping

DEFAULT = Space.of_text("precomputed")
WIDE = Space.of_text("precomputed", "wide")
NARROW = Space.model_validate(
    {
        "parameters": {
            "margin": {"type": "float", "low": 0, "high": 1},
            "learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2},
        }
    }
)
"""the paper's learning rate, 1e-4, lies outside"""


def refuse(
    sampler: SamplerName = "tpe",
    scheduler: SchedulerName = "asha",
    *given: str,
    space: Space = DEFAULT,
    base: Config | None = None,
    max_epochs: int = 30,
) -> None:
    refuse_senseless(
        sampler,
        Stopping(scheduler=scheduler),
        scheduler_given="--scheduler" in given,
        grace_given="--grace-epochs" in given,
        reduction_given="--reduction" in given,
        space=space,
        paper=Config(),
        base=base or Config(),
        max_epochs=max_epochs,
    )


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_goes_with_the_default_scheduler(sampler: SamplerName) -> None:
    refuse(sampler, default_scheduler(sampler))
    assert default_scheduler(sampler) in SCHEDULERS


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler_goes_with_tpe_whatever_the_space(scheduler: SchedulerName) -> None:
    for space in (DEFAULT, WIDE, NARROW):
        refuse("tpe", scheduler, "--scheduler", space=space)
        refuse("random", scheduler, "--scheduler", space=space)


@pytest.mark.parametrize(
    ("scheduler", "given", "max_epochs", "said"),
    [
        ("none", ["--grace-epochs"], 30, "none stops no trial, so --grace-epochs has no effect"),
        ("none", ["--scheduler", "--reduction"], 30, "so --reduction has no effect"),
        ("median", ["--reduction"], 30, "median has no rungs"),
        ("asha", ["--scheduler"], 3, "asha judges no trial before epoch 3, and the last is 3"),
        ("hyperband", ["--scheduler"], 2, "hyperband judges no trial before epoch 3"),
        ("median", ["--scheduler"], 3, "median judges no trial before epoch 3"),
        ("asha", ["--grace-epochs"], 3, "take --scheduler none"),
        ("asha", ["--reduction"], 3, "lower --grace-epochs"),
    ],
)
def test_a_flag_without_effect_is_refused(
    scheduler: SchedulerName, given: list[str], max_epochs: int, said: str
) -> None:
    with pytest.raises(BadInputError, match=said):
        refuse("tpe", scheduler, *given, max_epochs=max_epochs)


def test_the_default_rule_of_a_short_search_is_not_refused() -> None:
    refuse("tpe", "asha", max_epochs=2)
    refuse("tpe", "asha", "--grace-epochs", "--reduction", max_epochs=4)
    refuse("tpe", "median", "--grace-epochs")
    refuse("tpe", "none", "--scheduler", max_epochs=1)


@pytest.mark.parametrize("sampler", ["gp", "qmc"])
def test_a_conditional_space_is_refused_to_those_that_cannot_model_it(sampler: SamplerName) -> None:
    with pytest.raises(BadInputError, match=f"--sampler {sampler} needs the same parameters"):
        refuse(sampler, "none", space=WIDE)
    refuse(sampler, "none", space=WIDE.without(["optimizer"]))


@pytest.mark.parametrize("sampler", ["gp", "qmc"])
def test_a_first_trial_that_lacks_parameters_is_refused_to_them(sampler: SamplerName) -> None:
    with pytest.raises(BadInputError, match="the paper's configuration has no learning_rate"):
        refuse(sampler, "none", space=NARROW)
    adamw = Config().with_values({"optimizer": "adamw"})
    with pytest.raises(BadInputError, match="has no weight_decay"):
        refuse(sampler, "none", space=WIDE.without(["optimizer"]), base=adamw)


@pytest.mark.parametrize("scheduler", ["asha", "hyperband"])
def test_the_gaussian_process_is_not_left_without_complete_trials(scheduler: SchedulerName) -> None:
    with pytest.raises(BadInputError, match="learns from complete trials alone"):
        refuse("gp", scheduler)
    refuse("gp", scheduler, max_epochs=3)
    refuse("gp", "median")


@pytest.mark.parametrize("sampler", ["gp", "qmc"])
def test_optuna_draws_at_random_what_the_first_trial_lacks(sampler: SamplerName) -> None:
    study = optuna.create_study(
        sampler=make_sampler(sampler, seed=0, trials_before=0, grouped=False)
    )
    first = study.ask()
    NARROW.without(["learning_rate"]).suggest(first, Config())
    study.tell(first, 1.0)
    for value in range(12):
        trial = study.ask()
        NARROW.suggest(trial, Config())
        study.tell(trial, value)
    assert set(study.ask().relative_params) == {"margin"}


def test_the_gaussian_process_learns_from_complete_trials_alone() -> None:
    sampler = make_sampler("gp", seed=0, trials_before=0, grouped=False)
    study = optuna.create_study(sampler=sampler)
    for _ in range(12):
        trial = study.ask()
        NARROW.suggest(trial, Config())
        trial.report(1.0, 1)
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    assert study.ask().relative_params == {}
