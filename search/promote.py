"""Promote the best configuration of a study to a final, registered model.

    python search/promote.py --study mosi-20261123-153104
    python search/promote.py --study mosi-20261123-153104 --top 3 --seeds 5

The best trials and the paper's configuration are trained again on fresh seeds. The one with the
lowest mean validation MAE is the winner; it alone is evaluated on the test split, and registered in
MLflow as dlf-<dataset> under the alias `champion`.
"""

import sys
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from dlf.command import (
    EXIT_DONE,
    BadInputError,
    CommandParser,
    WorkFailedError,
    positive_int,
    run_command,
)
from dlf.data import prepare_dataset
from search.arguments import SharedRequest, add_shared_flags
from search.checkpoints import Checkpoints
from search.engine import local_ray
from search.finalists import FinalistTrials, choose_finalists
from search.promotion import Promotion
from search.resources import fit_resources
from search.study import StudyPlace, make_folder
from search.study_records import trial_name
from search.tracked_study import tracked_study
from search.trainable import Workplace
from search.verdict import test_reads
from tracking.console import onlooker_on, say_on_stderr
from tracking.first_contact import FirstContact
from tracking.journal import TRACKING_FILE
from tracking.location import resolve
from tracking.mlflow_recorder import MlflowRecorder
from tracking.progress import Bounds, Progress
from tracking.recorder import Recorders
from tracking.records import Ending, Summary


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
    place.mend()
    opened = place.load()
    study, identity = opened.study, opened.identity
    manifest = prepare_dataset(identity.dataset, request.data_dir)
    if manifest.digest != identity.dataset_digest:
        raise BadInputError(
            f"{identity.dataset} in {request.data_dir} is not the data of this study: its digest "
            f"begins with {manifest.digest[:12]} where the study has {identity.dataset_digest[:12]}"
        )
    trials = FinalistTrials(choose_finalists(study, identity, request.top), request.seeds)
    location = resolve(request.tracking_uri)
    contact = None if request.dry_run else FirstContact(location)
    with local_ray():
        resources = fit_resources(
            request.cpus_per_trial, request.gpus_per_trial, request.max_concurrent
        )
        if contact is None:
            names = ", ".join(trial_name(finalist.number) for finalist in trials.finalists)
            print(f"{names}: {request.seeds} seeds each, {resources.max_concurrent} at once")
            return EXIT_DONE
        contact.confirm()
        data = identity.data_in(request.data_dir)
        data.prepare(resources.device)
        name = f"promotion of {request.study}"
        folder = place.folder / "promotions" / f"{datetime.now():%Y%m%d-%H%M%S}"
        make_folder(folder)
        record = tracked_study(name, uuid4().hex, identity, request.data_dir, {})
        shown = Progress(Bounds(trials=trials.total))
        onlookers = [] if request.json_only else [onlooker_on(sys.stdout, shown)]
        tell = onlookers[0].say if onlookers else say_on_stderr
        mlflow = MlflowRecorder(location, record, folder / TRACKING_FILE, tell=tell)
        mlflow.ready()
        promotion = Promotion(
            study=study,
            trials=trials,
            workplace=Workplace(
                data=data,
                max_epochs=request.max_epochs or identity.max_epochs,
                resources=resources,
                checkpoints=Checkpoints(folder=folder / "checkpoints"),
            ),
            folder=folder,
            location=location,
            mlflow=mlflow,
            tell=tell,
        )
        summary = Summary(ending=Ending.FAILED)
        try:
            promotion.train(onlookers)
            result = promotion.hand_over()
            summary = Summary(ending=Ending.FINISHED, metrics=result.test.named("test"))
        except KeyboardInterrupt:
            summary = Summary(ending=Ending.INTERRUPTED)
            raise
        finally:
            missing = Recorders([mlflow, *onlookers]).finish(summary)
    if request.json_only:
        print(result.model_dump_json())
    else:
        print(result.describe(location.shown, test_reads(study)))
    if mlflow.unsent is not None:
        print(mlflow.unsent, file=sys.stderr)
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


if __name__ == "__main__":
    run_command(main)
