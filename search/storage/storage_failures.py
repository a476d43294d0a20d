"""One sentence for a study whose storage fails while it is searched."""

from collections.abc import Iterator
from contextlib import contextmanager

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from dlf.command import WorkFailedError, one_line, reason_of
from tracking.passwords import without_password


@contextmanager
def told_in_words(storage: str) -> Iterator[None]:
    """Raise `WorkFailedError` in place of what a storage raises when it is locked, full or gone."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        said = without_password(one_line(error.__cause__ or error))[:200]
        raise WorkFailedError(_sentence(storage, said)) from error
    except OSError as error:
        raise WorkFailedError(_sentence(storage, reason_of(error))) from error


def _sentence(storage: str, said: str) -> str:
    return (
        f"the study in {storage} can no longer be written ({said}); what was told to it is kept, "
        "and --resume goes on once it can be written again"
    )
