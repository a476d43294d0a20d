"""Search for the best DLF configuration on a dataset.

    python search/run.py --dataset synthetic --trials 20
    python search/run.py --dataset mosi --data-dir data --trials 200
    python search/run.py --study mosi-20261123-153104 --resume --trials 300

The trials appear in the MLflow UI as they run; the best configuration is kept in
runs/<study>/best.yaml, and search/promote.py makes a final model of it. The test split stays shut.
"""

import sys
import time
from contextlib import ExitStack

from tracking.passwords import hide_passwords_in_process_list

if __name__ == "__main__":
    # First of all, since what follows takes seconds to import.
    hide_passwords_in_process_list()

from dlf.command import EXIT_DONE, WorkFailedError, run_command
from dlf.data import prepare_dataset, seal_test_split
from search.cluster.ray_session import ray_session
from search.engine.ledger import TrialLedger
from search.engine.run_trials import run_trials
from search.engine.trainable import Workplace
from search.planning.dry_run import describe_search
from search.planning.estimate import seconds_of_an_epoch
from search.planning.next_steps import look_command, promote_command, resume_command
from search.planning.plan import SearchPlan, plan_search
from search.planning.request import SearchRequest, read_request
from search.recording.recorded_work import RecordedWork
from search.recording.search_recording import SearchRecording
from search.resources.allotment import fit_resources
from search.resources.gpu_share import settle_share, tell_unmeasured
from search.storage.storage_failures import told_in_words
from search.study.budget import BudgetKeeper
from search.study.open_study import OpenStudy, StudyPlace
from search.study.records import ends_of, trials_differ
from search.study.samplers import make_sampler
from search.study.starting_points import copy_trials, enqueue
from search.study.summary import faults_of, result_of, summary_of
from search.study.trials import StudyTrials
from tracking.records import Summary
from tracking.store.first_contact import FirstContact
from tracking.store.location import TrackingLocation, resolve
from tracking.terminal.console import say_on_stderr


def main() -> int:
    """Read the flags, run the search, print what it came to."""
    request = read_request()
    place = StudyPlace.of(request.study, request.output, request.storage)
    output = request.output.of(request.study)
    output.refuse_unusable(to_write=not request.dry_run)
    location = resolve(request.tracking_uri)
    contact = None if request.dry_run else FirstContact(location)
    with ExitStack() as held:
        former = None
        if not request.resume:
            place.refuse_if_taken()
        else:
            place.refuse_if_absent()
            if not request.dry_run:
                place.make_folder()
                held.enter_context(place.hold())
                output.fetch()
            former = place.load()
        manifest = prepare_dataset(dataset_of(request, former), request.data_dir)
        seal_test_split()
        with ray_session(request.ray_address) as cluster:
            resources = fit_resources(
                request.cpus_per_trial,
                request.gpus_per_trial,
                request.max_concurrent,
                cluster=cluster,
            )
            plan = plan_search(request, manifest, resources, former, warm_start_of(request))
            if contact is None:
                tell_unmeasured(request, resources)
                seconds = seconds_of_an_epoch(plan.identity, request.data_dir, resources)
                print(describe_search(plan, seconds))
                return EXIT_DONE
            contact.confirm(offline=request.tracking_offline)
            if former is None:
                place.make_folder()
                held.enter_context(place.hold())
                place.refuse_if_taken()
                output.fetch()
            if not request.json_only:
                print(f"text {plan.text_words}")
            data = plan.identity.data_in(request.data_dir)
            data.prepare(resources.driver_device)
            resources = settle_share(
                request, resources, data, plan.largest(), replicates=plan.identity.replicates
            )
            plan = plan._replace(resources=resources)
            return search(request, plan, place, location, former)


def dataset_of(request: SearchRequest, former: OpenStudy | None) -> str:
    """Return the dataset, which a study that is resumed knows by itself."""
    if request.dataset is not None:
        return request.dataset
    assert former is not None, "without --dataset a search was refused, unless it is resumed"
    return former.identity.dataset


def warm_start_of(request: SearchRequest) -> OpenStudy | None:
    """Open the study whose trials are to be copied, if there is one."""
    if request.warm_start is None:
        return None
    return StudyPlace.of(request.warm_start, request.output, request.storage).load()


