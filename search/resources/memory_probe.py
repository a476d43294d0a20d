"""What training takes of a GPU, measured on the smallest one in processes that end with it."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from dlf.command import WorkFailedError, one_line
from dlf.config import Config
from dlf.data import seal_test_split
from dlf.text.finetuned import pretrained_encoder
from dlf.training.training import Training
from search.cluster.carried_data import carried_data
from search.resources.gpu_memory import MemoryMeter
from search.trial.data import OpenedData, TrialData

ANY_PART = 0.01
"""of a GPU, to ask for its size"""


class Measured(NamedTuple):
    """What the largest of some trainings takes of the smallest GPU, in bytes."""

    total: int
    """that the GPU has"""
    peak: int | None
    """that torch held at most; none where the GPU had too little"""
    data: int
    """that the features take, once for every replicate"""


def measure(
    data: TrialData, configs: Sequence[Config], *, replicates: int, meter: MemoryMeter
) -> Measured:
    """Train one step of every configuration, and predict, on the smallest GPU of the cluster.

    The steps are those of the longest clips, with all data on the GPU. Of a node with GPUs of
    several sizes any one is asked.

    Raises:
        WorkFailedError: when it cannot be measured.
    """
    try:
        sizes = {node: _on(node, _total, ANY_PART).remote(meter) for node in _nodes_with_gpus()}
        totals = dict(zip(sizes, ray.get(list(sizes.values())), strict=True))
        if not totals:
            raise WorkFailedError("the nodes with GPUs were lost before anything was measured")
        smallest = min(totals, key=lambda node: totals[node])
        probe = _on(smallest, _measured, 1).remote(
            data.model_dump_json(),
            carried_data(data) if len(ray.nodes()) > 1 else None,
            [config.model_dump_json() for config in configs],
            replicates,
            meter,
        )
        peaks, features = ray.get(probe)
    except RayError as error:
        cause = error.cause if isinstance(error, RayTaskError) else error
        raise WorkFailedError(
            "what a trial takes of a GPU could not be measured "
            f"({type(cause).__name__}: {one_line(cause)}); give --gpus-per-trial a number"
        ) from error
    peak = None if None in peaks else max(peaks)
    return Measured(totals[smallest], peak, features * replicates)


def _nodes_with_gpus() -> list[str]:
    return [
        node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")
    ]


def _on(node: str, task: Any, gpus: float) -> Any:
    """Return a task that runs on a node, with some of its GPUs."""
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    return task.options(num_cpus=0, num_gpus=gpus, scheduling_strategy=there)


@ray.remote(max_calls=1)
def _total(meter: MemoryMeter) -> int:
    return meter.total()


@ray.remote(max_calls=1)
def _measured(
    data_json: str,
    carried: OpenedData | None,
    config_jsons: Sequence[str],
    replicates: int,
    meter: MemoryMeter,
) -> tuple[list[int | None], int]:
    """Return the peak of every configuration, and the bytes of all features."""
    seal_test_split()
    data = TrialData.model_validate_json(data_json)
    opened = carried or data.open()
    configs = [Config.model_validate_json(text) for text in config_jsons]
    work = partial(_rehearse, data, opened, replicates=replicates, device=meter.device)
    peaks = [meter.peak_of(partial(work, config)) for config in configs]
    modalities = {m for config in configs for m in config.model.used_modalities}
    return peaks, sum(s[m].values.nbytes for s in (opened.train, opened.valid) for m in modalities)


def _rehearse(
    data: TrialData, opened: OpenedData, config: Config, *, replicates: int, device: str
) -> None:
    trainings = [
        Training(
            config,
            data.sizes(opened.manifest, config),
            opened.train,
            opened.valid,
            seed=seed,
            max_epochs=1,
            device=device,
            text_encoder=pretrained_encoder(data.text, config.finetuning),
        )
        for seed in range(replicates)
    ]
    for training in trainings:
        training.rehearse()
