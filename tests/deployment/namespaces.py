"""Containers without an engine: Linux namespaces of network, mounts, host name and processes.

All of it lives in namespaces of the machine's own, too, which `enter_namespaces` makes: when the
process in them ends, however that happens, nothing is left of networks, mounts and processes.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from tests.support.commands import ROOT
from tests.support.processes import processes

PROGRAMS = ("ip", "unshare", "nsenter", "setpriv", "mount")
STATE = Path("/run/rehearsal")
"""on a file system in memory, which hides this machine's /run"""
HOME = "/tmp/home"
NETWORK = "10.77.0"
_HOSTS = STATE / "hosts"
PROJECT = STATE / "project"
"""the project's folder, which no container hides"""
_PACKAGES = STATE / "packages"
_OWN = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def lacking() -> str | None:
    """Return what this machine lacks for namespaces; none where nothing is."""
    if sys.platform != "linux" or os.getuid() != 0:
        return "it needs root on Linux"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"it needs {' and '.join(missing)} (Debian: iproute2, util-linux)"
    trial = "mount -t tmpfs tmpfs /run && mkdir /run/netns && ip netns add one && "
    trial += "ip link add two type bridge && ip link add three type veth peer name four netns one"
    trial += " && setpriv --reuid=1 --clear-groups true"
    tried = subprocess.run(
        ["unshare", "--net", *_OWN, "sh", "-c", trial], capture_output=True, text=True, cwd="/"
    )
    if tried.returncode != 0:
        return f"this machine lets nobody make namespaces ({tried.stderr.strip()})"
    return None


def enter_namespaces(*words: str) -> NoReturn:
    """Become a command in namespaces of its own."""
    os.execvp("unshare", ["unshare", "--net", *_OWN, *words])


class Network:
    """A network of containers, which find each other by name."""

    def __init__(self) -> None:
        """Make it, and hide what of this machine its containers must not see."""
        _call("mount -t tmpfs tmpfs /run")
        STATE.mkdir()
        Path("/run/netns").mkdir()
        for folder, shown in ((ROOT, PROJECT), (Path(sys.prefix), _PACKAGES)):
            shown.mkdir()
            subprocess.run(["mount", "--bind", folder, shown], check=True)
        _HOSTS.write_text("127.0.0.1 localhost\n", encoding="ascii")
        _call("ip link set lo up")
        _call("ip link add lan type bridge")
        _call(f"ip address add {NETWORK}.1/24 dev lan")
        _call("ip link set lan up")
        self.addresses: dict[str, str] = {}

    def add(self, name: str, called: str) -> None:
        """Make room for a container, which others will find by what it is called."""
        number = len(self.addresses) + 2
        self.addresses[name] = f"{NETWORK}.{number}"
        with _HOSTS.open("a", encoding="ascii") as hosts:
            hosts.write(f"{self.addresses[name]} {called}\n")
        _call(f"ip netns add {name}")
        _call(f"ip link add port{number} type veth peer name eth0 netns {name}")
        _call(f"ip link set port{number} master lan up")
        _call(f"ip -n {name} address add {self.addresses[name]}/24 dev eth0")
        _call(f"ip -n {name} link set eth0 up")
        _call(f"ip -n {name} link set lo up")
        # By its route to the world Ray finds the address of its node.
        _call(f"ip -n {name} route add default via {NETWORK}.1")


class Container:
    """A command with a network address, a host name, files and processes of its own."""

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        *,
        of: str,
        environment: Mapping[str, str],
        folder: str,
        mounts: Sequence[tuple[str | Path, str]],
        scratch: Sequence[str],
        shared_memory: str,
        privileges: Sequence[str],
    ) -> None:
        """Describe it.

        Args:
            name: its host name and the name of its network namespace.
            words: the command.
            of: the service that it is one of.
            environment: all of it.
            folder: in which it runs.
            mounts: files and folders of this machine, and where it sees them.
            scratch: folders that are empty for it but for what is mounted, and read-only.
            shared_memory: the size of its /dev/shm.
            privileges: flags of setpriv.
        """
        self.name, self.of = name, of
        self._log = STATE / f"{name}.log"
        self._environment = dict(environment)
        self._confined = ["setpriv", *privileges, "--"]
        steps = [
            f"hostname {name}",
            "cd /",
            f"mount --bind {_HOSTS} /etc/hosts",
            # Or Ray would wait for a name server that is out of reach.
            "[ ! -e /etc/resolv.conf ] || mount --bind /dev/null /etc/resolv.conf",
            *(f"mount -t tmpfs tmpfs {path}" for path in (*scratch, "/tmp")),
            f"mount -t tmpfs -o size={shared_memory} tmpfs /dev/shm",
            f"mkdir -m 777 {HOME}",
            # What is installed may lie in a place that was just emptied.
            *_bound(_PACKAGES, sys.prefix),
            *(step for source, target in mounts for step in _bound(Path(source), target)),
            *(f"mount -o remount,ro {path}" for path in scratch),
            f"cd {folder}",
            shlex.join([*self._confined, *words]),
            # The shell stays, as the init of the container.
            "exit $?",
        ]
        self._script = "set -e\n" + "\n".join(steps)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again."""
        with self._log.open("ab") as log:
            into = f"ip netns exec {self.name} unshare --uts --ipc".split()
            self._process = subprocess.Popen(
                [*into, *_OWN, "bash", "-c", self._script],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """End all that runs in it, at once, as when its machine loses power."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def poll(self) -> int | None:
        """Return the exit code of its command; none while it runs."""
        assert self._process is not None
        return self._process.poll()

    def agrees(self, words: Sequence[str], timeout: float) -> bool:
        """Run another command in it; return whether it exits with 0."""
        assert self._process is not None
        init = next((p.pid for p in processes() if p.parent == self._process.pid), None)
        if init is None:
            return False
        inside = ["nsenter", f"--target={init}", "--net", "--mount", "--uts", "--ipc", "--pid"]
        done = subprocess.run(
            [*inside, "--wd", "--", *self._confined, *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
        )
        return done.returncode == 0

    def said(self) -> str:
        """Return what it has printed."""
        return self._log.read_text(errors="replace")

    def last_words(self) -> str:
        """Return the end of it."""
        return "\n".join(self.said().splitlines()[-30:])


def _bound(source: Path, target: str) -> list[str]:
    place, at = shlex.quote(str(source)), shlex.quote(target)
    if source.is_dir():
        return [f"mkdir -p {at}", f"mount --bind {place} {at}"]
    return [f"mkdir -p $(dirname {at})", f"touch {at}", f"mount --bind {place} {at}"]


def _call(line: str) -> None:
    subprocess.run(line.split(), check=True)
