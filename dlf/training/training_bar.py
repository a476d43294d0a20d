"""What is to be seen of trainings that follow one another: a bar over their epochs, or lines."""

import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm

from dlf.metrics import OBJECTIVE
from dlf.training.training import EpochRecord


class TrainingBar:
    """A bar over the epochs of all seeds where standard error is a terminal, else a line an epoch.

    Told to be quiet it shows nothing.
    """

    def __init__(self, seeds: int, max_epochs: int, *, quiet: bool) -> None:
        self._max_epochs = max_epochs
        self._total = seeds * max_epochs
        self._quiet = quiet
        self._lines = not quiet and not sys.stderr.isatty()
        self._bar = tqdm(
            total=self._total,
            bar_format="{desc} |{bar}| {n_fmt}/{total_fmt} epochs, {remaining} to go",
            dynamic_ncols=True,
            disable=quiet or self._lines,
        )

    def epoch(self, seed: int, record: EpochRecord) -> None:
        """Show an epoch of a seed's training."""
        where = f"seed {seed}, epoch {record.epoch}"
        mae = record.named()[OBJECTIVE]
        reached = f"validation MAE {mae:.4f}, best {record.best_mae:.4f}"
        if self._lines:
            print(f"{where} of {self._max_epochs}: {reached}", file=sys.stderr)
        self._bar.set_description_str(f"{where}: {reached}", refresh=False)
        self._bar.update()

    def end(self, epochs: int) -> None:
        """Take in that a training is over, after so many epochs: the others will not come."""
        self._total -= self._max_epochs - epochs
        self._bar.total = self._total
        self._bar.refresh()

    def say(self, line: str) -> None:
        """Print a line on standard output, above the bar, unless told to be quiet."""
        if not self._quiet:
            tqdm.write(line, file=sys.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()
