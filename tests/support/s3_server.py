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
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from pyarrow.fs import FileSystem

from tests.support.mlflow_server import unused_port

DEADLINE = 300.0
SECRET = "open-sesame"


class S3Server:
    """Serves on a free port of this machine."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.port = unused_port()
        with (folder / "s3.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + DEADLINE
        while not self._answers():
            assert self._process.poll() is None, (folder / "s3.log").read_text()
            assert time.monotonic() < deadline, "the S3 server does not start"

    def uri(self, path: str, *more: str) -> str:
        """Return the address of a folder, with credentials, of which any will do."""
        options = [f"scheme=http&region=us-east-1&endpoint_override=127.0.0.1:{self.port}", *more]
        return f"s3://key:{SECRET}@{path}?{'&'.join(options)}"

    def bucket(self) -> str:
        """Make a new bucket, and return its address."""
        uri = self.uri(f"bucket-{uuid4()}")
        FileSystem.from_uri(f"{uri}&allow_bucket_creation=true")[0].create_dir(
            urlsplit(uri).hostname
        )
        return uri

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
    """Run a server, where moto is installed."""
    if find_spec("moto") is None:
        pytest.skip("moto, whose S3 server these tests need, is not installed")
    server = S3Server(folder)
    try:
        yield server
    finally:
        server.end()
