"""What makes a study this study: all that must be the same for its trials to be comparable."""

import hashlib
from collections.abc import Mapping

from dlf.config import Config, Value
from search.spaces.space import Space
from search.trial.data import DataChoice
from tracking.run_names import MAX_EPOCHS_TAG, REPLICATES_TAG, STUDY_DIGEST_TAG

DEFAULT_REPLICATES = 1

PAPER_TRIAL = 0
"""the number of the trial that has the paper's configuration, in every study"""


class StudyIdentity(DataChoice):
    """The data, the space, and what the space leaves as it is."""

    max_epochs: int
    replicates: int = DEFAULT_REPLICATES
    """seeds that a trial is the mean of"""
    paper: Config
    """the paper's own configuration, which is the first trial's"""
    base: Config
    """what the space varies: the paper's configuration, with the values that the user fixed"""
    space: Space

    @property
    def digest(self) -> str:
        """The SHA-256 that names this identity."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def fixed(self) -> dict[str, Value]:
        """The values that the user fixed otherwise than the paper has them."""
        paper = self.paper.values()
        return {
            name: value
            for name, value in self.base.values().items()
            if value is not None and value != paper[name]
        }

    def config_of(self, number: int, params: Mapping[str, Value]) -> Config:
        """Return the configuration of a trial.

        Raises:
            BadInputError: when the values make no configuration together.
        """
        return self.paper if number == PAPER_TRIAL else self.base.with_values(params)

    def shown_params(self, number: int, params: Mapping[str, Value]) -> dict[str, Value]:
        """Return a trial's parameters, of the paper's trial also those outside the ranges."""
        if number != PAPER_TRIAL:
            return dict(params)
        values = self.paper.values()
        return {name: v for name in self.space.parameters if (v := values[name]) is not None}

    def changes_from(self, former: "StudyIdentity") -> list[str]:
        """Return in words what is not as it was."""
        changes = self.data_changes_from(former)
        for name in ("max_epochs", "replicates"):
            was, now = getattr(former, name), getattr(self, name)
            if was != now:
                changes.append(f"{name.replace('_', ' ')} is {now}, was {was}")
        was_base, now_base = former.base.values(), self.base.values()
        changes += [
            f"{name} is fixed at {value}, was {was_base.get(name)}"
            for name, value in now_base.items()
            if value != was_base.get(name)
        ]
        return changes

    def space_changes_from(self, former: "StudyIdentity") -> list[str]:
        """Return in words how the space is not as it was."""
        was, now = former.space.parameters, self.space.parameters
        return [
            *(f"{name} is new ({now[name]})" for name in now if name not in was),
            *(f"{name} is no longer searched" for name in was if name not in now),
            *(
                f"{name} ranges over {now[name]}, was {was[name]}"
                for name in now
                if name in was and now[name] != was[name]
            ),
        ]

    def tags(self) -> dict[str, str]:
        """Return what tracking says of the study."""
        return self.data_tags() | {
            STUDY_DIGEST_TAG: self.digest,
            MAX_EPOCHS_TAG: str(self.max_epochs),
            REPLICATES_TAG: str(self.replicates),
        }
