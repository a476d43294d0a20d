"""Drivers that are killed while they create a study, one after every write to its journal.

    python tests/support/killed_at_creation.py FOLDER DATA_DIR [KEY=VALUE ...]

leaves studies `killed-1`, `killed-2`, ... in FOLDER, each with so many records, until one is
created as a whole, and prints how many it took.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from dlf.data import read_manifest
from dlf.presets import preset
from dlf.text.source import TextSource
from search.spaces.fixed_values import parse_fixed_values
from search.spaces.space import Space
from search.storage.journal_file import StudyJournal
from search.study.identity import StudyIdentity
from search.study.open_study import SearchSettings, StudyPlace


def main(folder: str, data_dir: str, *fixed: str) -> None:
    """Begin studies, of what the command line would make of the fixed values."""
    paper = preset("paper", "synthetic")
    values = parse_fixed_values(list(fixed), paper)
    space = Space.load()
    identity = StudyIdentity(
        dataset="synthetic",
        dataset_digest=read_manifest("synthetic", Path(data_dir)).digest,
        text=TextSource(way="precomputed"),
        max_epochs=1,
        paper=paper,
        base=paper.with_values(values),
        space=space.without(values.keys() & space.parameters.keys()),
    )
    killed = True
    records = 0
    while killed:
        records += 1
        child = os.fork()
        if not child:
            create(StudyPlace(f"killed-{records}", Path(folder), None), identity, records)
            os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    print(records)


def create(place: StudyPlace, identity: StudyIdentity, records: int) -> None:
    """Create a study as a driver does, and be killed after so many writes to its journal."""
    append = StudyJournal.append_logs
    written = 0

    def append_and_die(journal: StudyJournal, logs: list[dict[str, Any]]) -> None:
        nonlocal written
        append(journal, logs)
        written += 1
        if written == records:
            os.kill(os.getpid(), signal.SIGKILL)

    place.make_folder()
    with place.hold(), patch.object(StudyJournal, "append_logs", append_and_die):
        place.refuse_if_taken()
        place.create(identity, SearchSettings(trials=1, seed=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
