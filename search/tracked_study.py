"""What tracking is told of a study, or of its promotion, before any trial."""

from collections.abc import Mapping
from pathlib import Path

from dlf.data import read_manifest
from search.code_version import code_revision, package_versions
from search.identity import StudyIdentity
from tracking.records import DatasetRecord, StudyRecord


def tracked_study(
    name: str, key: str, identity: StudyIdentity, data_dir: Path, tags: Mapping[str, str]
) -> StudyRecord:
    """Return the record of a study, whose key is unique for ever, with some tags of its own."""
    manifest = read_manifest(identity.dataset, data_dir)
    data = identity.data_in(data_dir)
    clips = {f"{name} clips": count for name, count in manifest.clips.model_dump().items()}
    widths = {f"{name} width": count for name, count in manifest.widths.model_dump().items()}
    return StudyRecord(
        name=name,
        key=key,
        dataset=identity.dataset,
        data=DatasetRecord(
            name=identity.dataset,
            digest=identity.dataset_digest,
            source=str(data.data_dir / identity.dataset),
            profile={**clips, **widths},
        ),
        tags={
            **identity.tags(),
            **tags,
            "dlf.code": code_revision(),
            "dlf.packages": package_versions(),
        },
    )
