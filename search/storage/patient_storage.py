"""Optuna's storage in a Postgres database, which waits while its server is away.

Where the answer of a write was lost, nobody knows whether it was done. Most may simply be done
twice; a new trial and the end of a trial are looked for before.
"""

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from search.storage.lost_connection import raise_if_lost
from search.storage.patience import Patience
from search.storage.postgres_session import CONFIGURE, SERVER_KEEPALIVES, connect_arguments
from tracking.passwords import without_password

Given = ParamSpec("Given")
Result = TypeVar("Result")

# What a session of ours leaves locked whose connection was cut is free again after this.
_SETTINGS = {**SERVER_KEEPALIVES, "idle_in_transaction_session_timeout": "30s"}


def _patient(
    method: Callable[Concatenate[Any, Given], Result],
) -> Callable[Concatenate[Any, Given], Result]:
    """Return a method of Optuna's that may be done twice as one that waits."""

    def call(self: "PatientStorage", /, *given: Given.args, **named: Given.kwargs) -> Result:
        return self._patience.run(lambda: method(self, *given, **named))

    return call


class PatientStorage(RDBStorage):
    """Asks again while its server does not answer, as long as its patience lasts.

    For one driver: nobody else adds trials to the study, and one thread of it at a time.
    """

    def __init__(self, url: str, patience: Patience) -> None:
        """Open the database.

        Raises:
            LostConnectionError: when its server does not answer.
        """
        self._patience = patience
        self._shown = without_password(url)
        self._trials_before: int | None = None
        patience.run(lambda: self._open(url))

    create_new_study = _patient(RDBStorage.create_new_study)
    set_study_user_attr = _patient(RDBStorage.set_study_user_attr)
    set_study_system_attr = _patient(RDBStorage.set_study_system_attr)
    get_study_id_from_name = _patient(RDBStorage.get_study_id_from_name)
    get_study_name_from_id = _patient(RDBStorage.get_study_name_from_id)
    get_study_directions = _patient(RDBStorage.get_study_directions)
    get_study_user_attrs = _patient(RDBStorage.get_study_user_attrs)
    get_study_system_attrs = _patient(RDBStorage.get_study_system_attrs)
    get_all_studies = _patient(RDBStorage.get_all_studies)
    get_trial = _patient(RDBStorage.get_trial)
    get_trial_param = _patient(RDBStorage.get_trial_param)
    get_trial_id_from_study_id_trial_number = _patient(
        RDBStorage.get_trial_id_from_study_id_trial_number
    )
    set_trial_intermediate_value = _patient(RDBStorage.set_trial_intermediate_value)
    set_trial_user_attr = _patient(RDBStorage.set_trial_user_attr)
    set_trial_system_attr = _patient(RDBStorage.set_trial_system_attr)
    # A second row of the same parameter is refused by the database, which Optuna does not mind.
    _set_trial_param = _patient(RDBStorage._set_trial_param)
    _get_trials = _patient(RDBStorage._get_trials)
    _get_best_trial_id = _patient(RDBStorage._get_best_trial_id)

    def _create_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None = None
    ) -> FrozenTrial:
        """Create a trial, one only."""
        self._trials_before = None
        create = super()._create_new_trial
        return self._patience.run(lambda: create(study_id, template_trial))

    def _get_prepared_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None, session: Session
    ) -> models.TrialModel:
        """Prepare a trial within a transaction that has locked the study, or find it there."""
        trials = session.query(models.TrialModel).filter_by(study_id=study_id)
        if self._trials_before is None:
            self._trials_before = trials.count()
        elif created := trials.filter_by(number=self._trials_before).one_or_none():
            return created
        return super()._get_prepared_new_trial(study_id, template_trial, session)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Begin or end a trial; return False where it was begun already, and not by this call."""
        tell = super().set_trial_state_values
        read = super().get_trial

        def tell_again() -> bool:
            try:
                told = tell(trial_id, state, values)
            except UpdateFinishedTrialError:
                told = False
                if read(trial_id).state is not state:
                    raise
            return told or read(trial_id).state is state

        return self._patience.run(lambda: tell(trial_id, state, values), tell_again)

    def attribute_now(self, study: str, key: str) -> object:
        """Return a user attribute of a study; none where it has none.

        Raises:
            LostConnectionError: at once when the server does not answer.
        """
        return super().get_study_user_attrs(super().get_study_id_from_name(study)).get(key)

    def _open(self, url: str) -> None:
        try:
            super().__init__(url, {"connect_args": connect_arguments(make_url(url))})
        except (SQLAlchemyError, StorageInternalError) as error:
            raise_if_lost(error, self._shown)
            raise
        # From here on what is lost is named where it arises, before Optuna sees it.
        event.listen(self.engine, "handle_error", self._name_lost)
        event.listen(self.engine, "connect", _set_up)
        self.engine.dispose()

    def _name_lost(self, context: ExceptionContext) -> None:
        if context.sqlalchemy_exception is not None:
            raise_if_lost(context.sqlalchemy_exception, self._shown)


def _set_up(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        for name, value in _SETTINGS.items():
            cursor.execute(CONFIGURE, {"name": name, "value": value})
    connection.commit()
