"""The rows of the paper's Table 2, as changes of a configuration.

A subset of the modalities takes the place of those that the configuration has. What the rows
without language mean, and the one without a component, is what `dlf.config` says of these values.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from dlf.config import LAMBDAS, Config, Value
from dlf.published_results import FULL_MODEL, TABLE_2

Group = Literal["full model", "modalities", "regularisers", "components"]


class AblationRow(NamedTuple):
    """A row of the table: what it changes, and what was published of it."""

    name: str
    """the paper's own"""
    group: Group
    values: Mapping[str, Value]
    """the leaves of the configuration that are changed; none for the full model"""

    @property
    def published(self) -> Mapping[str, float]:
        """The published test metrics on MOSI, of one seed, by name; shares 0 to 1."""
        return TABLE_2[self.name]


class PlannedRow(NamedTuple):
    """A row over a configuration."""

    row: AblationRow
    config: Config
    same_as: str | None
    """The name of the earlier row with the same training, for the configuration was without it
    already; none where the row is to be trained."""


_GROUPS: Mapping[Group, Mapping[str, Mapping[str, Value]]] = {
    "full model": {FULL_MODEL: {}},
    "modalities": {
        "only A": {"modalities": "audio"},
        "only V": {"modalities": "vision"},
        "only L": {"modalities": "text"},
        "L&A": {"modalities": "text+audio"},
        "L&V": {"modalities": "text+vision"},
    },
    "regularisers": {
        "w/o L_r": {"lambda_r": 0},
        "w/o L_s": {"lambda_s": 0},
        "w/o L_m": {"lambda_m": 0},
        "w/o L_o": {"lambda_o": 0},
    },
    "components": {
        "w/o FDM": {"disentangled": False},
        "w/o LFA": {"attractor": "own"},
        "w/o HP": {"hierarchical": False},
    },
}

ABLATIONS: Sequence[AblationRow] = [
    AblationRow(name=name, group=group, values=values)
    for group, rows in _GROUPS.items()
    for name, values in rows.items()
]
"""the rows in the paper's order, the full model first"""


def rows_of(config: Config) -> list[PlannedRow]:
    """Return every row over a configuration, which is itself the first, the full model."""
    planned: list[PlannedRow] = []
    for row in ABLATIONS:
        changed = config.with_values(row.values)
        read = _read_by_training(changed)
        earlier = (p.row.name for p in planned if _read_by_training(p.config) == read)
        planned.append(PlannedRow(row=row, config=changed, same_as=next(earlier, None)))
    return planned


def _read_by_training(config: Config) -> Config:
    """Put values that rows change, but that nothing reads in this configuration, to what they do.

    Without disentanglement there are no regularisers, and without language no focus on it.
    """
    unread: dict[str, Value] = {}
    if not config.model.disentangled:
        unread |= dict.fromkeys(LAMBDAS.values(), 0)
    if "text" not in config.model.used_modalities:
        unread["attractor"] = "own"
    return config.with_values(unread)
