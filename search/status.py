"""Show where a study stands, whether it runs or not, from any terminal.

python -m search.status --study mosi-20261123-153104
python -m search.status --study mosi-20261123-153104 --trial 7
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from tracking.passwords import hide_passwords_in_process_list

if __name__ == "__main__":
    # First of all, since what follows takes seconds to import.
    hide_passwords_in_process_list()

from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState
from pydantic import BaseModel, ConfigDict

from dlf.command import EXIT_DONE, BadInputError, CommandParser, add_json_flag, run_command
from dlf.config import Value
from search.arguments import add_study_flags
from search.study.budget import shown_duration
from search.study.identity import PAPER_TRIAL
from search.study.open_study import OpenStudy, StudyPlace
from search.study.records import (
    NOTES,
    REASON,
    count_epochs,
    count_states,
    duplicate_of,
    finished_trials,
    last_value,
    own_trials,
    trial_name,
)
from search.study.result import Baseline, TrialCounts
from search.study.summary import faults_of


class Status(BaseModel):
    """A part of where a study stands."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TrialUnderWay(Status):
    """A trial that was begun and has not ended."""

    number: int
    epochs: int
    value: float | None
    seconds: float


class BestSoFar(Status):
    """The best complete trial."""

    number: int
    value: float
    params: Mapping[str, Value]


class StudyStatus(Status):
    """Where a study stands; values are validation MAEs."""

    study: str
    dataset: str
    driver: str | None
    """who drives it now; none when nobody does"""
    wanted: int
    """trials in all"""
    trials: TrialCounts
    under_way: Sequence[TrialUnderWay]
    max_epochs: int
    epochs_trained: int
    best: BestSoFar | None
    baseline: Baseline
    faults: Sequence[str]

    def describe(self) -> str:
        """Return the status in a few lines."""
        counts, way = self.trials, self.under_way
        driven = f"driven by {self.driver}" if self.driver else "nobody drives it; --resume goes on"
        lines = [
            f"study {self.study} on {self.dataset}: {driven}",
            f"{counts.complete} complete, {counts.pruned} pruned, {counts.failed} failed, "
            f"{len(way)} under way, of {self.wanted} trials; {self.epochs_trained} epochs",
        ]
        if self.best is not None:
            lines.append(f"best: trial {self.best.number}, validation MAE {self.best.value:.4f}")
        if self.baseline.value is not None:
            lines.append(f"the paper's configuration: validation MAE {self.baseline.value:.4f}")
        for trial in way:
            value = "" if trial.value is None else f", best validation MAE {trial.value:.4f}"
            lines.append(
                f"under way: {trial_name(trial.number)}, {trial.epochs} of {self.max_epochs} "
                f"epochs{value}, begun {shown_duration(round(trial.seconds) or 1)} ago"
            )
        return "\n".join([*lines, *self.faults])


def argument_parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(prog="python -m search.status", description="Show where a study stands.")
    add = parser.add_argument
    add_study_flags(parser)
    add("--trial", type=int, metavar="N", help="show all about one trial instead")
    add_json_flag(parser)
    return parser


def main() -> int:
    """Read the flags and print."""
    args = argument_parser().parse_args()
    if args.trial is not None and args.json_only:
        raise BadInputError("--json shows the study as a whole: leave it out, or --trial")
    place = StudyPlace.of(args.study, args.output, args.storage)
    opened = place.load()
    if args.trial is not None:
        print(describe_trial(opened, args.trial))
        return EXIT_DONE
    status = status_of(opened, place)
    print(status.model_dump_json() if args.json_only else status.describe())
    return EXIT_DONE


def status_of(opened: OpenStudy, place: StudyPlace) -> StudyStatus:
    """Gather where a study stands."""
    study, own = opened.study, own_trials(opened.study)
    finished, holder = finished_trials(study), place.holder()
    baseline = [trial.value for trial in finished if trial.number == PAPER_TRIAL]
    return StudyStatus(
        study=study.study_name,
        dataset=opened.identity.dataset,
        driver=None if holder is None else str(holder),
        wanted=opened.settings.trials,
        trials=TrialCounts(**{state.value: n for state, n in count_states(own).items()}),
        under_way=[_under_way(trial) for trial in own if trial.state is OptunaState.RUNNING],
        max_epochs=opened.identity.max_epochs,
        epochs_trained=count_epochs(own),
        best=BestSoFar(**finished[0].model_dump()) if finished else None,
        baseline=Baseline(value=baseline[0] if baseline else None),
        faults=faults_of(study),
    )


def describe_trial(opened: OpenStudy, number: int) -> str:
    """Return all that a study knows of one trial.

    Raises:
        BadInputError: when there is no such trial.
    """
    trials = {trial.number: trial for trial in own_trials(opened.study)}
    if number not in trials:
        raise BadInputError(f"the study has no trial {number}; it has {len(trials)} trials")
    trial = trials[number]
    lines = [f"{trial_name(number)}: {trial.state.name.lower()}"]
    if REASON in trial.user_attrs:
        lines[0] += f", {trial.user_attrs[REASON]}"
    twin = duplicate_of(trial)
    if twin is not None:
        lines.append(f"the same configuration as trial {twin}")
    params = opened.identity.shown_params(number, trial.params)
    lines += [f"  {name} = {value}" for name, value in params.items()]
    lines += [
        f"  epoch {epoch}: best validation MAE {value:.4f}"
        for epoch, value in sorted(trial.intermediate_values.items())
    ]
    return "\n".join([*lines, *trial.user_attrs.get(NOTES, [])])


def _under_way(trial: FrozenTrial) -> TrialUnderWay:
    begun = trial.datetime_start
    return TrialUnderWay(
        number=trial.number,
        epochs=max(trial.intermediate_values, default=0),
        value=last_value(trial),
        seconds=(datetime.now() - begun).total_seconds() if begun else 0.0,
    )


if __name__ == "__main__":
    run_command(main)
