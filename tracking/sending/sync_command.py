"""The command that sends a store later what it lacks, as the sentences that name it show it."""

import shlex
from pathlib import Path

from tracking.remote.output import HERE
from tracking.store.location import TrackingLocation
from tracking.study_files import PROMOTIONS_FOLDER


def sync_command(journal: Path, location: TrackingLocation) -> str:
    """Return the command for the study that a journal is of, to be typed in this folder."""
    folder = journal.absolute().parent
    if folder.parent.name == PROMOTIONS_FOLDER:
        folder = folder.parents[1]
    words = ["python", "-m", "tracking.sync", "--study", folder.name]
    if folder.parent != HERE.absolute():
        words += ["--output", str(folder.parent)]
    if not location.is_default:
        words += ["--tracking-uri", location.shown]
    return shlex.join(words)
