"""Promote the best configuration of a study to a final, registered model, with evidence.

    python search/promote.py --study mosi-20261123-153104
    python search/promote.py --study mosi-20261123-153104 --top 5 --seeds 5 --final-seeds 5
    python search/promote.py --study mosi-20261123-153104 --resume

The best trials and the paper's configuration race on fresh seeds, and those that are clearly worse
drop out. The winner and the paper's configuration are trained on further seeds, and the paper's is
kept unless it is clearly beaten. Then the test split is read, once, and the model that is kept is
registered in MLflow as dlf-<dataset> under the alias `champion`.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from tracking.passwords import hide_passwords_in_process_list

if __name__ == "__main__":
    # First of all, since what follows takes seconds to import.
    hide_passwords_in_process_list()

from dlf.command import EXIT_DONE, BadInputError, WorkFailedError, make_folder, run_command
from dlf.data import prepare_dataset
from search.cluster.ray_session import ray_session
from search.engine.trainable import Workplace
from search.planning.next_steps import resume_command
from search.promotion.conclusion import conclude
from search.promotion.plan import PromotionFolder, PromotionPlan
from search.promotion.promotion import Promotion
from search.promotion.request import PromotionRequest, plan_promotion, read_request
from search.recording.recorded_work import RecordedWork
from search.recording.tracked_study import tracked_study
from search.resources.allotment import Resources, fit_resources
from search.resources.gpu_share import settle_share, tell_unmeasured
from search.storage.driver_lock import StudyLock, hold_study
from search.study.open_study import OpenStudy, StudyPlace
from search.trial.checkpoints import Checkpoints
from tracking.journal.file import TRACKING_FILE
from tracking.recorder import Recorders
from tracking.records import Ending, Summary, TrialState
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.store.first_contact import FirstContact
from tracking.store.location import TrackingLocation, resolve
from tracking.study_files import CHECKPOINTS_FOLDER, PROMOTIONS_FOLDER
from tracking.terminal.console import onlooker_on, say_on_stderr
from tracking.terminal.progress import Bounds, Past, Progress


def main() -> int:
    """Read the flags, promote, print what it came to."""
    request = read_request()
    place = StudyPlace.of(request.study, request.output, request.storage)
    output = request.output.of(request.study)
    output.refuse_unusable(to_write=not request.dry_run)
    place.mend()
    opened = place.load()
    refuse_other_data(request, opened)
    location = resolve(request.tracking_uri)
    contact = None if request.dry_run else FirstContact(location)
    with ExitStack() as held:
        lock = None if request.dry_run else held.enter_context(alone(place, request.storage))
        output.fetch()
        plan, former = plan_promotion(request, place, opened, location)
        cluster = held.enter_context(ray_session(request.ray_address))
        resources = fit_resources(
            request.cpus_per_trial,
            request.gpus_per_trial,
            request.max_concurrent,
            cluster=cluster,
        )
        if contact is None or lock is None:
            tell_unmeasured(request, resources)
            print(describe(plan, resources))
            return EXIT_DONE
        contact.confirm()
        data = opened.identity.data_in(request.data_dir)
        data.prepare(resources.driver_device)
        resources = settle_share(request, resources, data, plan.configs)
        waiting = PromotionFolder.unfinished(place.folder)
        if former is None and waiting is not None:
            print(f"{waiting.folder} was broken off; --resume goes on with it", file=sys.stderr)
        folder = former or PromotionFolder.new(place.folder, plan)
        return promote(request, place, lock, opened, plan, folder, resources, location)


@contextmanager
def alone(place: StudyPlace, storage: str | None) -> Iterator[StudyLock]:
    """Be the only promotion of a study: two at once would both find the test split unread."""
    folder = place.folder / PROMOTIONS_FOLDER
    make_folder(folder)
    with hold_study(folder, storage, f"{place.name} (its promotions)") as lock:
        yield lock


def refuse_if_not_alone(lock: StudyLock, study: str) -> None:
    """Raise `WorkFailedError` when another promotion has begun while a database was away."""
    if not lock.still_held():
        raise WorkFailedError(
            f"another promotion of the study {study!r} has begun while its database was away; "
            "--resume goes on when that has ended"
        )


def refuse_other_data(request: PromotionRequest, opened: OpenStudy) -> None:
    """Raise `BadInputError` when the data folder has not the study's data."""
    identity = opened.identity
    manifest = prepare_dataset(identity.dataset, request.data_dir)
    if manifest.digest != identity.dataset_digest:
        raise BadInputError(
            f"{identity.dataset} in {request.data_dir} is not the data of this study: its digest "
            f"begins with {manifest.digest[:12]} where the study has {identity.dataset_digest[:12]}"
        )


