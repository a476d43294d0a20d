"""What docker-compose.yml, Dockerfile and .env.example say, as far as it shows without Docker."""

import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.compose_file import (
    COMPOSE_FILE,
    compose_config,
    compose_program,
    read_services,
)
from tests.deployment.dockerfile import read_dockerfile
from tests.support.commands import ROOT
from tests.support.postgres import postgres_binaries

VARIABLE = re.compile(r"\$\{(\w+)(?:(:-|:\?)([^}]*))?\}")
SECRETS = {"POSTGRES_PASSWORD", "RAY_AUTH_TOKEN"}
TEXT = COMPOSE_FILE.read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
OURS = {name for name in SERVICES if name != "postgres"}
IMAGE = read_dockerfile()


def example() -> dict[str, str]:
    """Return the variables of .env.example, those in comments included."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    found = (re.fullmatch(r"#?([A-Z_]+)=(.*)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A .env as a user makes it: the example, with its secrets filled in."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    file = tmp_path / ".env"
    file.write_text(re.sub(r"^([A-Z_]+)=$", r"\1=filled-in", text, flags=re.MULTILINE))
    if compose_program() is None:
        pytest.skip("neither docker-compose nor docker compose is here")
    return file


def test_compose_takes_the_file(environment: Path) -> None:
    done = compose_config(environment, "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("secret", sorted(SECRETS))
def test_without_a_secret_compose_says_where_to_look(environment: Path, secret: str) -> None:
    environment.write_text(environment.read_text().replace(f"{secret}=filled-in", f"{secret}="))
    done = compose_config(environment, "-q")
    assert done.returncode != 0
    assert "is missing, see .env.example" in done.stderr


def test_the_secrets_reach_those_who_need_them_by_the_environment_alone(environment: Path) -> None:
    lines = {secret: f"{secret}=the-{secret}" for secret in SECRETS}
    environment.write_text("\n".join(lines.values()))
    found: dict[str, set[str]] = {secret: set() for secret in SECRETS}
    for name, service in read_services(environment).items():
        for secret, variables in found.items():
            assert f"the-{secret}" not in " ".join([*service.words, *service.health])
            if f"the-{secret}" in service.environment.values():
                variables.add(name)
            assert not any(
                f"the-{secret}" in value and value != f"the-{secret}"
                for value in service.environment.values()
            ), f"a secret is part of an address in {name}"
    assert found["POSTGRES_PASSWORD"] == {"postgres", "mlflow", "search"}
    assert found["RAY_AUTH_TOKEN"] == {"ray-head", "ray-worker", "ray-worker-gpu", "search"}


def test_the_example_has_every_variable_and_no_other() -> None:
    used = {match[1] for match in VARIABLE.finditer(TEXT)}
    assert used == set(example())
    assert "$" not in VARIABLE.sub("", TEXT)


def test_every_variable_has_a_default_that_the_example_tells_or_is_a_secret_without_one() -> None:
    defaults: dict[str, set[str]] = {}
    required: set[str] = set()
    for name, kind, default in (match.groups() for match in VARIABLE.finditer(TEXT)):
        if kind == ":-":
            defaults.setdefault(name, set()).add(default)
        elif kind == ":?":
            required.add(name)
    assert required == SECRETS
    told = example()
    assert {name: {told[name]} for name in told if name not in SECRETS} == defaults
    assert {told[name] for name in SECRETS} == {""}


def test_git_ignores_the_filled_in_copy() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    subprocess.run(["git", "check-ignore", "-q", ".env"], cwd=ROOT, check=True)
    assert subprocess.run(["git", "check-ignore", "-q", ".env.example"], cwd=ROOT).returncode == 1


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_command_names_what_exists(name: str, environment: Path) -> None:
    service = read_services(environment)[name]
    for words in (service.words, service.health):
        if words:
            program, *rest = words
            folders = [f"{sys.prefix}/bin", str(postgres_binaries() or "")]
            assert shutil.which(program, path=":".join(folders)), f"{program} does not exist"
            if program == "python":
                assert _is_there(rest), f"{rest[0]} is not in the image"


def _is_there(rest: list[str]) -> bool:
    """Tell whether the image has the script or the module that Python is to run."""
    path = rest[1].replace(".", "/") + ".py" if rest[0] == "-m" else rest[0]
    inside = f"{IMAGE.folder}/{path}"
    copied = any(inside == c.target or inside.startswith(f"{c.target}/") for c in IMAGE.copies)
    return copied and (ROOT / path).is_file()


def test_what_is_published_is_the_ui_and_the_dashboard_on_this_machine_alone() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {
        "mlflow": ["${PUBLISH_ADDRESS:-127.0.0.1}:${MLFLOW_PORT:-5000}:5000"],
        "ray-head": ["${PUBLISH_ADDRESS:-127.0.0.1}:${RAY_DASHBOARD_PORT:-8265}:8265"],
    }


def test_services_come_back_and_tell_how_they_are_but_for_the_search() -> None:
    search = SERVICES["search"]
    assert (search["restart"], search["profiles"], "healthcheck" in search) == (
        "no",
        ["job"],
        False,
    )
    for name in set(SERVICES) - {"search"}:
        assert SERVICES[name]["restart"] == "unless-stopped"
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_everything_waits_for_the_health_of_what_it_needs() -> None:
    after = {
        name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }
    well = "service_healthy"
    assert after == {
        "postgres": {},
        "mlflow": {"postgres": well},
        "ray-head": {},
        "ray-worker": {"ray-head": well},
        "ray-worker-gpu": {"ray-head": well},
        "search": {"postgres": well, "mlflow": well, "ray-head": well},
    }


def test_mlflow_is_asked_by_a_name_that_it_allows() -> None:
    mlflow = SERVICES["mlflow"]
    (flag,) = [word for word in mlflow["command"] if word.startswith("--allowed-hosts=")]
    match = VARIABLE.search(flag)
    assert match is not None
    allowed = match[3].split(",")
    uris = {
        mlflow["healthcheck"]["test"][-1],
        SERVICES["search"]["environment"]["MLFLOW_TRACKING_URI"],
    }
    assert uris == {"http://mlflow:5000"}
    for host in ("mlflow:5000", "localhost:5000", "127.0.0.1:5000"):
        assert any(fnmatch(host, pattern) for pattern in allowed)
    assert not any(fnmatch("elsewhere.example:5000", pattern) for pattern in allowed)


def test_nothing_is_reported_to_anybody() -> None:
    for name in OURS:
        environment = SERVICES[name]["environment"]
        assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
        assert environment["RAY_USAGE_STATS_REPORT_URL"] == "http://127.0.0.1:9"
        assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
        assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_search_and_workers_have_the_same_folders_where_the_flags_expect_them() -> None:
    folders = SERVICES["search"]["volumes"]
    assert folders == ["data:/srv/dlf/data", "runs:/srv/dlf/runs"]
    assert SERVICES["ray-worker"]["volumes"] == SERVICES["ray-worker-gpu"]["volumes"] == folders
    assert IMAGE.folder == "/srv/dlf"


def test_only_the_gpu_worker_has_a_gpu() -> None:
    with_devices = {name for name, service in SERVICES.items() if "deploy" in service}
    assert with_devices == {"ray-worker-gpu"}
    gpu = SERVICES["ray-worker-gpu"]
    assert gpu["profiles"] == ["gpu"]
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_our_containers_have_no_privileges() -> None:
    for name in OURS:
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]
    assert IMAGE.user == "dlf"


def test_a_volume_of_ours_lies_over_a_folder_that_the_image_gives_to_its_user() -> None:
    steps = [step.split() for command in IMAGE.commands for step in command.split("&&")]
    (made,) = [words[1:] for words in steps if words[0] == "mkdir"]
    (given,) = [words[2:] for words in steps if words[:2] == ["chown", "dlf:dlf"]]
    for name in OURS:
        for volume in SERVICES[name].get("volumes", ()):
            folder = volume.split(":")[1].removeprefix(f"{IMAGE.folder}/")
            assert folder in made
            assert folder in given


def test_the_image_is_made_of_pinned_versions_and_what_is_there() -> None:
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", IMAGE.base)
    assert re.fullmatch(r"postgres:\d+\.\d+-bookworm", SERVICES["postgres"]["image"])
    installing = [command for command in IMAGE.commands if "pip install" in command]
    assert installing
    assert all("--constraint constraints.txt" in command for command in installing)
    allowed = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    for source, _ in IMAGE.copies:
        assert (ROOT / source).exists()
        assert source.partition("/")[0] in allowed


def test_the_image_has_every_package_of_the_project() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {
        name.removesuffix("*") for name in told["tool"]["setuptools"]["packages"]["find"]["include"]
    }
    assert packages <= {copy.source for copy in IMAGE.copies}
    (installed,) = re.findall(r"'\.\[([\w,-]+)\]'", " ".join(IMAGE.commands))
    assert set(installed.split(",")) <= set(told["project"]["optional-dependencies"])
