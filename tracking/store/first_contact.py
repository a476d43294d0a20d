"""Finds out whether a tracking store can be used, before anything begins that it is needed for."""

import threading
from concurrent.futures import Future

from tracking.store.connection import connect, quiet_mlflow
from tracking.store.errors import StoreAwayError
from tracking.store.location import TrackingLocation


class FirstContact:
    """Opens a store in the background, where the import of MLflow takes nobody's time.

    A local file that does not exist is left to those who have something to record.
    """

    def __init__(self, location: TrackingLocation) -> None:
        quiet_mlflow()
        self._location = location
        self._answer: Future[None] = Future()
        # A daemon, so that a command that ends for another reason does not wait for the store.
        threading.Thread(target=self._ask, name="first contact", daemon=True).start()

    def confirm(self, *, offline: bool | None = None) -> None:
        """Wait for the answer.

        Args:
            offline: whether the user has said that the store may be away; none where there is no
                way to say so. What is wrong with it is told all the same.

        Raises:
            BadInputError: when it cannot be used.
        """
        try:
            self._answer.result()
        except StoreAwayError as error:
            if offline:
                return
            way_out = "" if offline is None else "; --tracking-offline begins without it"
            raise self._location.unusable(f"{error}{way_out}") from error

    def _ask(self) -> None:
        file = self._location.database_file
        try:
            if file is None or file.exists():
                connect(self._location)
        # Whatever it is, it is raised where the answer is waited for.
        except Exception as error:
            self._answer.set_exception(error)
        else:
            self._answer.set_result(None)
