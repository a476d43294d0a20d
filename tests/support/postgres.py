"""A real Postgres server of the tests' own, from the binaries that the machine has."""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.mlflow_server import unused_port


class PostgresServer:
    """A server on a free port of this machine, which forgets everything in the end."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries = binaries
        self._folder = folder
        self._user = server_user()
        self._runs = False
        self._port = unused_port()
        if self._user is not None:
            shutil.chown(folder, self._user)
        self._call("initdb", "--username=dlf", "--auth=trust", "--no-sync", "--encoding=UTF8")

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://dlf@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start it; started once is enough."""
        if self._runs:
            return
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c fsync=off -k {self._folder}"
        self._call("pg_ctl", "-w", "-l", str(self._folder / "log"), "-o", options, "start")
        self._runs = True

    def stop(self) -> None:
        """Stop it as a crash would, at once, whoever is connected; stopped once is enough."""
        if self._runs:
            self._call("pg_ctl", "-w", "-m", "immediate", "stop")
            self._runs = False

    def _call(self, program: str, *words: str) -> None:
        subprocess.run(
            [self._binaries / program, *words],
            cwd=self._folder,
            env={**os.environ, "PGDATA": str(self._folder / "data")},
            user=self._user,
            extra_groups=None if self._user is None else [],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=120,
        )


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a server; skip the test where there are no binaries of one."""
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("no Postgres here: neither initdb in PATH nor /usr/lib/postgresql")
    # Not in pytest's folder, which only root may enter when root runs the tests.
    with tempfile.TemporaryDirectory(prefix="dlf-postgres-") as folder:
        server = PostgresServer(binaries, Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def postgres_binaries() -> Path | None:
    """Return the folder of the binaries of a server; none where there are none."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    by_version = sorted(debian, key=lambda path: int(re.sub(r"\D", "", path.parts[-3]) or 0))
    return by_version[-1].parent if by_version else None


def server_user() -> str | None:
    """Return as whom the server runs: it refuses to be root."""
    if os.getuid() != 0:
        return None
    return "postgres" if "postgres" in {entry.pw_name for entry in pwd.getpwall()} else "nobody"
