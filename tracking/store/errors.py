"""What goes wrong with a tracking store, in two kinds: it may work later, or it will not."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tracking.passwords import without_password

AWAY_CODES = {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"}
AWAY_STATUSES = {429, 500, 502, 503, 504}
REASON_LENGTH = 300
OF_THE_SYSTEM = (
    r"\[(?:Errno -?\d+|SSL: \w+)\] ([^\"'()]+)",
    r"Error\(\d+, '([^']+)'",
    r"RemoteDisconnected\('([^']+)'",
)
"""how what the system says lies within the words of libraries"""


class StoreAwayError(Exception):
    """The store does not answer now and may later; the message is the reason in words."""


class StoreRefusedError(Exception):
    """The store answered and refused; the message is the reason in words."""


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise our own errors in place of MLflow's and of the network's."""
    from mlflow import MlflowException
    from requests import HTTPError, RequestException

    try:
        yield
    except MlflowException as error:
        if error.error_code in AWAY_CODES:
            raise StoreAwayError(_reason(error)) from error
        raise StoreRefusedError(_reason(error)) from error
    except HTTPError as error:
        if error.response is None or error.response.status_code in AWAY_STATUSES:
            raise StoreAwayError(_reason(error)) from error
        raise StoreRefusedError(_reason(error)) from error
    except (RequestException, ConnectionError, TimeoutError) as error:
        raise StoreAwayError(_reason(error)) from error
    # A file of artifacts that cannot be written, or a place for them that cannot delete.
    except (OSError, NotImplementedError) as error:
        raise StoreRefusedError(_reason(error)) from error


def _reason(error: Exception) -> str:
    text = without_password(str(error))
    if re.search(r"error code 401|401 Client Error|not authenticated", text):
        return (
            "it wants a login: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
            "MLFLOW_TRACKING_TOKEN"
        )
    for pattern in OF_THE_SYSTEM:
        if system := re.search(pattern, text):
            return system[1].strip()
    if status := re.search(r"too many (\d{3}) error responses", text):
        return f"it answers with the error {status[1]}"
    if "timed out" in text:
        return "it does not answer in time"
    first_line = text.strip().partition("\n")[0].partition(" Response body: '<")[0]
    return first_line.rstrip(".")[:REASON_LENGTH] or type(error).__name__
