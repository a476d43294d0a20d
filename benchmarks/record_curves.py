"""Export the learning curves of a study into a table, figures only, for `search_efficiency.py`.

    python search/run.py --dataset mosi --text frozen --text-encoder minilm --sampler random \
        --scheduler none --trials 43 --max-epochs 12 --study curves
    python -m benchmarks.record_curves --study curves benchmarks/curves/mosi-frozen-minilm.jsonl.gz

Complete trials alone are exported, since others have no whole curve.
"""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from benchmarks.curve_table import CurveTable, RecordedTrial, TableHeader
from benchmarks.study_commands import search_command
from search.study.identity import StudyIdentity
from search.study.open_study import OpenStudy, StudyPlace
from search.study.records import own_trials


def main() -> None:
    """Read the study, write the table, and say what is in it."""
    arguments = parsed()
    opened = StudyPlace.of(arguments.study, arguments.output, arguments.storage).load()
    table = table_of(opened)
    table.write(arguments.table)
    left_out = len(own_trials(opened.study)) - len(table.trials)
    print(f"{len(table.trials)} curves in {arguments.table}; {left_out} trials are not complete")


def table_of(opened: OpenStudy) -> CurveTable:
    """Return the curves of a study's complete trials."""
    identity, study = opened.identity, opened.study
    complete = [t for t in own_trials(study) if t.state is OptunaState.COMPLETE]
    encoder = identity.text.encoder
    ended = max(t.datetime_complete for t in complete if t.datetime_complete is not None)
    header = TableHeader(
        made_by=search_command(opened),
        date=f"{ended:%Y-%m-%d}",
        dataset=identity.dataset,
        dataset_digest=identity.dataset_digest,
        text=identity.text.way,
        text_encoder=None if encoder is None else encoder.name,
        max_epochs=identity.max_epochs,
        space=identity.space,
    )
    return CurveTable(header=header, trials=[_recorded(identity, trial) for trial in complete])


def _recorded(identity: StudyIdentity, trial: FrozenTrial) -> RecordedTrial:
    values = trial.intermediate_values
    seconds = 0.0 if trial.duration is None else trial.duration.total_seconds() / len(values)
    return RecordedTrial(
        number=trial.number,
        params=identity.shown_params(trial.number, trial.params),
        best_mae=[round(values[epoch], 5) for epoch in sorted(values)],
        seconds_per_epoch=round(seconds, 1),
    )


def parsed() -> Namespace:
    """Parse the command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="the file to write, such as curves.jsonl.gz")
    parser.add_argument("--study", required=True)
    parser.add_argument("--output", type=Path, default=Path("runs"))
    parser.add_argument("--storage", help="of the study, as given to the search")
    return parser.parse_args()


if __name__ == "__main__":
    main()
