"""Compare what Optuna, Ray Tune and MLflow say of a study, trial by trial.

    python -m search.audit --study mosi-20261123-153104

Exits with 1 on any difference. What waits in the study's own journal to be sent to MLflow is told,
and is no difference.
"""

from collections.abc import Iterator, Mapping, Sequence

from tracking.passwords import hide_passwords_in_process_list

if __name__ == "__main__":
    # First of all, since what follows takes seconds to import.
    hide_passwords_in_process_list()

from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState
from pydantic import BaseModel, ConfigDict

from dlf.command import EXIT_DONE, EXIT_FAILED, CommandParser, add_json_flag, run_command
from search.arguments import add_study_flags
from search.engine.tune_log import TuneTrial, read_tune_log
from search.study.open_study import OpenStudy, StudyPlace
from search.study.records import (
    REASON,
    duplicate_of,
    last_value,
    outcome_of,
    own_trials,
    trial_name,
)
from tracking.arguments import add_tracking_flag
from tracking.journal.file import TRACKING_FILE, JournaledTrial, journaled_trials
from tracking.sending.recorded import RecordedRun, recorded_trials
from tracking.store.location import resolve
from tracking.store.run_status import TRIAL_ENDINGS

UNENDED = ("RUNNING", "KILLED")
"""the status of a run whose trial is under way, or was when its search was interrupted"""
ENDED_STATES = tuple(state.value for state in TRIAL_ENDINGS)


class Audit(BaseModel):
    """What was found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trials: int
    differences: Sequence[str]
    waiting: Sequence[str]
    """what MLflow lacks and the study's journal will send"""

    def describe(self) -> str:
        """Return the findings in a few lines."""
        agree = "agree" if not self.differences else f"differ in {len(self.differences)} places"
        head = f"{self.trials} trials: Optuna, Tune and MLflow {agree}"
        return "\n".join([head, *self.differences, *self.waiting])


def argument_parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        prog="python -m search.audit",
        description="Compare what Optuna, Ray Tune and MLflow say of a study, trial by trial.",
    )
    add_study_flags(parser)
    add_tracking_flag(parser)
    add_json_flag(parser)
    return parser


def main() -> int:
    """Read the flags, compare, print."""
    args = argument_parser().parse_args()
    place = StudyPlace.of(args.study, args.output, args.storage)
    opened = place.load()
    args.output.of(args.study).fetch()
    audit = compare(
        opened,
        read_tune_log(place.folder),
        recorded_trials(resolve(args.tracking_uri), opened.key),
        journaled_trials(place.folder / TRACKING_FILE),
    )
    print(audit.model_dump_json() if args.json_only else audit.describe())
    return EXIT_FAILED if audit.differences else EXIT_DONE


def compare(
    opened: OpenStudy,
    tune: Mapping[int, TuneTrial],
    runs: Mapping[int, Sequence[RecordedRun]],
    journal: Mapping[int, JournaledTrial],
) -> Audit:
    """Hold the three against each other; Optuna is what the others must agree with."""
    trials = {trial.number: trial for trial in own_trials(opened.study)}
    differences: list[str] = []
    waiting: list[str] = []
    for number, trial in trials.items():
        differences += _from_tune(trial, tune.get(number))
        there, known = runs.get(number, ()), journal.get(number)
        found = list(_from_mlflow(trial, there))
        if found and known is not None and _can_be_sent(trial, known) and _is_part(trial, there):
            waiting.append(
                f"{trial_name(number)}: MLflow has not all of it yet; `python -m tracking.sync "
                f"--study {opened.study.study_name}` or --resume sends it"
            )
        else:
            differences += found
    for place, numbers in (("Tune", tune), ("MLflow", runs)):
        differences += [
            f"trial {number}: {place} has it, Optuna does not"
            for number in sorted(set(numbers) - set(trials))
        ]
    return Audit(trials=len(trials), differences=differences, waiting=waiting)


def _from_tune(trial: FrozenTrial, tune: TuneTrial | None) -> Iterator[str]:
    name, epochs = trial_name(trial.number), max(trial.intermediate_values, default=0)
    if duplicate_of(trial) is not None or (trial.state is OptunaState.FAIL and tune is None):
        return
    if _ended_untouched(trial) and (tune is None or tune == TuneTrial(epochs, None)):
        return
    if tune is None:
        if trial.state is not OptunaState.RUNNING or epochs:
            yield f"{name}: Optuna has it {trial.state.name}, Tune does not know it"
        return
    if tune.epochs != epochs:
        yield f"{name}: Optuna has {epochs} epochs, Tune {tune.epochs}"
    failed = trial.state is OptunaState.FAIL
    # A value that is no number is nothing to Tune; to us it is a failure.
    wanted = "ERROR" if failed and tune.finite else "TERMINATED"
    if tune.status != wanted and trial.state.is_finished():
        yield f"{name}: Optuna has it {trial.state.name}, Tune {tune.status or 'under way'}"
    elif not tune.finite and not failed:
        yield f"{name}: Optuna has it {trial.state.name}, Tune a value that is no number"


def _ended_untouched(trial: FrozenTrial) -> bool:
    """Tell of a trial that was left under way, and found on a resume that the budget was spent."""
    ended_well = trial.state in (OptunaState.PRUNED, OptunaState.COMPLETE)
    return ended_well and REASON in trial.user_attrs


def _from_mlflow(trial: FrozenTrial, runs: Sequence[RecordedRun]) -> Iterator[str]:
    name, outcome = trial_name(trial.number), outcome_of(trial)
    if len(runs) != 1:
        yield f"{name}: MLflow has {len(runs)} runs of it"
        return
    (run,) = runs
    if outcome is None:
        if run.status not in UNENDED:
            yield f"{name}: Optuna has it RUNNING, MLflow {run.status}"
    elif run.status != TRIAL_ENDINGS[outcome.state] or run.state != outcome.state.value:
        yield f"{name}: Optuna has it {trial.state.name}, MLflow {run.status} ({run.state})"
    if duplicate_of(trial) is not None:
        return
    if sorted(trial.intermediate_values) != list(run.epochs):
        yield f"{name}: Optuna has epochs {_shown(trial)}, MLflow {list(run.epochs)}"
    elif run.best != last_value(trial):
        yield f"{name}: Optuna has the best MAE {last_value(trial)}, MLflow {run.best}"


def _can_be_sent(trial: FrozenTrial, known: JournaledTrial) -> bool:
    """Return whether the journal has all of a trial."""
    # A driver that was killed may have told the study of an end and nobody else; a resume tells it.
    if known.outcome not in (None, outcome_of(trial)):
        return False
    return _trained_epochs(trial) == list(known.epochs)


def _is_part(trial: FrozenTrial, runs: Sequence[RecordedRun]) -> bool:
    """Return whether what MLflow has is true as far as it goes, so that sending completes it."""
    if not runs:
        return True
    run, *others = runs
    ended = run.status not in UNENDED or (run.status == "KILLED" and run.state in ENDED_STATES)
    if others or ended or len(set(run.epochs)) < len(run.epochs):
        return False
    if not set(run.epochs) <= set(_trained_epochs(trial)):
        return False
    return not run.epochs or run.best == trial.intermediate_values[run.epochs[-1]]


def _trained_epochs(trial: FrozenTrial) -> list[int]:
    return [] if duplicate_of(trial) is not None else sorted(trial.intermediate_values)


def _shown(trial: FrozenTrial) -> list[int]:
    return sorted(trial.intermediate_values)


if __name__ == "__main__":
    run_command(main)
