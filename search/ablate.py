"""Train the rows of the paper's Table 2 over one configuration, as one study.

    python search/ablate.py --dataset mosi --config paper
    python search/ablate.py --dataset mosi --config runs/mosi-20261123-153104/best.yaml --seeds 3
    python search/ablate.py --name ablation-mosi-20261124-090000 --resume

The full model, five subsets of the modalities, and the model without each of four regularisers and
three components are trained on the same seeds; the trainings appear in the MLflow UI as they run.
Prints the table of validation metrics beside the paper's figures. The test split stays shut.
"""

import sys
import time
from datetime import datetime

from tracking.passwords import hide_passwords_in_process_list

if __name__ == "__main__":
    # First of all, since what follows takes seconds to import.
    hide_passwords_in_process_list()

from dlf.command import EXIT_DONE, WorkFailedError, run_command
from dlf.data import open_split, prepare_dataset, seal_test_split
from search.ablation.ablation import RESULT_FILE, TABLE_FILE, Ablation, AblationFolder, AblationPlan
from search.ablation.request import (
    AblationRequest,
    config_of,
    dataset_of,
    plan_ablation,
    read_request,
)
from search.ablation.result import AblationResult, result_of
from search.ablation.table import markdown_table, shown_table
from search.cluster.ray_session import ray_session
from search.engine.trainable import Workplace
from search.planning.next_steps import look_command, resume_command
from search.recording.recorded_work import RecordedWork
from search.recording.tracked_study import tracked_trials
from search.resources.allotment import Resources, fit_resources
from search.resources.gpu_share import settle_share, tell_unmeasured
from search.seeded.seeded_trainings import SeededTrainings
from search.trial.checkpoints import Checkpoints
from tracking.journal.file import TRACKING_FILE
from tracking.recorder import Recorders
from tracking.records import Ending, Summary, TrialState
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.store.first_contact import FirstContact
from tracking.store.location import TrackingLocation, resolve
from tracking.study_files import CHECKPOINTS_FOLDER
from tracking.terminal.console import onlooker_on, say_on_stderr
from tracking.terminal.progress import Best, Bounds, Past, Progress


def main() -> int:
    """Read the flags, train the rows, print the table."""
    request = read_request()
    place = AblationFolder(request.name, request.output.folder)
    output = request.output.of(request.name)
    output.refuse_unusable(to_write=not request.dry_run)
    output.fetch()
    former = place.plan() if request.resume else None
    if former is None:
        place.refuse_if_taken()
    location = resolve(request.tracking_uri)
    contact = None if request.dry_run else FirstContact(location)
    config = config_of(request, former)
    manifest = prepare_dataset(dataset_of(request, former), request.data_dir)
    seal_test_split()
    with ray_session(request.ray_address) as cluster:
        resources = fit_resources(
            request.cpus_per_trial,
            request.gpus_per_trial,
            request.max_concurrent,
            cluster=cluster,
        )
        plan, text_words = plan_ablation(request, manifest, config, resources, former)
        if contact is None:
            tell_unmeasured(request, resources)
            print(describe(plan, text_words, resources))
            return EXIT_DONE
        contact.confirm()
        data = plan.data_in(request.data_dir)
        data.prepare(resources.driver_device)
        configs = [entrant.config for entrant in plan.entrants]
        resources = settle_share(request, resources, data, configs)
        with place.held():
            if former is None:
                place.begin(plan)
            if not request.json_only:
                print(describe(plan, text_words, resources))
            return ablate(request, plan, place, resources, location)


def describe(plan: AblationPlan, text_words: str, resources: Resources) -> str:
    """Return what would be done."""
    trained = plan.entrants
    lines = [
        f"text {text_words}",
        f"{len(trained)} rows on {plan.seeds} seeds each, {len(trained) * plan.seeds} trainings of "
        f"at most {plan.max_epochs} epochs, {resources.max_concurrent} at once",
        f"rows: {', '.join(entrant.name for entrant in trained)}",
    ]
    same = [f"{row.name} (as {same_as})" for row, _, same_as in plan.rows if same_as is not None]
    if same:
        lines.append(f"not trained, for they are the same as another: {', '.join(same)}")
    return "\n".join(lines)


def ablate(
    request: AblationRequest,
    plan: AblationPlan,
    place: AblationFolder,
    resources: Resources,
    location: TrackingLocation,
) -> int:
    """Train what has not been trained yet, and print what all of it came to."""
    started = time.monotonic()
    data = plan.data_in(request.data_dir)
    output = request.output.of(request.name)
    checkpoints = Checkpoints(folder=output.for_workers(place.folder / CHECKPOINTS_FOLDER))
    workplace = Workplace(data=data, resources=resources, checkpoints=checkpoints)
    ablation = Ablation(plan, place, workplace)
    trainings = ablation.trainings()
    shown = Progress(Bounds(trials=trainings.total), past_of(trainings))
    onlookers = [] if request.json_only else [onlooker_on(sys.stdout, shown)]
    tell = onlookers[0].say if onlookers else say_on_stderr
    record = tracked_trials(place.name, plan.key, data, {**plan.tags(), **resources.tags()})
    mlflow = MlflowRecorder(location, record, place.folder / TRACKING_FILE, tell=tell)
    mlflow.ready()
    watching = [*output.recorders(tell), *onlookers]
    finish = Recorders([mlflow, *watching]).finish
    with RecordedWork(finish, resume_command(request.name, "--name")) as work:
        ablation.train(trainings, mlflow, watching, tell)
        result = result_of(
            place.name,
            plan,
            trainings,
            open_split(data.dataset, data.data_dir, "valid").labels,
            table=place.folder / TABLE_FILE,
            seconds=time.monotonic() - started,
        )
        place.keep(RESULT_FILE, result.model_dump_json(indent=2))
        place.keep_table(markdown_table(result))
        work.summary = summary_of(result)
    if request.json_only:
        print(result.model_dump_json())
    else:
        print(f"\n{shown_table(result)}\n")
        print(f"read it again:         {result.table}")
        print(f"compare the trainings: {look_command(location)}   (tracked in {location.shown})")
    if mlflow.unsent is not None:
        print(mlflow.unsent, file=sys.stderr)
    if result.failed:
        names = ", ".join(row.name for row in result.failed)
        raise WorkFailedError(
            f"what has failed is no part of the table: {names}; this trains it again:  "
            f"{resume_command(request.name, '--name')}"
        )
    if work.missing is not None:
        raise WorkFailedError(work.missing)
    return EXIT_DONE


def past_of(trainings: SeededTrainings) -> Past:
    """Return what an earlier process has trained, for whoever watches."""
    ended = trainings.ended
    if not ended:
        return Past()
    number = min(ended, key=lambda each: ended[each].best_mae)
    entrant, index = trainings.place_of(number)
    return Past(
        ended={TrialState.COMPLETE: len(ended)},
        epochs=sum(len(training.history) for training in ended.values()),
        # When it ended was not kept; it is known from now on.
        best=Best(
            name=f"{entrant.name}, seed {index}", value=ended[number].best_mae, at=datetime.now()
        ),
    )


def summary_of(result: AblationResult) -> Summary:
    """Return what tracking is told in the end: the metrics of the full model."""
    scores = result.full_model.scores
    ending = Ending.FAILED if result.failed else Ending.FINISHED
    return Summary(ending=ending, metrics={} if scores is None else scores.mean.named("valid"))


if __name__ == "__main__":
    run_command(main)
