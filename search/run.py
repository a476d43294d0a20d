"""Search for the best DLF configuration on a dataset.

    python search/run.py --dataset synthetic --trials 20
    python search/run.py --dataset mosi --data-dir data --trials 200

The trials appear in the MLflow UI as they run; the best configuration is kept in
runs/<study>/best.yaml, and search/promote.py makes a final model of it. The test split stays shut.
"""

import sys
import time
from datetime import datetime
from pathlib import Path

import optuna

from dlf.command import (
    EXIT_DONE,
    CommandParser,
    WorkFailedError,
    positive_int,
    run_command,
    seed_int,
)
from dlf.data import DATASETS, prepare_dataset, seal_test_split
from dlf.presets import preset
from dlf.text.choice import choose_text
from dlf.text.source import TEXT_WAYS, TextWay
from search.arguments import SharedRequest, add_shared_flags
from search.dry_run import describe_search
from search.engine import local_ray, run_trials
from search.ledger import TrialLedger
from search.next_steps import look_command, promote_command
from search.resources import Resources, fit_resources
from search.result import Baseline, BestTrial, SearchResult, TrialCounts
from search.space import Space
from search.study import StudyIdentity, StudyPlace
from search.study_trials import (
    PAPER_TRIAL,
    FinishedTrial,
    StudyTrials,
    count_states,
    finished_trials,
)
from search.trainable import Workplace
from tracking.console import ConsoleRecorder
from tracking.location import TrackingLocation, resolve
from tracking.mlflow_recorder import MlflowRecorder
from tracking.recorder import Recorder, Recorders
from tracking.records import Ending, StudyRecord, Summary


class SearchRequest(SharedRequest):
    """What the command line asks for."""

    dataset: str
    data_dir: Path
    trials: int
    study: str
    max_epochs: int
    text: TextWay | None
    text_encoder: str | None
    seed: int


def main() -> int:
    """Read the flags, run the search, print what it came to."""
    request = read_request()
    manifest = prepare_dataset(request.dataset, request.data_dir)
    seal_test_split()
    place = StudyPlace(request.study, request.output, request.storage)
    place.refuse_if_taken()
    location = resolve(request.tracking_uri)
    with local_ray():
        resources = fit_resources(
            request.cpus_per_trial, request.gpus_per_trial, request.max_concurrent
        )
        text = choose_text(
            request.text,
            request.text_encoder,
            synthetic=request.dataset == "synthetic",
            gpu=resources.gpus_per_trial > 0,
        )
        identity = StudyIdentity(
            dataset=request.dataset,
            dataset_digest=manifest.digest,
            text=text.source,
            max_epochs=request.max_epochs,
            base=preset("paper", request.dataset),
            space=Space.of_text(text.source.way),
        )
        if request.dry_run:
            print(f"text {text}")
            print(describe_search(identity, request.trials, resources))
            return EXIT_DONE
        place.make_folder()
        if not request.json_only:
            print(f"text {text}")
        identity.data_in(request.data_dir).prepare(resources.device)
        result, missing = search(request, identity, place, location, resources)
    if request.json_only:
        print(result.model_dump_json())
    else:
        flags = {
            "--data-dir": request.data_dir,
            "--output": request.output,
            "--storage": request.storage,
            "--tracking-uri": request.tracking_uri,
        }
        print(result.describe(look_command(location), promote_command(request.study, flags)))
    if result.best is None:
        raise WorkFailedError("no trial was completed; MLflow has the reason with each trial")
    if missing is not None:
        raise WorkFailedError(missing)
    return EXIT_DONE


