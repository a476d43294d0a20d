"""A real `mlflow models serve`, and the requests that it answers."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.foreign_place import ForeignPlace
from tests.support.mlflow_server import SERVER_DEADLINE, unused_port


class Answer(NamedTuple):
    """What a server says: a status of HTTP, and an object."""

    status: int
    body: dict[str, Any]

    @property
    def refusal(self) -> str:
        """The sentence of the model, which has nothing beside it."""
        assert self.status == 400, self
        message: str = self.body["message"]
        return message


class ModelServer:
    """Serves a registered model of a store in a foreign place."""

    def __init__(self, place: ForeignPlace, tracking_uri: str, model_uri: str) -> None:
        self._log: Path = place.folder / "server.log"
        port = unused_port()
        self._address = f"http://127.0.0.1:{port}"
        command = [
            *(sys.executable, "-m", "mlflow", "models", "serve", "-m", model_uri),
            *("--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)),
        ]
        # The server finds `uvicorn` on the path.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**place.environment, "PATH": path, "MLFLOW_TRACKING_URI": tracking_uri}
        started = time.monotonic()
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                command,
                cwd=place.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait()
        self.seconds = time.monotonic() - started

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)
        self._process.wait()

    def ask(self, body: Any) -> Answer:
        """Send an object, or bytes as they are."""
        request = urllib.request.Request(
            f"{self._address}/invocations",
            data=body if isinstance(body, bytes) else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, json.load(answer))
        except urllib.error.HTTPError as error:
            return Answer(error.code, json.load(error))

    def _wait(self) -> None:
        deadline = time.monotonic() + SERVER_DEADLINE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self._address}/ping", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout=0.2)
        self.kill()
        raise AssertionError(f"no model at {self._address}:\n{self._log.read_text()}")