def search(
    request: SearchRequest,
    plan: SearchPlan,
    place: StudyPlace,
    location: TrackingLocation,
    former: OpenStudy | None,
) -> int:
    """Run the trials of a study that begins or goes on; print what it came to."""
    started = time.monotonic()
    opened = begin(plan, place, former)
    study = opened.study
    if not request.json_only:
        total, at_once = plan.budget.trials, plan.resources.max_concurrent
        print(f"study {request.study}: {total} trials, {at_once} at once")
    recording = SearchRecording(request, plan, place, opened, location)
    place.patience.tell = recording.tell
    mlflow = recording.mlflow
    keeper = BudgetKeeper(plan.budget)

    def finish(summary: Summary) -> str | None:
        if work.broken_off:
            place.patience.give_up()
        ended_by = "it was broken off" if work.broken_off else keeper.ended_by
        return recording.finish(summary, ended_by)

    with RecordedWork(finish, resume_command(request.study)) as work:
        mlflow.ready(offline=request.tracking_offline)
        # A driver that was killed may have told the study of an end, and nobody else.
        recording.kept.keep_left_behind(study, plan.identity)
        for number, outcome in ends_of(study).items():
            mlflow.end_trial(number, outcome)
        train(request, plan, place, opened, keeper, recording)
        work.summary = summary_of(study)
    seconds = time.monotonic() - started
    result = result_of(study, mlflow, ended_by=keeper.ended_by, seconds=seconds, uri=location.shown)
    if request.json_only:
        print(result.model_dump_json())
    else:
        promote = promote_command(request.study, request.places)
        look, replicates = look_command(location), plan.identity.replicates
        print(result.describe(look, promote, recording.report, replicates=replicates))
        print(*faults_of(study), sep="\n")
    if mlflow.unsent is not None:
        print(mlflow.unsent, file=sys.stderr)
    if result.best is None:
        raise WorkFailedError("no trial was completed; MLflow has the reason with each trial")
    if work.missing is not None:
        raise WorkFailedError(work.missing)
    return EXIT_DONE


def begin(plan: SearchPlan, place: StudyPlace, former: OpenStudy | None) -> OpenStudy:
    """Create or take up the study, and give it what its next trials are to be."""
    if former is None:
        opened = place.create(plan.identity, plan.settings)
    else:
        opened = place.take_up(former, plan.identity, plan.settings)
    study, space = opened.study, plan.identity.space
    if plan.warm_start is not None:
        copied, left_out = copy_trials(plan.warm_start, study, plan.identity)
        name = plan.warm_start.study.study_name
        say_on_stderr(
            f"learning from {copied} trials of {name!r}; {left_out} others do not fit this space"
        )
    enqueue(study, plan.identity, plan.enqueued)
    before = study.get_trials(deepcopy=False)
    study.sampler = make_sampler(
        plan.settings.sampler,
        seed=plan.settings.seed,
        trials_before=len(before),
        grouped=space.is_conditional or trials_differ(before, plan.identity),
    )
    study.pruner = plan.settings.stopping.pruner(plan.identity.max_epochs)
    return opened


def train(
    request: SearchRequest,
    plan: SearchPlan,
    place: StudyPlace,
    opened: OpenStudy,
    keeper: BudgetKeeper,
    recording: SearchRecording,
) -> None:
    """Run trials until the budget is spent."""
    trials = StudyTrials(
        opened.study,
        plan.identity,
        keeper,
        seed=plan.settings.seed,
        folder=place.folder,
        allow_duplicates=request.allow_duplicates,
    )
    workplace = Workplace(
        data=plan.identity.data_in(request.data_dir),
        resources=plan.resources,
        checkpoints=recording.checkpoints,
        trial_timeout=request.trial_timeout,
    )
    workplace.checkpoints.discard_all_but(trials.left_behind)

    def look() -> None:
        place.refuse_if_lost()
        recording.live_report.look()

    with told_in_words(place.shown_storage):
        run_trials(
            TrialLedger(trials, recording.recorder),
            workplace,
            place.folder,
            look=look,
            on_interrupt=place.patience.give_up,
            tell=recording.tell,
        )
    # One that was left under way, and found the budget spent, was trained by nobody.
    workplace.checkpoints.discard_all_but(())


if __name__ == "__main__":
    run_command(main)
