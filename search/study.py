"""The Optuna study of a search: what makes it this study, where it lies, and how it is opened."""

import hashlib
import re
from json import JSONDecodeError
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError
from optuna.pruners import SuccessiveHalvingPruner
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from dlf.command import BadInputError, one_line
from dlf.config import Config
from dlf.text.source import TextSource
from search.space import Space
from search.trial_data import TrialData
from tracking.location import without_password

GRACE_EPOCHS = 3
"""no trial is stopped earlier: the model leaves the median only after some epochs"""

REDUCTION = 3
"""asynchronous successive halving (ASHA): one trial in so many goes on at each rung"""

JOURNAL_FILE = "journal.log"
_IDENTITY = "identity"

optuna.logging.set_verbosity(optuna.logging.WARNING)


class StudyIdentity(BaseModel):
    """What must be the same for trials to be comparable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    dataset_digest: str
    text: TextSource
    max_epochs: int
    base: Config
    """the paper's configuration, which the space varies"""
    space: Space

    @property
    def digest(self) -> str:
        """The SHA-256 that names this identity."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def data_in(self, data_dir: Path) -> TrialData:
        """Return the data of the study's trials, in a data folder."""
        return TrialData(
            dataset=self.dataset,
            dataset_digest=self.dataset_digest,
            data_dir=data_dir.absolute(),
            text=self.text,
        )

    def tags(self) -> dict[str, str]:
        """Return what tracking says of the study."""
        return {
            "dlf.dataset_digest": self.dataset_digest,
            "dlf.study_digest": self.digest,
            "dlf.text": self.text.way,
            "dlf.max_epochs": str(self.max_epochs),
        } | self._encoder_tags()

    def _encoder_tags(self) -> dict[str, str]:
        encoder = self.text.encoder
        if encoder is None:
            return {}
        return {"dlf.text_encoder": encoder.name, "dlf.text_encoder_revision": encoder.revision}


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
        self._storage_url = storage_url

    def refuse_if_taken(self) -> None:
        """Raise `BadInputError` when the study exists already, or its storage never can."""
        file = self._storage_file
        if self._storage_url is not None and file is not None and not file.parent.is_dir():
            raise BadInputError(f"the --storage {file} lies in a folder that does not exist")
        if self._is_there():
            raise BadInputError(f"there is a study {self.name!r} already; choose another --study")

    def make_folder(self) -> None:
        """Make the study's folder; raise `BadInputError` when it cannot be made."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInputError(
                f"the folder {self.folder} cannot be made ({error.strerror}); "
                "choose another --output"
            ) from error

    def create(self, identity: StudyIdentity, seed: int) -> optuna.Study:
        """Create the study, which `refuse_if_taken` has found to be new."""
        self.make_folder()
        study = optuna.create_study(
            storage=self._storage(),
            study_name=self.name,
            direction="minimize",
            sampler=TPESampler(multivariate=True, seed=seed),
            pruner=SuccessiveHalvingPruner(min_resource=GRACE_EPOCHS, reduction_factor=REDUCTION),
        )
        study.set_user_attr(_IDENTITY, identity.model_dump_json())
        return study

    def load(self) -> tuple[optuna.Study, StudyIdentity]:
        """Open an existing study.

        Raises:
            BadInputError: when there is none of this name, or it is not one of ours.
        """
        if not self._is_there():
            raise BadInputError(
                f"there is no study {self.name!r} in {self._shown_storage}; "
                "--study, --output and --storage must be those of the search"
            )
        study = optuna.load_study(study_name=self.name, storage=self._storage())
        try:
            return study, StudyIdentity.model_validate_json(study.user_attrs[_IDENTITY])
        except (KeyError, ValidationError) as error:
            raise BadInputError(f"the study {self.name!r} was not made by this search") from error

    def _is_there(self) -> bool:
        file = self._storage_file
        if file is not None and not file.exists():
            return False
        return self.name in optuna.get_all_study_names(self._storage())

    def _storage(self) -> BaseStorage:
        try:
            if self._storage_url is None:
                return JournalStorage(JournalFileBackend(str(self.folder / JOURNAL_FILE)))
            return RDBStorage(self._storage_url)
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
    def _shown_storage(self) -> str:
        return without_password(self._storage_url or str(self.folder.parent))
