"""A real MLflow server that can be killed and started again."""

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.support.tracking_stores import store_at

SERVER_DEADLINE = 300.0
UNAUTHORIZED = 401


PORTS = range(20_000, 32_000)
"""none that a system gives to a connection, which would take it before the server does"""


def unused_port() -> int:
    """Return a port that nobody listens at."""
    while True:
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", random.SystemRandom().choice(PORTS)))
            return int(listener.getsockname()[1])


class MlflowServer:
    """Serves the `mlflow.db` of a folder; start it again and it has the same address.

    With a password, it lets in `admin` alone.
    """

    def __init__(self, folder: Path, password: str | None = None) -> None:
        self._folder = folder
        self._password = password
        self._port = unused_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        store_at(self._folder / "mlflow.db")
        command = self._command()
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        if self._password is not None:
            command += ["--app-name", "basic-auth"]
            environment["MLFLOW_FLASK_SERVER_SECRET_KEY"] = "a secret"
            environment["MLFLOW_AUTH_ADMIN_PASSWORD"] = self._password
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_for_api(self._process)

    def kill(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)
        self._process.wait()
        # The workers, its children, hold the port for a moment longer.
        deadline = time.monotonic() + SERVER_DEADLINE
        while self._port_is_open():
            assert time.monotonic() < deadline, f"something else serves port {self._port}"

    def _port_is_open(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return True
        except ConnectionRefusedError:
            return False
        except OSError:
            return True

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(self._port)),
            *("--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}"),
            *("--artifacts-destination", str(self._folder / "artifacts")),
        ]

    def _wait_for_api(self, process: "subprocess.Popen[bytes]") -> None:
        url = f"{self.address}/api/2.0/mlflow/experiments/get?experiment_id=0"
        deadline = time.monotonic() + SERVER_DEADLINE
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(url, timeout=5):
                    return
            except (urllib.error.URLError, OSError) as error:
                if isinstance(error, urllib.error.HTTPError) and error.code == UNAUTHORIZED:
                    return
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.2)
        self.kill()
        raise AssertionError(f"no server at {self.address}:\n{(self._folder / 'log').read_text()}")
