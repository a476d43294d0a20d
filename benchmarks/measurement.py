"""What a benchmark comes to: a typed record, told to people as text or to programs as JSON.

It needs pydantic alone, for `train_step.py` runs where little else is installed.
"""

import os
from abc import ABC, abstractmethod
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator, Mapping

from pydantic import BaseModel, ConfigDict

from benchmarks.environment import clean_this_process


class Record(BaseModel):
    """A frozen part of what was measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Measurement(Record, ABC):
    """All that a benchmark has measured."""

    met: Mapping[str, bool] = {}
    """whether each requirement is kept, by its words"""

    @abstractmethod
    def lines(self) -> Iterator[str]:
        """Yield what people read, but for the requirements."""

    def verdicts(self) -> Iterator[str]:
        """Yield each requirement with whether it is met."""
        for requirement, is_met in self.met.items():
            yield f"{requirement}: {'met' if is_met else 'NOT met'}"


def benchmark_parser(description: str | None) -> ArgumentParser:
    """Return a parser that shows a module's docstring as it stands, and knows `--json`."""
    parser = ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object, no text")
    return parser


def tell(measure: Callable[[], Measurement], *, as_json: bool) -> None:
    """Measure in the clean environment, and print what was found.

    As text, with the load of the machine beside it.
    """
    clean_this_process()
    before = os.getloadavg()[0]
    measured = measure()
    if as_json:
        print(measured.model_dump_json())
        return
    after = os.getloadavg()[0]
    print(f"{os.cpu_count()} CPUs; load {before:.1f} before, {after:.1f} after\n")
    print(*measured.lines(), sep="\n")
    print(*measured.verdicts(), sep="\n")
