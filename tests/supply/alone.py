"""A network with nobody else in it: a command that runs there, and what it sent into the world.

python -m tests.supply.alone SEEN COMMAND ...

runs a command in a network namespace, where a listener sits at the other end of the only way out,
and writes what it heard, a line for each packet, to the file SEEN. It needs root on Linux.
"""

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.support.commands import ROOT

# Addresses that documentation has for itself (RFC 5737): they are nobody's.
OWN, GATEWAY, NAME_SERVER = "192.0.2.1", "192.0.2.2", "198.51.100.53"
ALL_PROTOCOLS, IPV4 = 0x0003, 0x0800
PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP"}
_NAMESPACES = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


class Alone(NamedTuple):
    """What a command left behind that was alone."""

    code: int
    out: str
    err: str
    sent: list[str]
    """every packet that would have left the machine, in words"""


def run_alone(*words: str | Path, cwd: Path, environment: Mapping[str, str]) -> Alone:
    """Run a command in a network of its own; what it leaves running there is ended."""
    with TemporaryDirectory() as folder:
        seen = Path(folder) / "seen"
        inside = [sys.executable, "-m", "tests.supply.alone", seen, *words]
        done = subprocess.run(
            ["unshare", *_NAMESPACES, "env", f"--chdir={ROOT}", f"WORK={cwd}", *inside],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert seen.exists(), done.stderr
        return Alone(done.returncode, done.stdout, done.stderr, seen.read_text().splitlines())


def main() -> int:
    """Listen, run the command, and tell what was heard."""
    seen, *words = sys.argv[1:]
    with TemporaryDirectory() as folder:
        _hide_other_ways_to_names(Path(folder))
        _make_network()
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS)) as ear:
            ear.bind(("beyond", 0))
            ear.setblocking(False)
            code = subprocess.run(words, cwd=os.environ.pop("WORK")).returncode
            heard = _heard(ear)
    Path(seen).write_text("".join(f"{line}\n" for line in heard), encoding="utf-8")
    return code


def _make_network() -> None:
    for line in (
        "ip link set lo up",
        "ip link add world type veth peer name beyond",
    ):
        subprocess.run(line.split(), check=True)
    for end in ("world", "beyond"):
        # It greets its neighbours unasked.
        off = Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6")
        if off.exists():
            off.write_text("1", encoding="ascii")
    for line in (
        f"ip address add {OWN}/24 dev world",
        "ip link set world up",
        "ip link set beyond up",
        f"ip neighbour add {GATEWAY} lladdr 02:00:00:00:00:01 dev world",
        f"ip route add default via {GATEWAY}",
    ):
        subprocess.run(line.split(), check=True)


def _hide_other_ways_to_names(folder: Path) -> None:
    """Leave a name server beyond the way out as the only one to ask for names."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    files = {
        "/etc/hosts": f"127.0.0.1 localhost {socket.gethostname()}\n",
        "/etc/resolv.conf": f"nameserver {NAME_SERVER}\noptions timeout:1 attempts:1\n",
    }
    for number, (path, text) in enumerate(files.items()):
        # It may be a link into /run, which is empty now.
        place = Path(path).resolve()
        if place.is_relative_to("/run"):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        own = folder / str(number)
        own.write_text(text, encoding="ascii")
        subprocess.run(["mount", "--bind", own, place], check=True)


def _heard(ear: socket.socket) -> list[str]:
    lines = []
    while True:
        try:
            lines.append(_in_words(ear.recv(65535)))
        except BlockingIOError:
            return lines


def _in_words(frame: bytes) -> str:
    """Say of a packet where it goes, and what in it can be read."""
    (kind,) = struct.unpack_from("!H", frame, 12)
    if kind != IPV4:
        return f"a frame of kind {kind:#06x}"
    packet = frame[14:]
    header = 4 * (packet[0] & 15)
    protocol, to = PROTOCOLS.get(packet[9], str(packet[9])), socket.inet_ntoa(packet[16:20])
    (port,) = struct.unpack_from("!H", packet, header + 2)
    readable = "".join(chr(byte) if 32 < byte < 127 else " " for byte in packet[header + 8 :])
    return f"{protocol} to {to}:{port}: {' '.join(readable.split())}"


if __name__ == "__main__":
    sys.exit(main())
