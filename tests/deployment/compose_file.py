"""What docker-compose.yml says, its variables filled in by Compose itself."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.support.commands import ROOT

COMPOSE_FILE = ROOT / "docker-compose.yml"
PROFILES = ("job", "gpu")


class Mount(NamedTuple):
    """A path in a container, and the name of its volume or the file of this machine behind it."""

    source: str
    target: str


class Service(NamedTuple):
    """A service, as far as it matters to what runs in its container."""

    name: str
    image: str
    words: list[str]
    """its entrypoint and command; empty where the image has both"""
    environment: dict[str, str]
    mounts: list[Mount]
    after: list[str]
    """the services that must be healthy before it starts"""
    health: list[str]
    """the command of its health check"""
    shared_memory: str
    drops_capabilities: bool


def compose_program() -> list[str] | None:
    """Return how Compose is called here; none where it is not installed."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    if shutil.which("docker"):
        asked = subprocess.run(["docker", "compose", "version"], capture_output=True)
        if asked.returncode == 0:
            return ["docker", "compose"]
    return None


def compose_config(environment: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `config` on the file with all profiles and the variables of an environment file."""
    program = compose_program()
    assert program is not None
    profiles = [word for profile in PROFILES for word in ("--profile", profile)]
    return subprocess.run(
        [*program, "--file", COMPOSE_FILE, "--env-file", environment, *profiles, "config", *words],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def read_services(environment: Path) -> dict[str, Service]:
    """Read the services, each under its name."""
    done = compose_config(environment)
    assert done.returncode == 0, done.stderr
    services: Mapping[str, dict[str, Any]] = yaml.safe_load(done.stdout)["services"]
    return {name: _service(name, told) for name, told in services.items()}


def _service(name: str, told: dict[str, Any]) -> Service:
    kind, *health = told.get("healthcheck", {}).get("test", ["CMD"])
    assert kind == "CMD", f"the health check of {name} is no plain command"
    return Service(
        name=name,
        image=told["image"],
        words=[*(told.get("entrypoint") or ()), *(told.get("command") or ())],
        environment={key: str(value) for key, value in told["environment"].items()},
        mounts=[_mount(volume) for volume in told.get("volumes", ())],
        after=list(told.get("depends_on", ())),
        health=health,
        shared_memory=str(told.get("shm_size", "64m")).removesuffix("b"),
        drops_capabilities=told.get("cap_drop") == ["ALL"],
    )


def _mount(volume: str | dict[str, Any]) -> Mount:
    # Compose 1 writes the short form, Compose 2 the long one.
    if isinstance(volume, str):
        source, target = volume.split(":")[:2]
        return Mount(source, target)
    return Mount(volume["source"], volume["target"])
