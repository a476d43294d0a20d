"""A table of recorded learning curves: figures of complete trials, and where they are from.

The file is gzipped text: a line of JSON for the study, then one for each trial.
"""

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from dlf.config import Value
from search.spaces.space import Space
from search.study.identity import PAPER_TRIAL

Floats = NDArray[np.float64]

CURVES = Path(__file__).parent / "curves"
MOSI_TABLE = CURVES / "mosi-frozen-minilm.jsonl.gz"


class TableHeader(BaseModel):
    """The study whose curves these are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    made_by: str
    """the command"""
    date: str
    dataset: str
    dataset_digest: str
    text: str
    text_encoder: str | None
    max_epochs: int
    space: Space


class RecordedTrial(BaseModel):
    """One configuration and its curve."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    params: Mapping[str, Value]
    best_mae: Sequence[float]
    """the lowest validation MAE so far, after each epoch"""
    seconds_per_epoch: float
    """what it took, with whatever else ran on the machine"""


class CurveTable(BaseModel):
    """Recorded curves of one study; trial 0 is the paper's configuration, where it is there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    header: TableHeader
    trials: Sequence[RecordedTrial]

    @classmethod
    def read(cls, path: Path = MOSI_TABLE) -> Self:
        """Read a table that `write` has written."""
        header, *rows = gzip.decompress(path.read_bytes()).decode().splitlines()
        return cls(
            header=TableHeader.model_validate_json(header),
            trials=[RecordedTrial.model_validate_json(row) for row in rows],
        )

    def write(self, path: Path) -> None:
        """Write the table; the same one always gives the same bytes."""
        lines = [self.header.model_dump_json(), *(t.model_dump_json() for t in self.trials)]
        path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))

    @property
    def random(self) -> list[RecordedTrial]:
        """All trials but the paper's."""
        return [trial for trial in self.trials if trial.number != PAPER_TRIAL]

    @property
    def curves(self) -> Floats:
        """The curves as one array [trials, epochs]; one that lost patience stays put."""
        epochs = self.header.max_epochs
        stopped = [[t.best_mae[-1]] * (epochs - len(t.best_mae)) for t in self.trials]
        return np.array([[*t.best_mae, *s] for t, s in zip(self.trials, stopped, strict=True)])
