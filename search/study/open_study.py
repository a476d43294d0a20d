"""The Optuna study of a search: where it lies, what it remembers, and how it is opened."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from typing import Self

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from dlf.command import BadInputError, WorkFailedError, make_folder, one_line
from search.storage.driver_lock import Holder, StudyLock, hold_study, holder_of
from search.storage.journal_file import StudyJournal, mend_journal
from search.storage.lost_connection import LostConnectionError
from search.storage.patience import Patience
from search.storage.patient_storage import PatientStorage
from search.study.identity import StudyIdentity
from search.study.samplers import SAMPLERS, SamplerName
from search.study.schedulers import Stopping
from tracking.passwords import without_password
from tracking.remote.output import Output

JOURNAL_FILE = "journal.log"
"""the Optuna study, unless `--storage` names a database"""
_IDENTITY, _KEY, _SETTINGS = "identity", "key", "settings"
_DRIVER = "driver"
"""the mark of the driver that wrote to the study last"""

optuna.logging.set_verbosity(optuna.logging.WARNING)


class SearchSettings(BaseModel):
    """How a study is searched; a resumed search may change all of it but the seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trials: int
    seed: int
    sampler: SamplerName = SAMPLERS[0]
    stopping: Stopping = Stopping()


class OpenStudy(BaseModel):
    """A study that exists, and what it remembers of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    study: optuna.Study
    identity: StudyIdentity
    settings: SearchSettings
    key: str
    """unique for ever, where names are not"""


class StudyPlace:
    """Where a study lies: its folder under the output, and its storage."""

    def __init__(self, name: str, output: Path, storage_url: str | None) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
            raise BadInputError(
                "a study is named with up to 100 letters, digits, dots, dashes and underscores, "
                f"not {name!r}"
            )
        self.name = name
        self.folder = output.absolute() / name
        self.patience = Patience()
        self._storage_url = storage_url
        self._server: PatientStorage | None = None
        self._lock: StudyLock | None = None
        self._mark: str | None = None

    @classmethod
    def of(cls, name: str, output: Output, storage_url: str | None) -> Self:
        """Know a study under an output.

        Raises:
            BadInputError: for a name that no study may have, or without a storage where it needs
                one.
        """
        output.refuse_without(storage_url)
        return cls(name, output.folder, storage_url)

    def refuse_if_taken(self) -> None:
        """Raise `BadInputError` when the study exists already, or its storage never can."""
        file = self._storage_file
        if self._storage_url is not None and file is not None and not file.parent.is_dir():
            raise BadInputError(f"the --storage {file} lies in a folder that does not exist")
        if self._is_there() and _IDENTITY in self._load().user_attrs:
            raise BadInputError(
                f"there is a study {self.name!r} already; --resume goes on with it, another "
                "--study begins a new one"
            )

    def refuse_if_absent(self) -> None:
        """Raise `BadInputError` when there is no study to resume."""
        if not self._is_there() or self._is_unborn():
            raise BadInputError(
                f"there is no study {self.name!r} in {self.shown_storage} to resume; leave "
                "--resume out to begin it"
            )

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Be the one driver of the study, and mend what a killed one may have left behind.

        A study's server that is lost from then on is waited for.

        Raises:
            BadInputError: when another driver holds it, or it cannot be locked or mended.
        """
        with hold_study(self.folder, self._storage_url, self.name) as self._lock:
            self.patience.hold_out("the search", self._refuse_if_not_ours)
            self.mend()
            yield

    def refuse_if_lost(self) -> None:
        """Raise `WorkFailedError` when the study that we hold is not ours any more.

        Waits for a server that does not answer.
        """
        self.patience.run(self._refuse_if_not_ours)

    def _refuse_if_not_ours(self) -> None:
        if self._lock is None:
            return
        ours = self._lock.still_held()
        # Another driver may have come and gone while the server was out of our reach.
        if ours and self._server is not None and self._mark is not None:
            ours = self._server.attribute_now(self.name, _DRIVER) == self._mark
        if not ours:
            raise WorkFailedError(
                f"the study {self.name!r} is not held by this search any more: another driver has "
                "taken it, or its lock was removed; --resume goes on when neither is so"
            )

    def mend(self) -> None:
        """Make the storage fit to be written, whatever a killed driver has left in it.

        Raises:
            BadInputError: when it cannot be mended.
        """
        if self._storage_url is None:
            mend_journal(self.folder / JOURNAL_FILE)

    def make_folder(self) -> None:
        """Make the study's folder; raise `BadInputError` when it cannot be made."""
        make_folder(self.folder)

    def create(self, identity: StudyIdentity, settings: SearchSettings) -> OpenStudy:
        """Create the study, which `refuse_if_taken` has found to be new.

        The paper's configuration waits in it to be the first trial.
        """
        self.make_folder()
        # A driver that was killed right here has left a study without an identity.
        study = optuna.create_study(
            storage=self._storage(),
            study_name=self.name,
            direction="minimize",
            load_if_exists=True,
        )
        if study.get_trials(deepcopy=False):
            raise self._foreign()
        key = uuid.uuid4().hex
        study.set_user_attr(_KEY, key)
        study.set_user_attr(_SETTINGS, settings.model_dump_json())
        study.set_user_attr(_IDENTITY, identity.model_dump_json())
        self._leave_mark(study)
        _queue_paper(study, identity)
        return OpenStudy(study=study, identity=identity, settings=settings, key=key)

    def take_up(
        self, former: OpenStudy, identity: StudyIdentity, settings: SearchSettings
    ) -> OpenStudy:
        """Go on with a study that was loaded, with another space or other settings perhaps."""
        study = former.study
        self._leave_mark(study)
        if settings != former.settings:
            study.set_user_attr(_SETTINGS, settings.model_dump_json())
        if identity != former.identity:
            study.set_user_attr(_IDENTITY, identity.model_dump_json())
        if not study.get_trials(deepcopy=False):
            _queue_paper(study, identity)
        return OpenStudy(study=study, identity=identity, settings=settings, key=former.key)

    def load(self) -> OpenStudy:
        """Open an existing study.

        Raises:
            BadInputError: when there is none of this name, or it is not one of ours.
        """
        if not self._is_there():
            raise BadInputError(
                f"there is no study {self.name!r} in {self.shown_storage}; "
                "--study, --output and --storage must be those of the search"
            )
        study = self._load()
        attributes = study.user_attrs
        try:
            return OpenStudy(
                study=study,
                identity=StudyIdentity.model_validate_json(attributes[_IDENTITY]),
                settings=SearchSettings.model_validate_json(attributes[_SETTINGS]),
                key=attributes[_KEY],
            )
        except (KeyError, ValidationError) as error:
            raise self._foreign() from error

    def holder(self) -> Holder | None:
        """Return the driver that holds the study now, if there is one."""
        return holder_of(self.folder, self._storage_url, self.name)

    def _leave_mark(self, study: optuna.Study) -> None:
        mark = uuid.uuid4().hex
        study.set_user_attr(_DRIVER, mark)
        self._mark = mark

    def _foreign(self) -> BadInputError:
        return BadInputError(f"the study {self.name!r} was not made by this search")

    def _load(self) -> optuna.Study:
        return optuna.load_study(study_name=self.name, storage=self._storage())

    def _is_there(self) -> bool:
        file = self._storage_file
        if file is not None and not file.exists():
            return False
        return self.name in optuna.get_all_study_names(self._storage())

    def _is_unborn(self) -> bool:
        """Return whether a driver was killed while it created the study, which may begin anew."""
        study = self._load()
        return _IDENTITY not in study.user_attrs and not study.get_trials(deepcopy=False)

    def _storage(self) -> BaseStorage:
        try:
            if self._storage_url is None:
                return JournalStorage(StudyJournal(str(self.folder / JOURNAL_FILE)))
            if self._storage_url.startswith("postgresql"):
                self._server = self._server or PatientStorage(self._storage_url, self.patience)
                return self._server
            # A connection that its server has closed is replaced instead of failing a trial.
            return RDBStorage(self._storage_url, engine_kwargs={"pool_pre_ping": True})
        except LostConnectionError as error:
            raise BadInputError(
                f"{error.words}; begin again when it does, or give another --storage"
            ) from error
        except JSONDecodeError as error:
            raise BadInputError(
                f"the journal {self.folder / JOURNAL_FILE} is damaged and cannot be read"
            ) from error
        except (
            SQLAlchemyError,
            StorageInternalError,
            ImportError,
            ValueError,
            RuntimeError,
        ) as error:
            raise BadInputError(
                "the --storage cannot be opened; it is the URL of a database of its own, not that "
                "of MLflow, such as sqlite:///study.db or postgresql+psycopg://host/name "
                f"({without_password(one_line(error))})"
            ) from error

    @property
    def _storage_file(self) -> Path | None:
        """The file of the storage; none for a database server."""
        if self._storage_url is None:
            return self.folder / JOURNAL_FILE
        _, is_sqlite, path = self._storage_url.partition("sqlite:///")
        return Path(path) if is_sqlite else None

    @property
    def shown_storage(self) -> str:
        """Where the study lies, as people may see it."""
        return without_password(self._storage_url or str(self.folder.parent))


def _queue_paper(study: optuna.Study, identity: StudyIdentity) -> None:
    """Let the first trial be the paper's."""
    study.enqueue_trial(dict(identity.space.values_of(identity.paper)))
