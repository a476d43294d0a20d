"""A study's folder on this machine as the working copy of one on a remote file system.

What is appended to cannot be written there, and what is written there once can be read anywhere.
A small file in the folder remembers each file as it was, on both sides, when both were the same:
so it is known which side has changed since, and no change is overwritten.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from filelock import FileLock
from pydantic import ValidationError

from dlf.command import BadInputError, reason_of
from dlf.whole_file import replaced_whole
from tracking.records import Record
from tracking.remote.folder import RemoteFolder, Version
from tracking.report import REPORT_FILE
from tracking.study_files import CHECKPOINTS_FOLDER, TUNE_FOLDER

STATE_FILE, LOCK_FILE = "mirror.json", "mirror.lock"
NEVER_SENT = (CHECKPOINTS_FOLDER, TUNE_FOLDER)
"""folders: workers write the former there by themselves, and the latter is of no use to anybody"""
UNSENT = re.compile(r"mirror\.json|.*\.lock|.*\.driver\.json|.*\.new|.*\.\d+")
"""locks, who holds them, and what is being written"""
CHUNK_BYTES = 1 << 20


class ChangedElsewhereError(Exception):
    """Somebody else has written to the remote folder; the message says what."""


class Known(Record):
    """A file when both sides had the same."""

    here: Version | None
    """none: not known, so that it is sent again"""
    there: Version


class MirrorState(Record):
    """What the working copy remembers."""

    of: str
    files: Mapping[str, Known] = {}
    sending: Mapping[str, tuple[str, ...]] = {}
    """the digests of files whose sending was begun, and may have ended without our knowing"""


class Mirror:
    """The working copy; one process at a time fetches or sends."""

    def __init__(self, folder: Path, remote: RemoteFolder) -> None:
        self.folder = folder
        self.remote = remote
        self._lock = FileLock(folder / LOCK_FILE, thread_local=False)

    def refuse_unusable(self, *, to_write: bool) -> None:
        """Raise `BadInputError` when the remote folder cannot be read, or made to be written."""
        try:
            if to_write:
                self.remote.make()
            self.remote.look()
        except OSError as error:
            raise self.remote.unusable(str(error)) from error

    def fetch(self) -> None:
        """Bring the working copy up to what is there; what was changed only here stays.

        Raises:
            BadInputError: when that cannot be done, or a file was changed here and there.
        """
        try:
            with self._held():
                self._fetch(self._state())
        except OSError as error:
            raise BadInputError(
                f"{self.remote.shown} cannot be fetched to {self.folder} ({reason_of(error)})"
            ) from error

    def send(self) -> int:
        """Bring what is there up to the working copy; return how many files that took.

        Raises:
            OSError: when it cannot be written; what is missing is sent the next time.
            ChangedElsewhereError: when another machine has written what we would overwrite.
        """
        with self._held():
            state, here = self._state(), self._files_here()
            changed = [
                name
                for name, version in here.items()
                if name not in state.files or state.files[name].here != version
            ]
            gone = [name for name in state.files if name not in here]
            if changed or gone:
                self._send(state, here, changed, gone)
            return len(changed) + len(gone)

    def _fetch(self, state: MirrorState) -> None:
        here = self._files_here()
        there = {name: each for name, each in self.remote.files().items() if _is_sent(name)}
        files, conflicts = dict(state.files), []
        for name, version in there.items():
            known, ours = state.files.get(name), here.get(name)
            if known is not None and known.there == version and ours is not None:
                continue
            untouched = known is not None and ours == known.here
            if ours is None or untouched or name == REPORT_FILE:
                files[name] = Known(here=self._download(name), there=version)
            elif self._is_ours(name, state):
                files[name] = Known(here=None, there=version)
            else:
                conflicts.append(name)
        if conflicts:
            raise BadInputError(
                f"{self.folder} has a {conflicts[0]} that was never sent to {self.remote.shown}, "
                "and another machine has written to that since; move the folder away to go on from "
                "there"
            )
        # What somebody has removed there is sent again, if it is still here.
        self._keep(state.model_copy(update={"files": {n: files[n] for n in there}, "sending": {}}))

    def _send(
        self,
        state: MirrorState,
        here: dict[str, Version],
        changed: Sequence[str],
        gone: Sequence[str],
    ) -> None:
        there = self.remote.versions([*changed, *gone])
        for name, version in there.items():
            known = state.files.get(name)
            if (known is None or known.there != version) and not self._is_ours(name, state):
                raise ChangedElsewhereError(
                    f"{self.remote.shown}/{name} was written by another machine"
                )
        files = dict(state.files)
        sending = dict(state.sending)
        for name in changed:
            with self._reading(name) as file:
                digest = _digest_of(file, here[name].size)
            sending[name] = (*sending.get(name, ()), digest)
        self._keep(state.model_copy(update={"sending": sending}))
        for name in changed:
            with self._reading(name) as file:
                # What is appended meanwhile is sent the next time.
                self.remote.upload(name, file, here[name].size)
        for name in gone:
            self.remote.delete(name)
            del files[name]
        for name, version in self.remote.versions(changed).items():
            files[name] = Known(here=here[name], there=version)
        self._keep(state.model_copy(update={"files": files, "sending": {}}))

    def _is_ours(self, name: str, state: MirrorState) -> bool:
        """Return whether a file there is one that we have sent, or would send."""
        with TemporaryFile() as file:
            self.remote.download(name, file)
            file.seek(0)
            found = _digest_of(file)
        if found in state.sending.get(name, ()):
            return True
        with self._reading(name) as file:
            return found == _digest_of(file)

    @contextmanager
    def _reading(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file here; one that was removed since we looked is empty, and soon gone there."""
        try:
            file: IO[bytes] = (self.folder / name).open("rb")
        except FileNotFoundError:
            file = BytesIO()
        with file:
            yield file

    def _download(self, name: str) -> Version:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_whole(path) as unfinished:
            with unfinished.open("wb") as file:
                self.remote.download(name, file)
            return _version(unfinished)

    def _files_here(self) -> dict[str, Version]:
        found = {}
        for folder, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if _is_sent(name)]
            for path in (Path(folder) / name for name in names if _is_sent(name)):
                # It may be removed while we look.
                with suppress(FileNotFoundError):
                    found[str(path.relative_to(self.folder))] = _version(path)
        return found

    def _state(self) -> MirrorState:
        """Read what is remembered.

        Raises:
            BadInputError: when the folder is no working copy of the remote one.
        """
        try:
            state = MirrorState.model_validate_json((self.folder / STATE_FILE).read_bytes())
        except FileNotFoundError:
            if self._files_here():
                raise self._no_copy() from None
            return MirrorState(of=self.remote.shown)
        except ValidationError as error:
            raise self._no_copy() from error
        if state.of != self.remote.shown:
            raise self._no_copy()
        return state

    def _keep(self, state: MirrorState) -> None:
        with replaced_whole(self.folder / STATE_FILE) as unfinished:
            unfinished.write_text(state.model_dump_json(), encoding="utf-8")

    def _no_copy(self) -> BadInputError:
        return BadInputError(
            f"{self.folder} is no working copy of {self.remote.shown}; move it away, or start from "
            "another folder"
        )

    @contextmanager
    def _held(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            yield


def _is_sent(name: str) -> bool:
    parts = Path(name).parts
    return not any(part in NEVER_SENT or UNSENT.fullmatch(part) for part in parts)


def _version(path: Path) -> Version:
    status = path.stat()
    return Version(size=status.st_size, mtime_ns=status.st_mtime_ns)


def _digest_of(file: IO[bytes], size: int | None = None) -> str:
    digest, left = sha256(), size
    while chunk := file.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left)):
        digest.update(chunk)
        left = None if left is None else left - len(chunk)
    return digest.hexdigest()
