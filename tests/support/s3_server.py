"""A real S3 server of the tests' own, moto's, which keeps its buckets in memory."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.mlflow_server import unused_port

DEADLINE = 60.0
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""what every process that asks the server needs"""


class S3Server:
    """Serves on a free port of this machine."""

    def __init__(self, folder: Path) -> None:
        self.port = unused_port()
        with (folder / "s3.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + DEADLINE
        while not self._answers():
            assert self._process.poll() is None, (folder / "s3.log").read_text()
            assert time.monotonic() < deadline, "the S3 server does not start"

    def uri(self, path: str, *more: str) -> str:
        """Return the address of a folder."""
        options = ["scheme=http", f"endpoint_override=127.0.0.1:{self.port}", *more]
        return f"s3://{path}?{'&'.join(options)}"

    def fall_silent(self) -> None:
        """Answer nobody, as behind a network that is broken."""
        self._process.send_signal(signal.SIGSTOP)

    def come_back(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


@contextmanager
def running_s3(folder: Path) -> Iterator[S3Server]:
    """Run a server; its credentials are in the environment meanwhile."""
    if find_spec("moto") is None:
        pytest.skip("moto, whose S3 server these tests need, is not installed")
    server = S3Server(folder)
    former = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    try:
        yield server
    finally:
        server.end()
        for name, value in former.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
