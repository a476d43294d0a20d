"""The finalists of a promotion: the best trials of a search, and the paper's configuration."""

import optuna

from dlf.command import BadInputError
from search.seeded.seeded_trainings import Entrant
from search.study.identity import PAPER_TRIAL, StudyIdentity
from search.study.records import finished_trials, trial_name

PAPER_EPOCHS = 500
"""Where the paper's configuration ends if its own patience never does: none of its recipes on
record took half as many."""


def choose_finalists(
    study: optuna.Study, identity: StudyIdentity, top: int, *, max_epochs: int, paper_epochs: int
) -> list[Entrant]:
    """Return the best trials of a study, and the paper's configuration in any case.

    A configuration that was tried several times is one finalist.

    Args:
        study: the search.
        identity: what it searched.
        top: how many trials beside the paper's, at most.
        max_epochs: of every finalist but the paper's.
        paper_epochs: of the paper's, whose recipe has a patience of its own.

    Raises:
        BadInputError: when no trial of the study is complete.
    """
    ranked = finished_trials(study)
    if not ranked:
        raise BadInputError(f"the study {study.study_name!r} has no complete trial to promote")
    chosen: dict[int, Entrant] = {}
    for trial in ranked:
        finalist = Entrant(
            number=trial.number,
            name=trial_name(trial.number),
            params=identity.shown_params(trial.number, trial.params),
            config=identity.config_of(trial.number, trial.params),
            max_epochs=max_epochs,
        )
        known = [identity.paper, *(other.config for other in chosen.values())]
        if finalist.config not in known:
            chosen[trial.number] = finalist
        if len(chosen) == top:
            break
    chosen[PAPER_TRIAL] = Entrant(
        number=PAPER_TRIAL,
        name=trial_name(PAPER_TRIAL),
        params=identity.shown_params(PAPER_TRIAL, {}),
        config=identity.paper,
        max_epochs=paper_epochs,
    )
    return list(chosen.values())
