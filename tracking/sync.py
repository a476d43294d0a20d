"""Send to MLflow what a study's journals have and MLflow lacks.

    python -m tracking.sync --study mosi-20261123-153104

For a study whose search ended while the tracking server was away, or was started with
--tracking-offline. Its promotions are sent, too. Run it as often as you like: each point arrives
once.
"""

from functools import partial
from pathlib import Path

from tracking.passwords import hide_passwords_in_process_list

if __name__ == "__main__":
    # First of all, since what follows takes seconds to import.
    hide_passwords_in_process_list()

from dlf.command import EXIT_DONE, BadInputError, CommandParser, WorkFailedError, run_command
from tracking.arguments import add_output_flag, add_tracking_flag
from tracking.journal.events import StudyClosed, StudyOpened
from tracking.journal.file import TRACKING_FILE, own_journal, read_events
from tracking.records import Ending, Summary
from tracking.sending.delivery import Delivery
from tracking.sending.refused import Refused
from tracking.sending.study_runs import open_study_runs
from tracking.store.errors import StoreAwayError
from tracking.store.location import TrackingLocation, resolve
from tracking.study_files import PROMOTIONS_FOLDER


def argument_parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        prog="python -m tracking.sync",
        description="Send to MLflow what a study's journals have and MLflow lacks.",
    )
    parser.add_argument(
        "--study", required=True, metavar="NAME", help="as its search has printed it"
    )
    add_output_flag(parser)
    add_tracking_flag(parser)
    return parser


def main() -> int:
    """Read the flags, send, say what was sent."""
    args = argument_parser().parse_args()
    location = resolve(args.tracking_uri)
    place = args.output.of(args.study)
    place.fetch()
    journals = journals_of(place.folder)
    refused = [words for journal in journals if (words := sync(location, journal).words)]
    if refused:
        raise WorkFailedError(f"{location.shown} refused {' and '.join(refused)}")
    print(f"everything recorded of {args.study} is in {location.shown}")
    return EXIT_DONE


def journals_of(folder: Path) -> list[Path]:
    """Return the journals of a study and of its promotions.

    Raises:
        BadInputError: when there is none.
    """
    own = folder.absolute() / TRACKING_FILE
    if not own.is_file():
        raise BadInputError(
            f"there is no {TRACKING_FILE} in {folder}; --study and --output must be those of the "
            "search"
        )
    return [own, *sorted(own.parent.glob(f"{PROMOTIONS_FOLDER}/*/{TRACKING_FILE}"))]


def sync(location: TrackingLocation, journal: Path) -> Refused:
    """Bring a store up to a journal that nobody writes; what still runs is then interrupted.

    Returns:
        What the store refused.

    Raises:
        BadInputError: when the store or the journal cannot be used, or somebody writes it.
        WorkFailedError: when the store goes away on the way.
    """
    owner = own_journal(journal)
    try:
        opened, closed = _ends_of(journal)
        runs = open_study_runs(location, opened.study, opened.time_ms)
        delivery = Delivery(runs, journal)
        delivery.catch_up(partial(read_events, journal))
        return delivery.close(closed)
    except StoreAwayError as error:
        raise WorkFailedError(
            f"{location.shown} does not answer ({error}); run this again when it does"
        ) from error
    finally:
        owner.release()


def _ends_of(journal: Path) -> tuple[StudyOpened, StudyClosed]:
    """Return how the study was opened last, and how it was closed after that."""
    opened: StudyOpened | None = None
    closed: StudyClosed | None = None
    time_ms = 0
    for event in read_events(journal):
        time_ms = event.time_ms
        if isinstance(event, StudyOpened):
            opened, closed = event, None
        elif isinstance(event, StudyClosed):
            closed = event
    if opened is None:
        raise BadInputError(f"{journal} is empty: nothing was recorded")
    # A search that was killed has not closed its study.
    interrupted = Summary(ending=Ending.INTERRUPTED)
    return opened, closed or StudyClosed(summary=interrupted, time_ms=time_ms)


if __name__ == "__main__":
    run_command(main)
