"""The Optuna study of a search: what makes it this study, where it lies, and how it is opened."""

import hashlib
import re
from pathlib import Path
from typing import Literal

import optuna
from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.pruners import SuccessiveHalvingPruner
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from dlf.command import BadInputError, one_line
from dlf.config import Config
from search.space import Space

GRACE_EPOCHS = 3
"""no trial is stopped earlier: the model leaves the median only after some epochs"""

REDUCTION = 3
"""one trial in so many goes on at each rung"""

JOURNAL_FILE = "journal.log"
_IDENTITY = "identity"

optuna.logging.set_verbosity(optuna.logging.WARNING)


class StudyIdentity(BaseModel):
    """What must be the same for trials to be comparable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    dataset_digest: str
    text: Literal["precomputed"]
    max_epochs: int
    base: Config
    """the paper's configuration, which the space varies"""
    space: Space

    @property
    def digest(self) -> str:
        """The SHA-256 that names this identity."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def tags(self) -> dict[str, str]:
        """Return what tracking says of the study."""
        return {
            "dlf.dataset_digest": self.dataset_digest,
            "dlf.study_digest": self.digest,
            "dlf.text": self.text,
            "dlf.max_epochs": str(self.max_epochs),
        }


class StudyPlace:
    """Where a study lies: its folder under the output, and its storage."""

    def __init__(self, name: str, output: Path, storage_url: str | None) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise BadInputError(
                f"a study is named with letters, digits, dots, dashes and underscores, not {name!r}"
            )
        self.name = name
        self.folder = output.absolute() / name
        self._storage_url = storage_url

    def refuse_if_taken(self) -> None:
        """Raise `BadInputError` when there is a study of this name already."""
        if self._is_there():
            raise BadInputError(f"there is a study {self.name!r} already; choose another --study")

    def create(self, identity: StudyIdentity, seed: int) -> optuna.Study:
        """Create the study.

        Raises:
            BadInputError: when there is one of this name already.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            study = optuna.create_study(
                storage=self._storage(),
                study_name=self.name,
                direction="minimize",
                sampler=TPESampler(multivariate=True, seed=seed),
                pruner=SuccessiveHalvingPruner(
                    min_resource=GRACE_EPOCHS, reduction_factor=REDUCTION
                ),
            )
        except DuplicatedStudyError:
            self.refuse_if_taken()
            raise
        study.set_user_attr(_IDENTITY, identity.model_dump_json())
        return study

    def load(self) -> tuple[optuna.Study, StudyIdentity]:
        """Open an existing study.

        Raises:
            BadInputError: when there is none of this name, or it is not one of ours.
        """
        if not self._is_there():
            raise BadInputError(
                f"there is no study {self.name!r} in {self._storage_url or self.folder.parent}; "
                "--study, --output and --storage must be those of the search"
            )
        study = optuna.load_study(study_name=self.name, storage=self._storage())
        try:
            return study, StudyIdentity.model_validate_json(study.user_attrs[_IDENTITY])
        except (KeyError, ValidationError) as error:
            raise BadInputError(f"the study {self.name!r} was not made by this search") from error

    def _is_there(self) -> bool:
        if self._storage_url is None and not (self.folder / JOURNAL_FILE).exists():
            return False
        return self.name in optuna.get_all_study_names(self._storage())

    def _storage(self) -> BaseStorage:
        if self._storage_url is None:
            return JournalStorage(JournalFileBackend(str(self.folder / JOURNAL_FILE)))
        try:
            return RDBStorage(self._storage_url)
        except (SQLAlchemyError, StorageInternalError, ImportError, ValueError) as error:
            raise BadInputError(
                "the --storage cannot be opened; it is a database URL such as "
                f"sqlite:///study.db or postgresql+psycopg://host/name ({one_line(error)})"
            ) from error
