"""The finalists of a promotion: the best trials of a search, and the paper's configuration."""

import optuna

from dlf.command import BadInputError
from search.identity import PAPER_TRIAL, StudyIdentity
from search.seeded_trainings import Entrant
from search.study_records import finished_trials, trial_name

PAPER_EPOCHS = 500
"""Where the paper's configuration ends if its own patience never does: none of its recipes on
record took half as many."""


def choose_finalists(
    study: optuna.Study, identity: StudyIdentity, top: int, *, max_epochs: int, paper_epochs: int
) -> list[Entrant]:
    """Return the best trials of a study, and the paper's configuration in any case.

    Args:
        study: the search.
        identity: what it searched.
        top: how many trials, at most.
        max_epochs: of every finalist but the paper's.
        paper_epochs: of the paper's, whose recipe has a patience of its own.

    Raises:
        BadInputError: when no trial of the study is complete.
    """
    ranked = finished_trials(study)
    if not ranked:
        raise BadInputError(f"the study {study.study_name!r} has no complete trial to promote")
    params = {trial.number: trial.params for trial in ranked[:top]}
    params.setdefault(PAPER_TRIAL, {})
    return [
        Entrant(
            number=number,
            name=trial_name(number),
            params=identity.shown_params(number, values),
            config=identity.config_of(number, values),
            max_epochs=paper_epochs if number == PAPER_TRIAL else max_epochs,
        )
        for number, values in params.items()
    ]
