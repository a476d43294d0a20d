"""Hands the kept model over: exported, packed with the code that runs it, and registered."""

from collections.abc import Mapping
from pathlib import Path

from dlf.command import WorkFailedError, one_line
from dlf.metrics import compute_metrics
from dlf.trained_model import TrainedModel
from search.promotion.promotion import Promotion, Trained
from search.promotion.test_split import OnTest
from search.study.identity import StudyIdentity
from search.trial.code_version import code_revision, package_versions
from tracking.registry.champion import RegisteredModel, register_champion
from tracking.registry.model_package import package_model
from tracking.run_names import (
    CODE_TAG,
    LINK_TAG_PREFIX,
    MAX_EPOCHS_TAG,
    PACKAGES_TAG,
    PROMOTED_STUDY_TAG,
    PROMOTED_TRIAL_TAG,
)
from tracking.store.location import TrackingLocation
from tracking.study_files import StudyFiles

MODEL_FOLDER = "model"
"""the model that is handed over"""
PACKAGE_FOLDER = "package"
"""that model as MLflow takes it"""


def hand_over(
    promotion: Promotion,
    identity: StudyIdentity,
    trained: Trained,
    on_test: OnTest,
    location: TrackingLocation,
    *,
    description: str,
    links: Mapping[str, str],
) -> RegisteredModel:
    """Register the final model of the kept configuration; done again, it makes no second version.

    Args:
        promotion: which.
        identity: of its study.
        trained: its trainings, and what they decide.
        on_test: what the test split says of the models.
        location: of the registry.
        description: of the version, in Markdown.
        links: addresses by what they lead to, for the version's tags.

    Raises:
        WorkFailedError: when the model cannot be packed or registered; what was trained and read
            is kept.
    """
    folder = promotion.place.folder
    predictions = on_test.of_seeds[promotion.name_of_kept(trained)][trained.final]
    metrics = compute_metrics(predictions, on_test.labels).named("test")
    try:
        package = _pack(trained, folder)
        return register_champion(
            location,
            dataset=identity.dataset,
            run_id=promotion.mlflow.run_id(trained.run_number),
            folder=package,
            key=promotion.plan.key,
            tags={
                PROMOTED_STUDY_TAG: promotion.study.study_name,
                PROMOTED_TRIAL_TAG: str(trained.kept.number),
                **identity.tags(),
                MAX_EPOCHS_TAG: str(trained.decision.kept.max_epochs),
                CODE_TAG: code_revision(),
                PACKAGES_TAG: package_versions(),
                **{
                    f"{LINK_TAG_PREFIX}{name.replace(' ', '_')}": link
                    for name, link in links.items()
                },
            },
            metrics=metrics,
            description=description,
        )
    except (WorkFailedError, OSError) as error:
        raise WorkFailedError(
            f"the model could not be handed over ({one_line(error)}); what was trained, and what "
            f"the test split says, is kept in {folder}, and --resume goes on from there"
        ) from error


def _pack(trained: Trained, folder: Path) -> Path:
    model = TrainedModel.load(StudyFiles(folder).model(trained.run_number))
    model.export(folder / MODEL_FOLDER)
    return package_model(folder / MODEL_FOLDER, folder / PACKAGE_FOLDER)
