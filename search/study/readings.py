"""When promotions opened the test split of a study's data, which the study remembers for ever."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import optuna
from pydantic import AwareDatetime, BaseModel, ConfigDict

_READINGS = "test_reads"
"""the study's own list of them"""


class Reading(BaseModel):
    """A time at which a promotion opened the test split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: AwareDatetime
    promotion: str
    """its folder's name, and the study's where that is another one"""


def readings_of(study: optuna.Study) -> list[Reading]:
    """Return when the test split was read by whatever the study's choices may have learnt from."""
    found: list[Any] = study.user_attrs.get(_READINGS, [])
    return [Reading.model_validate(each) for each in found]


def stamp(study: optuna.Study, promotion: str, at: datetime) -> None:
    """Remember that a promotion of the study opens the test split; it does so once."""
    _add(study, [Reading(at=at, promotion=promotion)])


def inherit_readings(study: optuna.Study, source: optuna.Study) -> None:
    """Let a study remember the readings of one whose trials it learns from."""
    name = source.study_name
    _add(
        study,
        [
            each.model_copy(update={"promotion": f"{each.promotion} of {name}"})
            for each in readings_of(source)
        ],
    )


def _add(study: optuna.Study, readings: Iterable[Reading]) -> None:
    there = readings_of(study)
    known = {reading.promotion for reading in there}
    new = [reading for reading in readings if reading.promotion not in known]
    if new:
        kept = sorted([*there, *new], key=lambda reading: reading.at)
        study.set_user_attr(_READINGS, [each.model_dump(mode="json") for each in kept])