def describe(plan: PromotionPlan, resources: Resources) -> str:
    """Return what would be done."""
    names = ", ".join(finalist.name for finalist in plan.finalists)
    finals = "the winner and the paper's configuration"
    if plan.champion is not None:
        finals = "the winner, the paper's configuration and the champion's"
    return "\n".join(
        [
            f"race: {names}; 2 to {plan.seeds} seeds each, {resources.max_concurrent} at once",
            f"final: {finals} on {plan.final_seeds} further seeds",
            f"at most {plan.max_epochs} epochs each; the paper's configuration trains until its "
            f"own patience ends, {plan.paper_epochs} at most",
        ]
    )


def promote(
    request: PromotionRequest,
    place: StudyPlace,
    lock: StudyLock,
    opened: OpenStudy,
    plan: PromotionPlan,
    folder: PromotionFolder,
    resources: Resources,
    location: TrackingLocation,
) -> int:
    """Train, decide, read the test split, hand the model over, and print what it came to."""
    finals = 2 if plan.champion is None else 3
    most = len(plan.finalists) * plan.seeds + finals * plan.final_seeds
    before = sum(training.complete for training in folder.trainings.read().values())
    shown = Progress(Bounds(trials=most), Past(ended={TrialState.COMPLETE: before}))
    onlookers = [] if request.json_only else [onlooker_on(sys.stdout, shown)]
    tell = onlookers[0].say if onlookers else say_on_stderr
    identity = opened.identity
    record = tracked_study(
        f"promotion of {request.study}", plan.key, identity, request.data_dir, resources.tags()
    )
    mlflow = MlflowRecorder(location, record, folder.folder / TRACKING_FILE, tell=tell)
    place.patience.tell = tell
    look = partial(refuse_if_not_alone, lock, request.study)
    place.patience.hold_out("the promotion", look)
    mlflow.ready()
    output = request.output.of(request.study)

    def mend_study() -> None:
        place.patience.run(look)
        place.mend()

    watching = [*output.recorders(tell), *onlookers]
    promotion = Promotion(
        study=opened.study,
        plan=plan,
        place=folder,
        workplace=Workplace(
            data=identity.data_in(request.data_dir),
            resources=resources,
            checkpoints=Checkpoints(folder=output.for_workers(folder.folder / CHECKPOINTS_FOLDER)),
        ),
        mlflow=mlflow,
        onlookers=watching,
        tell=tell,
        mend_study=mend_study,
    )
    finish = Recorders([mlflow, *watching]).finish
    with RecordedWork(finish, resume_command(request.study)) as work:
        result, words = conclude(promotion, opened, location, request.places)
        metrics = {} if result.test is None else result.test.named("test")
        work.summary = Summary(ending=Ending.FINISHED, metrics=metrics)
    print(result.model_dump_json() if request.json_only else words)
    if mlflow.unsent is not None:
        print(mlflow.unsent, file=sys.stderr)
    if work.missing is not None:
        raise WorkFailedError(work.missing)
    return EXIT_DONE


if __name__ == "__main__":
    run_command(main)
