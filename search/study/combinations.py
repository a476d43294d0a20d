"""Samplers, schedulers and spaces that make no sense together, and why."""

from dlf.command import BadInputError
from dlf.config import Config
from search.spaces.space import Space
from search.study.samplers import SamplerName
from search.study.schedulers import HALVING, SCHEDULERS, SchedulerName, Stopping


def default_scheduler(sampler: SamplerName) -> SchedulerName:
    """Return the scheduler of a search that names none.

    The Gaussian process learns from complete trials alone, of which ASHA leaves one in many; the
    median rule leaves about half.
    """
    return "median" if sampler == "gp" else SCHEDULERS[0]


def refuse_senseless(
    sampler: SamplerName,
    stopping: Stopping,
    *,
    scheduler_given: bool,
    grace_given: bool,
    reduction_given: bool,
    space: Space,
    paper: Config,
    base: Config,
    max_epochs: int,
) -> None:
    """Raise `BadInputError` for a combination that would not do what it says.

    Args:
        sampler: its name.
        stopping: the rule, from flags or defaults.
        scheduler_given: whether the user named it, and did not leave it to the default.
        grace_given: whether the user gave `--grace-epochs`.
        reduction_given: whether the user gave `--reduction`.
        space: what is searched.
        paper: the paper's configuration, the first trial.
        base: what the space varies: the paper's configuration with what `--set` fixes.
        max_epochs: of every trial.
    """
    if stopping.scheduler == "none" and (grace_given or reduction_given):
        flag = "--grace-epochs" if grace_given else "--reduction"
        raise BadInputError(
            f"--scheduler none stops no trial, so {flag} has no effect; leave it out, or take "
            "another --scheduler"
        )
    if stopping.scheduler not in HALVING and reduction_given:
        raise BadInputError(
            f"--scheduler {stopping.scheduler} has no rungs, so --reduction has no effect; leave "
            "it out, or take --scheduler asha"
        )
    if scheduler_given or grace_given or reduction_given:
        _refuse_a_rule_without_effect(stopping, max_epochs)
    if sampler in ("gp", "qmc"):
        _refuse_lacking_parameters(sampler, space, paper, base)
    halving = stopping.scheduler in HALVING and stopping.can_stop(max_epochs)
    if sampler == "gp" and halving:
        raise BadInputError(
            f"--sampler gp learns from complete trials alone, and {stopping.scheduler} completes "
            "so few that most are drawn at random; take --scheduler median or none, or --sampler "
            "tpe, which learns from stopped trials too"
        )


def _refuse_a_rule_without_effect(stopping: Stopping, max_epochs: int) -> None:
    if stopping.scheduler != "none" and not stopping.can_stop(max_epochs):
        raise BadInputError(
            f"{stopping.scheduler} judges no trial before epoch {stopping.grace_epochs}, and the "
            f"last is {max_epochs}, so it could stop none; lower --grace-epochs, raise "
            "--max-epochs, or take --scheduler none"
        )


def _refuse_lacking_parameters(
    sampler: SamplerName, space: Space, paper: Config, base: Config
) -> None:
    """Refuse trials that differ in their parameters, for samplers that need the same of all.

    Optuna's Gaussian process models the parameters that all complete trials have, and its
    quasi-random sequence runs over those of the first trial; both draw all others at random.
    """
    if space.is_conditional:
        raise BadInputError(
            f"--sampler {sampler} needs the same parameters in every trial, and the space is "
            "conditional; take --sampler tpe or random, or --set what the conditions depend on"
        )
    lacking = space.missing_from(paper, base)
    if lacking:
        raise BadInputError(
            f"--sampler {sampler} draws at random what the first trial lacks, and the paper's "
            f"configuration has no {lacking[0]} in the range; take --sampler tpe or random, or "
            "widen the range"
        )
