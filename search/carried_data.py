"""Data for the nodes of a cluster that share no file system with the driver.

Ray's object store holds one copy on each node, and the workers there read it in place.
"""

import dataclasses
from collections.abc import Sequence

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from dlf.command import BadInputError
from dlf.data import Split
from search.cluster_nodes import training_nodes
from search.trial_data import OpenedData, TrialData


def carried_data(data: TrialData) -> OpenedData | None:
    """Return what must be carried to the nodes; none where each of them can open it by its path."""
    nodes = training_nodes()
    if seen_by(data, nodes):
        return None
    manifest, train, valid = data.open()
    return OpenedData(manifest, _features_of(train), _features_of(valid))


def seen_by(data: TrialData, nodes: Sequence[str]) -> bool:
    """Ask every node whether it has this very data at its path."""
    looks = [
        _sees.options(
            num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
        ).remote(data.model_dump_json())
        for node in nodes
    ]
    return all(ray.get(looks))


@ray.remote
def _sees(data: str) -> bool:
    try:
        TrialData.model_validate_json(data).open()
    except (BadInputError, RuntimeError):
        return False
    return True


def _features_of(split: Split) -> Split:
    """Return the split without its strings, which no training reads and every worker would copy."""
    return dataclasses.replace(split, ids=[], raw_text=[])
