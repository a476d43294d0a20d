"""What the driver of a search costs by itself: fake trials without Ray, and TPE in long studies."""

import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.measurement import Record
from benchmarks.simulated_driver import MadeUpStudy, drive

SLOTS = 64
"""trials at once"""
ASKS = 10
"""of which the median counts"""


class DriverCost(Record):
    """What the driver came to."""

    trials: int
    reports: int
    reports_per_second: float
    growth_mb: float
    """of its memory, of 10^6 bytes"""
    ask_ms: Mapping[int, float]
    """of TPE, after so many trials"""

    def lines(self) -> Iterator[str]:
        """Yield what people read."""
        yield (
            f"driver without Ray: {self.trials} trials, {self.reports} reports, "
            f"{self.reports_per_second:.0f} reports/s; memory grew by {self.growth_mb:.0f} MB"
        )
        for count, milliseconds in self.ask_ms.items():
            yield f"TPE at trial {count}: {milliseconds:.0f} ms an ask"


def driver_cost(trials: int, ask_at: Sequence[int], storage: str | None) -> DriverCost:
    """Give the driver some trials, then ask TPE in studies of so many of them.

    Args:
        trials: how many are driven.
        ask_at: after how many TPE is asked.
        storage: URL of the storage of all studies; none: journal files.
    """
    with tempfile.TemporaryDirectory() as folder:
        made_up = MadeUpStudy(Path(folder), trials=trials, sampler="random", storage=storage)
        driven = drive(made_up, SLOTS)
        done = made_up.study.get_trials(deepcopy=False)
    asks = {}
    for count in ask_at:
        with tempfile.TemporaryDirectory() as folder:
            # The first trial of a study is the paper's, which no sampler is asked for.
            finished = done[1:count]
            tpe = MadeUpStudy(
                Path(folder), trials=1 + ASKS, sampler="tpe", finished=finished, storage=storage
            )
            asks[count] = 1e3 * statistics.median(drive(tpe, slots=1).asks[1:])
    return DriverCost(
        trials=len(driven.asks),
        reports=driven.reports,
        reports_per_second=driven.reports / driven.seconds,
        growth_mb=driven.growth / 1e6,
        ask_ms=asks,
    )
