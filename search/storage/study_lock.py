"""What a lock on a study can do, whatever it is made of, and who it tells of."""

import getpass
import os
import socket
import sys
from abc import ABC, abstractmethod
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tracking.passwords import without_password


class Holder(BaseModel):
    """The process that drives a study."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    pid: int | None
    """none for a process that holds the study and does not say who it is"""
    user: str
    since: AwareDatetime
    command: tuple[str, ...] = ()
    """its words, without passwords; a database server has no room for them"""

    @classmethod
    def of_this_process(cls) -> "Holder":
        """Return who we are."""
        return cls(
            host=socket.gethostname(),
            pid=os.getpid(),
            user=_user_name(),
            since=datetime.now(UTC),
            command=tuple(without_password(word) for word in sys.argv),
        )

    @classmethod
    def unnamed(cls) -> "Holder":
        """Return what is said of a process that does not say who it is."""
        return cls(host="unknown", pid=None, user="unknown", since=datetime.now(UTC))

    def __str__(self) -> str:
        if self.pid is None:
            return "a process that does not say who it is"
        since = self.since.astimezone(UTC)
        who = f"process {self.pid} of {self.user} on host {self.host}"
        return f"{who}, since {since:%Y-%m-%d %H:%M} UTC"

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine, or did."""
        return self.host == socket.gethostname()

    def refusal(self, name: str) -> str:
        """Return the sentence for a second driver of the study `name`."""
        way_out = "or choose another --study"
        if self.pid is not None:
            way_out = f"or end it (kill {self.pid}{'' if self.is_here else f' on {self.host}'})"
        return f"the study {name!r} is held by {self}; wait for it, {way_out}"


class StudyLock(ABC):
    """The right to drive a study, which one process at a time has and which ends with it."""

    @abstractmethod
    def take(self) -> bool:
        """Take it, and return whether that went well: at once, without waiting for its holder.

        Raises:
            BadInputError: when the place of the lock cannot be used at all.
        """

    @abstractmethod
    def release(self) -> None:
        """Give it back."""

    @abstractmethod
    def holder(self) -> Holder | None:
        """Return who has it, us or another; none when nobody has.

        Raises:
            BadInputError: when that cannot be found out.
        """

    @abstractmethod
    def still_held(self) -> bool:
        """Return whether we have it still.

        One that was lost with the connection to a server is taken again when nobody else has it.
        A driver asks this now and then, and after every error of its storage. After False, or an
        error, it must not write to the study; it may ask again later.

        Raises:
            LostConnectionError: when the server does not answer.
        """


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return f"uid {os.getuid()}"
