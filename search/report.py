"""Write the report of a study, whether it runs or not: one page that needs no network.

python -m search.report --study mosi-20261123-153104
"""

from collections.abc import Mapping

from tracking.passwords import hide_passwords_in_process_list

if __name__ == "__main__":
    # First of all, since what follows takes seconds to import.
    hide_passwords_in_process_list()

from dlf.command import EXIT_DONE, BadInputError, CommandParser, run_command
from search.arguments import add_study_flags
from search.recording.study_report import write_report
from search.study.open_study import StudyPlace
from tracking.arguments import add_tracking_flag
from tracking.store.location import resolve
from tracking.store.run_links import run_links


def argument_parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        prog="python -m search.report", description="Write the report of a study anew."
    )
    add_study_flags(parser)
    add_tracking_flag(parser)
    return parser


def main() -> int:
    """Read the flags, write the report, print where it is."""
    args = argument_parser().parse_args()
    place = StudyPlace.of(args.study, args.output, args.storage)
    opened = place.load()
    args.output.of(args.study).fetch()
    links, without_links = find_links(args.tracking_uri, opened.key)
    place.make_folder()
    path = write_report(
        opened,
        place.folder,
        links,
        standing=standing_of(place),
        without_links=without_links,
    )
    print(path)
    return EXIT_DONE


def find_links(tracking_uri: str | None, key: str) -> tuple[Mapping[int, str], str]:
    """Return the addresses of the trials' runs, or a sentence that says why there are none."""
    try:
        location = resolve(tracking_uri)
        links = run_links(location, key)
    except BadInputError as error:
        return {}, f"Trials are not linked to runs: {error}."
    if not links:
        return {}, f"Trials are not linked to runs: {location.shown} has none of this study."
    return links, ""


def standing_of(place: StudyPlace) -> str:
    """Return who drives a study, in a sentence."""
    holder = place.holder()
    if holder is None:
        return "Nobody drives the search at the moment; --resume goes on with it."
    return f"The search is under way, driven by {holder}."


if __name__ == "__main__":
    run_command(main)
