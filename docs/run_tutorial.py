"""Run the commands of tutorial.md in a copy of the project, and hold its outputs to the page.

python -m docs.run_tutorial            # tells where a command or the shape of its output differs
python -m docs.run_tutorial --write    # and writes the outputs into the page anew
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.environment import clean_environment
from dlf.command import EXIT_DONE, CommandParser, WorkFailedError, run_command
from docs.console_blocks import INTERRUPT, Step, shortened, steps_of, write_outputs
from tests.support.mlflow_server import unused_port

PROJECT = Path(__file__).parents[1]
PAGE = Path(__file__).parent / "tutorial.md"
COPIED = ("dlf", "tracking", "search", "Makefile", "pyproject.toml", "constraints.txt")
ENVIRONMENT = ("bin", "lib", "lib64", "pyvenv.cfg")
PORTS = ("5000", "5001")
"""those of the page, in place of which free ones are taken"""
SECONDS = 900.0


def main() -> int:
    """Run the page, tell what differs or write it anew."""
    parser = CommandParser(prog="python -m docs.run_tutorial", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the outputs into the page")
    args = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    steps = steps_of(page)
    with TemporaryDirectory(prefix="tutorial-") as folder, Terminal(Path(folder)) as terminal:
        outputs = []
        for step in steps:
            print(f"$ {step.command}", flush=True)
            outputs.append(terminal.run(step))
            print(*outputs[-1], sep="\n", flush=True)
    differences = differing(steps, outputs)
    if args.write:
        PAGE.write_text(write_outputs(page, outputs), encoding="utf-8")
    elif differences:
        raise WorkFailedError("\n\n".join(differences))
    return EXIT_DONE


def differing(steps: Sequence[Step], outputs: Sequence[Sequence[str]]) -> list[str]:
    """Return for each command whose output has another shape than the page shows what it said."""
    return [
        "\n".join([f"the page shows another output of: {step.command}", *output])
        for step, output in zip(steps, outputs, strict=True)
        if shortened(step.shown, output) is None
    ]


class Terminal:
    """Runs commands in a copy of the project, as a newcomer in a clone of it.

    Used as a context: in the end nothing runs any more.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[_Running] = []
        self._ports = {port: str(unused_port()) for port in PORTS}
        _copy_project(folder)
        self._environment = {
            **clean_environment(),
            "PATH": f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder),
            "PYTHONUNBUFFERED": "1",
            "PORT": self._ports[PORTS[0]],
        }

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        for running in self._running:
            running.kill()

    def run(self, step: Step) -> list[str]:
        """Run a command and return what it says, the interrupted one what it says after that.

        Raises:
            WorkFailedError: when it ends otherwise than the page says.
        """
        if step.command == INTERRUPT:
            running = self._running.pop()
            running.interrupt()
        else:
            running = _Running(self._with_free_ports(step.command), self._folder, self._environment)
            if step.until is not None:
                self._running.append(running)
        if step.until is None:
            running.wait_for_end(step.exit_code)
        else:
            running.wait_until(self._with_free_ports(step.until))
        said = "\n".join(self._as_on_the_page(line) for line in running.news())
        return said.rstrip().splitlines()

    def _with_free_ports(self, text: str) -> str:
        for port, free in self._ports.items():
            text = re.sub(rf"\b{port}\b", free, text)
        return text

    def _as_on_the_page(self, line: str) -> str:
        for port, free in self._ports.items():
            line = re.sub(rf"\b{free}\b", port, line)
        return line.replace(str(self._folder), "...").rstrip()


class _Running:
    """A command in a process group of its own, and what it has said."""

    def __init__(self, command: str, folder: Path, environment: dict[str, str]) -> None:
        self._command = command
        self._told = 0
        self._said = folder / f".said-{time.monotonic_ns()}"
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def news(self) -> list[str]:
        """Return the whole lines that it has said since the last time."""
        lines = self._said.read_text(encoding="utf-8").splitlines(keepends=True)
        if self._process.poll() is None and lines and not lines[-1].endswith("\n"):
            lines.pop()
        new = lines[self._told :]
        self._told = len(lines)
        return [line.rstrip("\n") for line in new]

    def wait_until(self, sign: str) -> None:
        """Wait until it has said something, or an address answers."""
        deadline = time.monotonic() + SECONDS
        while True:
            too_late = self._process.poll() is not None or time.monotonic() > deadline
            if _answers(sign) if sign.startswith("http") else self._has_said(sign):
                return
            if too_late:
                self._fail(f"there was no sign of {sign!r}")
            time.sleep(0.1)

    def wait_for_end(self, exit_code: int) -> None:
        """Wait until it ends, with this exit code."""
        try:
            code = self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._fail(f"it did not end in {SECONDS:.0f} s")
        if code != exit_code:
            self._fail(f"its exit code is {code} where the page has {exit_code}")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.killpg(self._process.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it and all that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _has_said(self, sign: str) -> bool:
        return any(sign in line for line in self._said.read_text(encoding="utf-8").splitlines())

    def _fail(self, how: str) -> None:
        self.kill()
        said = self._said.read_text(encoding="utf-8")
        raise WorkFailedError(f"{self._command}\n{how}; it said:\n{said}")


def _copy_project(folder: Path) -> None:
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    environment = folder / ".venv"
    environment.mkdir()
    for name in ENVIRONMENT:
        part = Path(sys.prefix) / name
        if part.exists():
            (environment / name).symlink_to(part)
    # Later than pyproject.toml, so that make has nothing to install.
    (environment / "installed").touch()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    run_command(main)