def read_request() -> SearchRequest:
    """Read the command line."""
    parser = CommandParser(description="Search for the best DLF configuration on a dataset.")
    add = parser.add_argument
    add("--dataset", choices=DATASETS, required=True)
    add("--data-dir", type=Path, default=Path("data"), help="the folder of all datasets")
    add("--trials", type=positive_int, default=20, metavar="N")
    add("--study", metavar="NAME", help="left out: the dataset and the time")
    add("--max-epochs", type=positive_int, default=30, metavar="N", help="of every trial")
    add(
        "--text",
        choices=TEXT_WAYS,
        help="features of the file, of a frozen encoder, or of one that learns along; left out: "
        "the strongest that the machine allows",
    )
    add(
        "--text-encoder",
        metavar="NAME",
        help="minilm, a name on the Hugging Face hub, or a folder; left out: the one at hand",
    )
    add("--seed", type=seed_int, default=0, metavar="N", help="of the whole search")
    add_shared_flags(parser)
    args = parser.parse_args()
    args.study = args.study or f"{args.dataset}-{datetime.now():%Y%m%d-%H%M%S}"
    return SearchRequest.model_validate(vars(args))


def search(
    request: SearchRequest,
    identity: StudyIdentity,
    place: StudyPlace,
    location: TrackingLocation,
    resources: Resources,
) -> tuple[SearchResult, str | None]:
    """Run all trials of a new study; return its result, and what tracking could not keep."""
    started = time.monotonic()
    mlflow = MlflowRecorder(
        location,
        StudyRecord(name=request.study, dataset=identity.dataset, tags=identity.tags()),
    )
    mlflow.ready()
    recorders: list[Recorder] = [mlflow]
    if not request.json_only:
        print(f"study {request.study}: {request.trials} trials, {resources.max_concurrent} at once")
        recorders.append(ConsoleRecorder(sys.stdout, request.trials))
    recorder = Recorders(recorders)
    workplace = Workplace(
        data=identity.data_in(request.data_dir),
        max_epochs=identity.max_epochs,
        resources=resources,
    )
    summary = Summary(ending=Ending.FAILED)
    try:
        study = place.create(identity, request.seed)
        trials = StudyTrials(study, identity, request.trials, request.seed, place.folder)
        ledger = TrialLedger(trials, recorder)
        run_trials(ledger, workplace, place.folder, keep_final_state=False)
        summary = summary_of(study)
    except KeyboardInterrupt:
        summary = Summary(ending=Ending.INTERRUPTED)
        raise
    finally:
        missing = recorder.finish(summary)
    seconds = time.monotonic() - started
    return result_of(study, mlflow, ledger, location.shown, seconds), missing


def summary_of(study: optuna.Study) -> Summary:
    """Return what tracking says of the study in the end."""
    tags = {f"dlf.{state}": str(count) for state, count in count_states(study).items()}
    finished = finished_trials(study)
    if not finished:
        return Summary(ending=Ending.FAILED, tags=tags)
    tags["dlf.best_trial"] = str(finished[0].number)
    best = {"valid/best_mae": finished[0].value}
    return Summary(ending=Ending.FINISHED, tags=tags, metrics=best)


def result_of(
    study: optuna.Study, mlflow: MlflowRecorder, ledger: TrialLedger, uri: str, seconds: float
) -> SearchResult:
    """Gather the result of the search."""
    finished = finished_trials(study)
    baseline = [trial.value for trial in finished if trial.number == PAPER_TRIAL]
    best = None
    if finished:
        best = BestTrial(run_id=run_id_of(mlflow, finished[0]), **finished[0].model_dump())
    counts = count_states(study)
    return SearchResult(
        study=study.study_name,
        trials=TrialCounts(**{state.value: count for state, count in counts.items()}),
        best=best,
        baseline=Baseline(value=baseline[0] if baseline else None),
        epochs_trained=ledger.epochs_trained,
        wall_seconds=seconds,
        tracking_uri=uri,
    )


def run_id_of(mlflow: MlflowRecorder, trial: FinishedTrial) -> str | None:
    """Return the run of a trial; none where tracking lost it, which must not cost the result."""
    try:
        return mlflow.run_id(trial.number)
    except WorkFailedError:
        return None


if __name__ == "__main__":
    run_command(main)
