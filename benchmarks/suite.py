"""All benchmarks, with the sizes in which they are run together and in a rehearsal."""

from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.claims import Claims
from benchmarks.measurement import Measurement
from benchmarks.memory import MemoryCost
from benchmarks.overhead import Overhead
from benchmarks.promotion_rates import PromotionRates
from benchmarks.search_efficiency import SearchEfficiency
from benchmarks.stock_search import StockSearch
from benchmarks.tracking_cost import TrackingCost
from benchmarks.train_step import StepCost
from benchmarks.trials_at_once import TrialsAtOnce


class Benchmark(NamedTuple):
    """A module of this package that is run as a command."""

    measures: type[Measurement]
    """what it prints with `--json`"""
    minutes: float
    """that it takes on two cores, by experience"""
    flags: str
    """in a whole run; what they leave out is the benchmark's own default"""
    quick: str
    """in a rehearsal, whose figures mean nothing"""

    def command(self, name: str, *, quick: bool) -> str:
        """Return the command line, without its Python."""
        return f"-m benchmarks.{name} {self.quick if quick else self.flags}".rstrip()


SUITE: Mapping[str, Benchmark] = {
    "train_step": Benchmark(StepCost, 1, "", "--rounds 1"),
    "memory": Benchmark(MemoryCost, 4, "", "--clips 300 --at-once 1 2"),
    "trials_at_once": Benchmark(
        TrialsAtOnce, 3, "--rounds 2", "--at-once 1 2 --clips 64 --epochs 3 --rounds 1"
    ),
    "overhead": Benchmark(
        Overhead,
        3,
        "",
        "--rounds 1 --trials 5 --stock-trials 3 --driver-trials 60 --ask-at 20 60",
    ),
    "tracking_cost": Benchmark(
        TrackingCost,
        6,
        "--pairs 3",
        "--pairs 1 --epochs 4 --trials 3 --stock-trials 1",
    ),
    "stock_search": Benchmark(StockSearch, 6, "", "--trials 2 --max-epochs 3"),
    "search_efficiency": Benchmark(SearchEfficiency, 4, "--seeds 8", "--seeds 1"),
    "promotion_rates": Benchmark(PromotionRates, 12, "", "--replicates 1"),
    "claims": Benchmark(Claims, 6, "", "--replicates 2"),
}
"""by the name of the module, in the order in which they are run and stand on the page"""
