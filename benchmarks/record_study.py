"""Keep what a finished study came to as a record, figures only, for docs/performance.md.

    python -m benchmarks.record_study --study headline --output runs --seconds 2811
    python -m benchmarks.record_study --study headline --output runs --seconds 2811 --promotion

For studies on data that is not ours to ship. It reads the study's journal and, with `--promotion`,
the result of its last promotion; the data itself is not needed. Run it on the machine that ran the
study, for that is what is recorded as its machine, and give the `--code` where this checkout is not
what ran it. `--seconds` is the wall time of the search as its own `--json` has it, the sum of all
runs where it was resumed; left out, it is the time from the begin of the first trial to the end of
the last, pauses included. What a study does not remember belongs into the `--remark`: budgets other
than its trials, configurations that it began with, and the file of a space of one's own.
"""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from optuna.trial import FrozenTrial

from benchmarks.machine import Machine
from benchmarks.page import write_page
from benchmarks.recorded import RESULTS, Recorded
from benchmarks.studies import STUDY_PREFIX, OnTest, PromotionFigures, StudyFigures
from benchmarks.study_commands import promotion_command, search_command
from dlf.command import EXIT_DONE, BadInputError, run_command
from search.promotion.plan import PLAN_FILE, RESULT_FILE, PromotionPlan
from search.promotion.result import FinalistResult, PromotionResult, TestResult
from search.study.identity import PAPER_TRIAL
from search.study.open_study import OpenStudy, StudyPlace
from search.study.records import count_epochs, count_states, finished_trials, own_trials
from search.trial.code_version import code_revision
from tracking.records import TrialState
from tracking.study_files import PROMOTIONS_FOLDER


def main() -> int:
    """Read the study, write its record and the page, and say what is in it."""
    flags = read_flags()
    place = StudyPlace(flags.study, flags.output, flags.storage)
    place.refuse_if_absent()
    opened = place.load()
    promotion = None
    if flags.promotion:
        promotion = promotion_of(place.folder, opened.identity.max_epochs)
    record = record_of(
        opened,
        flags.seconds,
        promotion,
        code=flags.code or code_revision(),
        remark=flags.remark,
    )
    name = f"{STUDY_PREFIX}{flags.name or flags.study}".replace("-", "_")
    print(f"{record.write(RESULTS, name)}:", *record.measured.lines(), sep="\n")
    write_page()
    return EXIT_DONE


def record_of(
    opened: OpenStudy,
    seconds: float | None = None,
    promotion: PromotionFigures | None = None,
    *,
    code: str,
    remark: str = "",
) -> Recorded[StudyFigures]:
    """Return the record of a study.

    Raises:
        BadInputError: when no trial of it was completed.
    """
    identity, own = opened.identity, own_trials(opened.study)
    finished, counts = finished_trials(opened.study), count_states(own)
    if not finished:
        raise BadInputError(f"no trial of {opened.study.study_name} was completed")
    paper = [trial.value for trial in finished if trial.number == PAPER_TRIAL]
    begun, ended = times_of(own)
    encoder = identity.text.encoder
    return Recorded(
        command=search_command(opened),
        date=begun.astimezone(UTC).replace(microsecond=0),
        code=code,
        machine=Machine.here(),
        load=None,
        minutes=None,
        remark=remark,
        measured=StudyFigures(
            study=opened.study.study_name,
            dataset=identity.dataset,
            text=identity.text.way,
            encoder=None if encoder is None else encoder.name,
            trials=len(own),
            pruned=counts[TrialState.PRUNED],
            failed=counts[TrialState.FAILED],
            max_epochs=identity.max_epochs,
            epochs=count_epochs(own),
            seconds=(ended - begun).total_seconds() if seconds is None else seconds,
            best=finished[0].value,
            paper=paper[0] if paper else None,
            promotion=promotion,
        ),
    )


def times_of(trials: Sequence[FrozenTrial]) -> tuple[datetime, datetime]:
    """Return when the first of some trials began and the last one ended."""
    begun = [trial.datetime_start for trial in trials if trial.datetime_start is not None]
    ended = [trial.datetime_complete for trial in trials if trial.datetime_complete is not None]
    return min(begun), max(ended)


def promotion_of(folder: Path, max_epochs: int) -> PromotionFigures:
    """Return the figures of the last promotion of a study that came to a result.

    Args:
        folder: of the study.
        max_epochs: of its trials, and of its finalists where nothing else was asked for.

    Raises:
        BadInputError: when there is none.
    """
    results = sorted(folder.glob(f"{PROMOTIONS_FOLDER}/*/{RESULT_FILE}"))
    if not results:
        raise BadInputError(f"{folder} has no promotion with a result")
    result = PromotionResult.model_validate_json(results[-1].read_bytes())
    plan = PromotionPlan.model_validate_json((results[-1].parent / PLAN_FILE).read_bytes())
    kept_paper = result.winner.number == PAPER_TRIAL
    candidate, paper = result.test, result.paper_test
    if kept_paper:
        candidate, paper = None, result.test
    finalists = {each.number: each for each in result.finalists}
    of_paper = finalists.pop(PAPER_TRIAL)
    in_race = finalists.values() if kept_paper else [finalists[result.winner.number]]
    return PromotionFigures(
        command=promotion_command(result.study, plan, max_epochs),
        seeds=plan.final_seeds,
        candidate_valid_mae=lowest_mean(in_race),
        paper_valid_mae=of_paper.mean,
        kept_paper=kept_paper,
        difference=None if result.difference is None else result.difference.difference,
        interval=None
        if result.difference is None
        else (result.difference.interval.low, result.difference.interval.high),
        probability=None if result.difference is None else result.difference.probability,
        candidate_test=on_test(candidate),
        paper_test=on_test(paper),
    )


def lowest_mean(finalists: Iterable[FinalistResult]) -> float | None:
    """Return the lowest mean validation MAE of those that came to the end of the race."""
    finishers = [each for each in finalists if each.dropped is None and each.failed is None]
    return min((each.mean for each in finishers if each.mean is not None), default=None)


def on_test(result: TestResult | None) -> OnTest | None:
    """Return the figures that are kept of a test result."""
    if result is None:
        return None
    return OnTest(
        mae=result.mae,
        corr=result.corr,
        acc7=result.acc7,
        acc2=result.acc2,
        intervals=result.intervals,
    )


def read_flags() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True)
    parser.add_argument("--output", type=Path, default=Path("runs"))
    parser.add_argument("--storage", help="of the study, as given to the search")
    parser.add_argument("--seconds", type=float, metavar="N", help="of the search")
    parser.add_argument("--promotion", action="store_true", help="with its last promotion")
    parser.add_argument("--code", metavar="REVISION", help="left out: that of this checkout")
    parser.add_argument("--remark", default="", help="what a reader should know of the run")
    parser.add_argument(
        "--name", help=f"of the record, after {STUDY_PREFIX}; left out: the study's"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
