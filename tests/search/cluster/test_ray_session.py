"""Addresses of clusters that cannot be used: one sentence each."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from dlf.command import BadInputError
from search.cluster.ray_session import Head, _refuse_other_versions, ray_session
from tests.support.commands import ROOT


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [("ray-head:6379", "ray-head", 6379), ("10.0.0.1:1", "10.0.0.1", 1), ("[::1]:5", "::1", 5)],
)
def test_an_address_is_a_host_and_a_port(address: str, host: str, port: int) -> None:
    assert Head.parse(address) == (host, port)


@pytest.mark.parametrize(
    "address", ["ray-head", "ray-head:", ":6379", "http://ray-head:8265", "a:b"]
)
def test_anything_else_is_refused(address: str) -> None:
    with pytest.raises(BadInputError, match="is not the address of a Ray cluster"):
        Head.parse(address)


def _search(tmp_path: Path, tiny_data: Path, address: str, **environment: str) -> str:
    words = ["--dataset", "synthetic", "--data-dir", str(tiny_data), "--trials", "1"]
    done = subprocess.run(
        [sys.executable, ROOT / "search/run.py", *words, "--ray-address", address],
        cwd=tmp_path,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert not (tmp_path / "runs").exists()
    return done.stderr.splitlines()[-1]


def test_a_head_that_is_not_there_is_refused_at_once(tmp_path: Path, tiny_data: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        told = _search(tmp_path, tiny_data, address)
    assert told == (
        f"no Ray head answers at {address}: start it there with ray start --head, or "
        "correct --ray-address or $RAY_ADDRESS"
    )


def test_rays_client_is_refused(tmp_path: Path, tiny_data: Path) -> None:
    told = _search(tmp_path, tiny_data, "ray://ray-head:10001")
    assert "give HOST:PORT of the head itself" in told


def test_the_environment_names_a_cluster_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "nowhere")
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(BadInputError, match="'nowhere' is not the address"), ray_session():
        pass


class Metadata:
    """A client of a cluster that tells its versions, or nothing."""

    def __init__(self, **told: str) -> None:
        self.told = json.dumps(told).encode() if told else None

    def internal_kv_get(self, *_: bytes) -> bytes | None:
        return self.told


@pytest.mark.parametrize(
    ("told", "words"),
    [({"ray_version": "1.0"}, "runs Ray 1.0 and"), ({"python_version": "2.7"}, "runs Python 2.7")],
)
def test_another_ray_or_python_is_refused(told: dict[str, str], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        _refuse_other_versions(Metadata(**told), Head("ray-head", 6379))


@pytest.mark.parametrize("told", [{}, {"ray_version": ray.__version__}])
def test_our_own_and_what_is_not_told_are_not(told: dict[str, str]) -> None:
    _refuse_other_versions(Metadata(**told), Head("ray-head", 6379))


@pytest.mark.slow
def test_a_wrong_token_is_refused_in_words(tmp_path: Path, tiny_data: Path) -> None:
    code = (
        "import sys; from tests.support.ray_cluster import running_cluster\n"
        "with running_cluster() as c: print(c.address, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "1" * 40},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as cluster:
        assert cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        wrong = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 40}
        told = _search(tmp_path, tiny_data, address, **wrong)
        cluster.communicate()
    assert "does not let us in" in told
    assert "RAY_AUTH_TOKEN must be the same here and there" in told
