"""The services of docker-compose.yml as native processes, each in a container of namespaces."""

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from pwd import getpwnam

from tests.deployment.compose_file import Service, read_services
from tests.deployment.dockerfile import read_dockerfile
from tests.deployment.namespaces import HOME, PROJECT, STATE, Container, Network
from tests.support.commands import ROOT
from tests.support.postgres import postgres_binaries, server_user

SECONDS = 240.0
HEALTH_SECONDS = 60.0
POSTGRES = "postgres"
PGDATA = "/var/lib/postgresql/data"
FIRST_TIME = "/docker-entrypoint-initdb.d"
WITHOUT_CAPABILITIES = ("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")


class RehearsalError(Exception):
    """Something did not go as it should; the message says what, with the end of a log."""


class Stack:
    """The services; they start in the order and with the checks that the file asks for."""

    def __init__(self, variables: Mapping[str, str], scale: Mapping[str, int]) -> None:
        """Read the file, and make the network and the volumes.

        Args:
            variables: those of .env, without the secrets.
            scale: of the services with several containers, how many.
        """
        self.network = Network()
        self._image = read_dockerfile()
        binaries = postgres_binaries()
        self._path = f"{sys.prefix}/bin:{binaries}:/usr/sbin:/usr/bin:/sbin:/bin"
        file = STATE / "env"
        self.secrets = {
            "POSTGRES_PASSWORD": secrets.token_hex(16),
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
        }
        lines = [f"{name}={value}\n" for name, value in {**self.secrets, **variables}.items()]
        file.write_text("".join(lines), encoding="ascii")
        self.services = read_services(file)
        self._scale = scale
        self.containers: dict[str, Container] = {}

    def up(self, name: str) -> None:
        """Start all containers of a service, as `docker compose up` does."""
        count = self._scale.get(name, 1)
        for number in range(1, count + 1):
            self._start(name if count == 1 else f"{name}-{number}", self.services[name])

    def run(self, name: str, own: str, *words: str, entrypoint: Sequence[str] = ()) -> Container:
        """Start one container of a service, as `docker compose run` does.

        Args:
            name: of the service.
            own: what the container is called.
            words: what comes after the entrypoint.
            entrypoint: another one than the service's.
        """
        service = self.services[name]
        return self._start(own, service._replace(words=[*(entrypoint or service.words), *words]))

    def _start(self, own: str, service: Service) -> Container:
        for other in service.after:
            if other not in self.containers:
                self.up(other)
            self.wait_for_health(other)
        self.network.add(own, service.name)
        container = self._container(own, service)
        container.start()
        self.containers[own] = container
        return container

    def wait_for_health(self, own: str) -> None:
        """Wait until the health check of a container's service agrees."""
        container = self.containers[own]
        service = self.services[container.of]

        def healthy() -> bool:
            if container.poll() is not None:
                raise RehearsalError(f"{own} has ended:\n{container.last_words()}")
            return container.agrees(service.health, HEALTH_SECONDS)

        wait_until(healthy, f"{own} does not become healthy", container)

    def volume(self, name: str) -> Path:
        """Return the folder of a volume."""
        folder = STATE / "volumes" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _container(self, own: str, service: Service) -> Container:
        environment = {"PATH": self._path, "HOME": HOME, "LANG": "C.UTF-8"}
        if service.name == POSTGRES:
            return self._postgres(own, service, environment)
        assert service.drops_capabilities, f"{service.name} keeps root's capabilities"
        copies = [(PROJECT / copy.source, copy.target) for copy in self._image.copies]
        return Container(
            own,
            service.words,
            of=service.name,
            environment={**environment, **self._image.environment, **service.environment},
            folder=self._image.folder,
            mounts=[*copies, *self._mounts(service)],
            scratch=["/srv"],
            shared_memory=service.shared_memory,
            privileges=WITHOUT_CAPABILITIES,
        )

    def _postgres(self, own: str, service: Service, environment: dict[str, str]) -> Container:
        """Return the one container that is of another image, whose entrypoint is not at hand."""
        user = getpwnam(server_user() or "")
        mounts = [m for m in self._mounts(service) if not m[1].startswith(FIRST_TIME)]
        scripts = [m.source for m in service.mounts if m.target.startswith(FIRST_TIME)]
        for source, _ in mounts:
            subprocess.run(["chown", f"{user.pw_uid}:{user.pw_gid}", source], check=True)
        entrypoint = PROJECT / "tests/deployment/postgres_entrypoint.sh"
        return Container(
            own,
            ["bash", str(entrypoint), *(str(_in_project(script)) for script in scripts)],
            of=service.name,
            environment={**environment, "PGDATA": PGDATA, **service.environment},
            folder="/",
            mounts=mounts,
            scratch=["/var/lib"],
            shared_memory=service.shared_memory,
            privileges=[f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"],
        )

    def _mounts(self, service: Service) -> list[tuple[Path, str]]:
        return [
            (
                _in_project(mount.source) if "/" in mount.source else self.volume(mount.source),
                mount.target,
            )
            for mount in service.mounts
        ]


def wait_until(condition: Callable[[], bool], otherwise: str, container: Container) -> None:
    """Look again and again; after some minutes raise what did not come to pass, with a log."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise RehearsalError(f"{otherwise}:\n{container.last_words()}")
        time.sleep(0.3)


def _in_project(path: str) -> Path:
    return PROJECT / Path(path).relative_to(ROOT)
