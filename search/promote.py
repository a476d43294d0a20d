"""Promote the best configuration of a study to a final, registered model.

    python search/promote.py --study mosi-20261123-153104
    python search/promote.py --study mosi-20261123-153104 --top 3 --seeds 5

The best trials and the paper's configuration are trained again on fresh seeds. The one with the
lowest mean validation MAE is the winner; it alone is evaluated on the test split, and registered in
MLflow as dlf-<dataset> under the alias `champion`.
"""

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import optuna

from dlf.command import (
    EXIT_DONE,
    BadInputError,
    CommandParser,
    WorkFailedError,
    positive_int,
    run_command,
)
from dlf.data import Manifest, prepare_dataset
from search.arguments import SharedRequest, add_shared_flags
from search.engine import Resources, fit_resources, local_ray, run_trials
from search.finalists import FinalistTrials, choose_finalists
from search.ledger import TrialLedger
from search.promotion_result import PromotionResult
from search.study import StudyIdentity, StudyPlace
from search.study_trials import trial_name
from search.trainable import Workplace
from search.verdict import mean_metrics, read_test_split, test_reads, trained_models
from tracking.console import ConsoleRecorder
from tracking.location import TrackingLocation, resolve
from tracking.mlflow_recorder import MlflowRecorder
from tracking.recorder import Recorder, Recorders
from tracking.records import Ending, StudyRecord, Summary
from tracking.registry import register_champion

TEST_FILE = "test.json"


class PromotionRequest(SharedRequest):
    """What the command line asks for."""

    study: str
    data_dir: Path
    top: int
    seeds: int
    max_epochs: int | None


def main() -> int:
    """Read the flags, promote, print what it came to."""
    request = read_request()
    place = StudyPlace(request.study, request.output, request.storage)
    study, identity = place.load()
    manifest = prepare_dataset(identity.dataset, request.data_dir)
    if manifest.digest != identity.dataset_digest:
        raise BadInputError(
            f"{identity.dataset} in {request.data_dir} is not the data of this study: its digest "
            f"begins with {manifest.digest[:12]} where the study has {identity.dataset_digest[:12]}"
        )
    trials = FinalistTrials(choose_finalists(study, identity, request.top), request.seeds)
    folder = place.folder / "promotions" / f"{datetime.now():%Y%m%d-%H%M%S}"
    location = resolve(request.tracking_uri)
    with local_ray():
        resources = fit_resources(
            request.cpus_per_trial, request.gpus_per_trial, request.max_concurrent
        )
        if request.dry_run:
            names = ", ".join(trial_name(finalist.number) for finalist in trials.finalists)
            print(f"{names}: {request.seeds} seeds each, {resources.max_concurrent} at once")
            return EXIT_DONE
        mlflow = MlflowRecorder(location, promotion_record(request, identity))
        mlflow.ready()
        summary = Summary(ending=Ending.FAILED)
        try:
            states = train_finalists(request, identity, trials, resources, folder, mlflow)
            result = hand_over(request, study, manifest, trials, states, folder, location, mlflow)
            summary = Summary(ending=Ending.FINISHED, metrics=result.test.named("test"))
        except KeyboardInterrupt:
            summary = Summary(ending=Ending.INTERRUPTED)
            raise
        finally:
            missing = mlflow.finish(summary)
    if request.json_only:
        print(result.model_dump_json())
    else:
        print(result.describe(location.shown, test_reads(study)))
    if missing is not None:
        raise WorkFailedError(missing)
    return EXIT_DONE


def read_request() -> PromotionRequest:
    """Read the command line."""
    parser = CommandParser(description="Promote the best configuration of a study.")
    add = parser.add_argument
    add("--study", required=True, metavar="NAME")
    add("--data-dir", type=Path, default=Path("data"), help="the folder of all datasets")
    add("--top", type=positive_int, default=1, metavar="K", help="trials that are tried again")
    add("--seeds", type=positive_int, default=2, metavar="S", help="fresh seeds for each of them")
    add("--max-epochs", type=positive_int, metavar="N", help="left out: those of the search")
    add_shared_flags(parser)
    return PromotionRequest.model_validate(vars(parser.parse_args()))


def promotion_record(request: PromotionRequest, identity: StudyIdentity) -> StudyRecord:
    """Return what tracking says of the promotion as it starts."""
    name = f"promotion of {request.study}"
    return StudyRecord(name=name, dataset=identity.dataset, tags=identity.tags())


def train_finalists(
    request: PromotionRequest,
    identity: StudyIdentity,
    trials: FinalistTrials,
    resources: Resources,
    folder: Path,
    mlflow: MlflowRecorder,
) -> dict[int, Path]:
    """Train every finalist on every seed; return the folder of each training's final state."""
    recorders: list[Recorder] = [mlflow]
    if not request.json_only:
        recorders.append(ConsoleRecorder(sys.stdout, trials.total))
    workplace = Workplace(
        dataset=identity.dataset,
        dataset_digest=identity.dataset_digest,
        data_dir=request.data_dir.absolute(),
        max_epochs=request.max_epochs or identity.max_epochs,
        cpus_per_trial=resources.cpus_per_trial,
        gpus_per_trial=resources.gpus_per_trial,
    )
    ledger = TrialLedger(trials, Recorders(recorders))
    states = run_trials(ledger, workplace, resources, folder, keep_final_state=True)
    trials.refuse_failures()
    return states


def hand_over(
    request: PromotionRequest,
    study: optuna.Study,
    manifest: Manifest,
    trials: FinalistTrials,
    states: Mapping[int, Path],
    folder: Path,
    location: TrackingLocation,
    mlflow: MlflowRecorder,
) -> PromotionResult:
    """Evaluate the winner on the test split, and register its best model.

    The test metrics are kept on disk before anything else is tried: they cannot be read twice.
    """
    winner = trials.winner()
    numbers = trials.numbers_of(winner)
    models = trained_models(winner, manifest, [states[number] for number in numbers])
    tests = read_test_split(study, models, request.data_dir)
    test = mean_metrics(tests)
    (folder / TEST_FILE).write_text(test.model_dump_json(indent=2), encoding="utf-8")
    best = min(range(len(models)), key=lambda index: models[index].card.valid.mae)
    models[best].save(folder / "model")
    try:
        registered = register_champion(
            location,
            dataset=manifest.dataset,
            run_id=mlflow.run_id(numbers[best]),
            folder=folder / "model",
            tags={"dlf.promoted_study": request.study, "dlf.promoted_trial": str(winner.number)},
            metrics=tests[best].named("test"),
        )
    except WorkFailedError as error:
        raise WorkFailedError(
            f"{error}; the model and its test metrics are kept in {folder}"
        ) from error
    return PromotionResult.of(request.study, trials, test, registered)


if __name__ == "__main__":
    run_command(main)
