"""Ask an MLflow server something that it can answer only if its database and its hosts are right.

    python -m tracking.health http://mlflow:5000

Its own /health answers whatever is wrong behind it.
"""

from tracking.passwords import hide_passwords_in_process_list, without_password

if __name__ == "__main__":
    # First of all, since what follows takes a moment to import.
    hide_passwords_in_process_list()

import requests

from dlf.command import EXIT_DONE, CommandParser, WorkFailedError, run_command

QUESTION = "/api/2.0/mlflow/experiments/search"
SECONDS = 8.0


def argument_parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        prog="python -m tracking.health", description="Ask an MLflow server whether it works."
    )
    parser.add_argument("uri", help="such as http://mlflow:5000")
    return parser


def main() -> int:
    """Read the address, ask, and say how it went."""
    uri = argument_parser().parse_args().uri
    ask(uri)
    print(f"the MLflow server at {without_password(uri)} works")
    return EXIT_DONE


def ask(uri: str) -> None:
    """Search the server's experiments.

    Raises:
        WorkFailedError: when it does not answer, or not as MLflow does.
    """
    shown = f"the MLflow server at {without_password(uri)}"
    try:
        answer = requests.get(uri.rstrip("/") + QUESTION, {"max_results": "1"}, timeout=SECONDS)
    except requests.RequestException as error:
        raise WorkFailedError(
            f"{shown} does not answer ({type(error).__name__}); its log says why"
        ) from error
    if answer.status_code != requests.codes.ok:
        said = without_password(" ".join(answer.text.split()))[:200]
        raise WorkFailedError(f"{shown} answers with {answer.status_code}: {said}")
    try:
        experiments = answer.json()["experiments"]
    except (ValueError, KeyError, TypeError) as error:
        raise WorkFailedError(f"{shown} answers, but not as MLflow does") from error
    if not experiments:
        raise WorkFailedError(f"{shown} has no experiments, not even its default one")


if __name__ == "__main__":
    run_command(main)
