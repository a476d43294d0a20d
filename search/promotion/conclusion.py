"""The way of a promotion to its end: trained, decided, tested, handed over, reported."""

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from dlf.command import BadInputError, WorkFailedError
from dlf.trained_model import CONFIG_FILE
from dlf.whole_file import write_or_fail
from search.promotion.hand_over import hand_over
from search.promotion.next_steps import promotion_command, train_command
from search.promotion.plan import RESULT_FILE, PromotionPlan
from search.promotion.promotion import Promotion, Trained
from search.promotion.reported import reported
from search.promotion.result import PromotionResult, result_of
from search.seeded.comparison import clearly_beats
from search.study.open_study import OpenStudy
from tracking.promotion_report.records import NotRegistered, Registered
from tracking.promotion_report.remarks import remarks
from tracking.promotion_report.verdict import verdict
from tracking.promotion_report.writing import write_promotion
from tracking.registry.champion import PREVIOUS, champion_of
from tracking.store.location import TrackingLocation
from tracking.store.run_links import model_link, run_links, study_link
from tracking.study_files import StudyFiles

NOT_BETTER = NotRegistered(reason="the registered champion is not clearly beaten on validation")


class Conclusion(NamedTuple):
    """What a promotion came to."""

    result: PromotionResult
    words: str
    """the same for people"""


def conclude(
    promotion: Promotion,
    opened: OpenStudy,
    location: TrackingLocation,
    flags: Mapping[str, str | Path | None],
) -> Conclusion:
    """Go through a promotion to its end.

    Args:
        promotion: which.
        opened: its study.
        location: where it is tracked, and registered.
        flags: where things lie, for the commands that are shown.

    Raises:
        WorkFailedError: when a training that everything hangs on failed, the champion to be beaten
            is another one by now, or something cannot be written or registered; what was done is
            kept, and done again from there.
    """
    started = time.monotonic()
    identity, place = opened.identity, promotion.place
    trained = promotion.train()
    against, on_test, registered = trained.against_champion, None, None
    if against is None or clearly_beats(against):
        refuse_another_champion(promotion.plan, location, identity.dataset)
        on_test = promotion.read_test_split(trained)
    links = _links(promotion, location, opened.key)
    report = reported(
        promotion,
        identity,
        trained,
        on_test,
        NOT_BETTER,
        commands=_commands(promotion, opened, trained, flags),
        links=links,
        trial_links=_trial_links(location, opened.key),
    )
    if on_test is not None:
        registered = hand_over(
            promotion,
            identity,
            trained,
            on_test,
            location,
            description=" ".join(verdict(report).sentences),
            links=links,
        )
        now_registered = Registered(
            model=registered.model,
            version=registered.version,
            alias=registered.alias,
            former=registered.former,
            former_alias=PREVIOUS,
            link=model_link(location, registered.model, registered.version),
        )
        report = report.model_copy(update={"registration": now_registered})
    page, _ = write_promotion(report, place.folder)
    seconds = time.monotonic() - started
    result = result_of(promotion, trained, report, registered, page=page, seconds=seconds)
    write_or_fail(place.folder / RESULT_FILE, result.model_dump_json(indent=2))
    lines = ["", *verdict(report).sentences, "", *remarks(report), "", f"read the report:  {page}"]
    if registered is not None:
        lines.append(
            f"registered: {registered.model} version {registered.version}, alias "
            f"{registered.alias}, in {location.shown}"
        )
    return Conclusion(result, "\n".join(lines))


def refuse_another_champion(plan: PromotionPlan, location: TrackingLocation, dataset: str) -> None:
    """Raise `WorkFailedError` when another model is the champion by now, which nobody compared."""
    if not plan.only_if_better:
        return
    found = champion_of(location, dataset)
    compared = None if plan.champion is None else plan.champion.version
    if found is None or found.version == compared or found.promotion == plan.key:
        return
    raise WorkFailedError(
        f"version {found.version} of {found.model} became the champion while this promotion was "
        "under way, and was not compared with; the test split was not opened: promote again, "
        "without --resume"
    )


def _commands(
    promotion: Promotion,
    opened: OpenStudy,
    trained: Trained,
    flags: Mapping[str, str | Path | None],
) -> dict[str, str]:
    plan = promotion.plan
    commands = {"the whole promotion": promotion_command(opened.study.study_name, plan, flags)}
    if not plan.refit:
        commands["the final trainings of what is kept, without Ray"] = train_command(
            StudyFiles(promotion.place.folder).model(trained.run_number) / CONFIG_FILE,
            trained.kept,
            plan.final_seeds,
            opened.identity,
            promotion.workplace.data.data_dir,
        )
    return commands


def _links(promotion: Promotion, location: TrackingLocation, key: str) -> Mapping[str, str]:
    """Return the addresses of the study's run and of the promotion's, as far as they are known."""
    found = {"run of the promotion": promotion.mlflow.link()}
    with suppress(BadInputError):
        found["run of the study"] = study_link(location, key)
    return {name: link for name, link in found.items() if link is not None}


def _trial_links(location: TrackingLocation, key: str) -> Mapping[int, str]:
    """Return the addresses of the study's trials, as far as they are known."""
    with suppress(BadInputError):
        return run_links(location, key)
    return {}
