"""What `--dry-run` prints: the space beside the paper's values, resources, an honest estimate."""

from search.planning.plan import SearchPlan
from search.study.budget import shown_duration


def describe_search(plan: SearchPlan, seconds_an_epoch: float) -> str:
    """Return the plan of a search as text.

    Args:
        plan: what would be done.
        seconds_an_epoch: measured, of the paper's configuration on one seed.
    """
    identity, resources, stopping = plan.identity, plan.resources, plan.settings.stopping
    trials, epochs = plan.budget.trials, identity.max_epochs
    each = seconds_an_epoch * identity.replicates / resources.max_concurrent
    expected = trials * stopping.expected_epochs(epochs)
    seeds = f", each the mean of {identity.replicates} seeds" if identity.replicates > 1 else ""
    return "\n".join(
        [
            f"text {plan.text_words}",
            f"{trials} trials of at most {epochs} epochs on {identity.dataset}{seeds}; the first "
            "is the paper's configuration",
            f"sampler {plan.settings.sampler}; {stopping.describe(epochs)}",
            f"{resources.max_concurrent} at once, each with {resources.cpus_per_trial:g} CPUs and "
            f"{resources.gpus_per_trial:g} GPUs",
            f"an epoch of the paper's configuration takes {seconds_an_epoch:.1f} s here (measured "
            f"on a part of the data, alone): about {shown_duration(round(expected * each) or 1)} "
            f"for {expected:.0f} epochs, if trials are stopped as planned; at most "
            f"{shown_duration(round(trials * epochs * each) or 1)}",
            "other configurations may take several times as long or as short",
            "",
            *identity.space.table(identity.paper, identity.base),
        ]
    )
