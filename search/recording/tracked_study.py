"""What tracking is told of a study, of its promotion or of an ablation, before any trial."""

from collections.abc import Mapping
from pathlib import Path

from dlf.data import read_manifest
from search.study.identity import StudyIdentity
from search.trial.code_version import code_revision, package_versions
from search.trial.data import TrialData
from tracking.records import DatasetRecord, StudyRecord
from tracking.run_names import CODE_TAG, PACKAGES_TAG


def tracked_study(
    name: str, key: str, identity: StudyIdentity, data_dir: Path, tags: Mapping[str, str]
) -> StudyRecord:
    """Return the record of a study, whose key is unique for ever, with some tags of its own."""
    return tracked_trials(name, key, identity.data_in(data_dir), {**identity.tags(), **tags})


def tracked_trials(
    name: str, key: str, data: TrialData, tags: Mapping[str, str] = {}
) -> StudyRecord:
    """Return the record of trials on some data, under a key that is unique for ever."""
    manifest = read_manifest(data.dataset, data.data_dir)
    clips = {f"{name} clips": count for name, count in manifest.clips.model_dump().items()}
    widths = {f"{name} width": count for name, count in manifest.widths.model_dump().items()}
    return StudyRecord(
        name=name,
        key=key,
        dataset=data.dataset,
        data=DatasetRecord(
            name=data.dataset,
            digest=data.dataset_digest,
            source=str(data.data_dir / data.dataset),
            profile={**clips, **widths},
        ),
        tags={**tags, CODE_TAG: code_revision(), PACKAGES_TAG: package_versions()},
    )
