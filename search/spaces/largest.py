"""Which configurations take the most memory: of a space, and of several."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

from dlf.command import BadInputError
from dlf.config import LAMBDAS, Config, Value
from search.spaces.parameters import Choices, Parameter
from search.spaces.space import Space

_Order = Callable[[Value], float]


def _more(value: Value) -> float:
    return float(value)


def _less(value: Value) -> float:
    return -float(value)


def _first_of(*values: Value) -> _Order:
    return lambda value: -values.index(value)


TAKES_MEMORY: Mapping[str, _Order] = {
    "width": _more,
    "heads": _more,
    "batch_size": _more,
    "encoder_layers": _more,
    "attractor_layers": _more,
    "memory_layers": _more,
    "text_kernel": _more,
    "audio_kernel": _more,
    "vision_kernel": _more,
    "text_frozen_layers": _less,
    "text_gradient_checkpointing": _less,
    "disentangled": _more,
    "hierarchical": _more,
    "compiled": _less,
    "padding": _first_of("reference", "masked"),
    "attractor": _first_of("language", "own"),
    "precision": _first_of("float32", "tf32", "bfloat16"),
    "modalities": lambda value: str(value).count("+"),
    # A dropout that is on keeps its mask, and a regulariser its features.
    "text_dropout": _more,
    "embedding_dropout": _more,
    "text_attention_dropout": _more,
    "audio_attention_dropout": _more,
    "vision_attention_dropout": _more,
    "relu_dropout": _more,
    "residual_dropout": _more,
    "output_dropout": _more,
    **dict.fromkeys(LAMBDAS.values(), _more),
}
"""what memory depends on, and which of two values takes more of it"""

TOGETHER = ("width", "heads", "orthogonality_width")
"""what must fit together, of which the largest that do are taken"""


def largest_of(space: Space, base: Config) -> Config:
    """Return a configuration that takes as much memory as any trial of a space over `base`.

    Every parameter is at its largest, also where a condition would keep some of them apart.
    """
    varied = {name: p for name, p in space.parameters.items() if name in TAKES_MEMORY}
    largest = {
        name: max(_ends_of(parameter), key=TAKES_MEMORY[name])
        for name, parameter in varied.items()
        if name not in TOGETHER
    }
    names = [name for name in TOGETHER if name in space.parameters]
    for values in product(*(_downwards(space.parameters[name]) for name in names)):
        try:
            return base.with_values({**largest, **dict(zip(names, values, strict=True))})
        except BadInputError:
            continue
    return base


def distinct_in_memory(configs: Sequence[Config]) -> list[Config]:
    """Return one of all configurations that take the same memory."""
    distinct = {_what_takes_memory(config): config for config in configs}
    return list(distinct.values())


def _what_takes_memory(config: Config) -> tuple[Value | None, ...]:
    """Return the values that matter; a dropout or a regulariser is on or off."""
    values = config.values()
    return tuple(
        bool(values[name]) if name.endswith("_dropout") or name.startswith("lambda_") else value
        for name in TAKES_MEMORY
        for value in [values[name]]
    )


def _ends_of(parameter: Parameter) -> Sequence[Value]:
    if isinstance(parameter, Choices):
        return parameter.choices
    return parameter.low, parameter.high


def _downwards(parameter: Parameter) -> Iterator[Value]:
    """Yield the values of a parameter, the largest first."""
    if isinstance(parameter, Choices):
        yield from sorted(parameter.choices, key=float, reverse=True)
    else:
        high, low, step = int(parameter.high), int(parameter.low), int(parameter.step or 1)
        yield from range(high, low - 1, -step)
