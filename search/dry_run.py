"""What `--dry-run` prints: the space beside the paper's values, and what each trial would get."""

from search.resources import Resources
from search.study import GRACE_EPOCHS, REDUCTION, StudyIdentity


def describe_search(identity: StudyIdentity, trials: int, resources: Resources) -> str:
    """Return the plan of a search as text."""
    paper = identity.space.values_of(identity.base)
    rows = [("parameter", "range", "the paper's")]
    rows += [
        (name, str(parameter), str(paper.get(name, "none")))
        for name, parameter in identity.space.parameters.items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    table = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(
        [
            f"{trials} trials of at most {identity.max_epochs} epochs on {identity.dataset} "
            f"(text {identity.text.way}); the first is the paper's configuration",
            f"stopped early by successive halving (ASHA): not before epoch {GRACE_EPOCHS}, "
            f"then one in {REDUCTION} goes on at every rung",
            f"{resources.max_concurrent} at once, each with {resources.cpus_per_trial:g} CPUs and "
            f"{resources.gpus_per_trial:g} GPUs",
            "",
            *(line.rstrip() for line in table),
        ]
    )
