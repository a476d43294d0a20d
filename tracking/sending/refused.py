"""What a store refused to take of a study, in words."""

from collections.abc import Mapping
from typing import NamedTuple

from tracking.store.errors import StoreRefusedError

Refusals = dict[int, StoreRefusedError]
"""why, by the number of the trial"""


class Refused(NamedTuple):
    """What was refused: of trials, and of the study's own run."""

    trials: Mapping[int, StoreRefusedError]
    study: StoreRefusedError | None = None

    @property
    def words(self) -> str | None:
        """What it was, for a sentence that begins with who refused it; none for nothing."""
        parts = []
        if self.trials:
            first = min(self.trials)
            counted = "1 trial" if len(self.trials) == 1 else f"{len(self.trials)} trials"
            parts.append(f"a part of {counted} (trial {first}: {self.trials[first]})")
        if self.study is not None:
            parts.append(f"a part of the study's own run ({self.study})")
        return " and ".join(parts) or None
