"""Run all benchmarks, keep their records, and write docs/performance.md from them.

    python -m benchmarks                                  # all of them
    python -m benchmarks --only overhead train_step
    python -m benchmarks --quick                          # a rehearsal, which keeps nothing
    python -m benchmarks --page                           # the page alone, from the records

Each is a process of its own, one after the other, and begins when the load average of the last
minute is below 1, or after two minutes of waiting. Its record goes to benchmarks/results/NAME.json,
with the machine, the date, the code and the command. One that fails is told, its older record
stays, and the others go on. Figures that rest on real transcripts are recorded by
`python -m benchmarks.record_study` instead, since that data cannot be shipped.
"""

import os
import shlex
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from pydantic import ValidationError

from benchmarks.environment import clean_environment
from benchmarks.machine import Machine
from benchmarks.measurement import Measurement
from benchmarks.page import PAGE, write_page
from benchmarks.recorded import RESULTS, Recorded, now
from benchmarks.searched import last_line
from benchmarks.suite import SUITE
from dlf.command import EXIT_DONE, WorkFailedError, run_command
from search.trial.code_version import code_revision

PROJECT = Path(__file__).absolute().parents[1]
QUIET_LOAD = 1.0
"""the load average below which a benchmark begins"""
QUIET_WITHIN_S, LOOK_EVERY_S = 120.0, 2.0


def main() -> int:
    """Run what is asked for, then write the page."""
    flags = read_flags()
    if flags.quick:
        with tempfile.TemporaryDirectory() as folder:
            failed = run_all(flags.only, Path(folder), quick=True)
            write_page(Path(folder), Path(folder) / PAGE.name)
        print("a rehearsal: no record and no page was kept")
    else:
        failed = {} if flags.page else run_all(flags.only, RESULTS, quick=False)
        write_page(RESULTS, PAGE)
        print(f"written: {PAGE}")
    if failed:
        told = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        raise WorkFailedError(f"{len(failed)} failed, and older records of them stay: {told}")
    return EXIT_DONE


def run_all(names: list[str], results: Path, *, quick: bool) -> dict[str, str]:
    """Run some benchmarks one after the other, and keep the records; return why others failed."""
    machine = Machine.here()
    # Records change the working tree, so the revision is asked for before the first of them.
    code = code_revision()
    failed = {}
    for name in names:
        about = "" if quick else f", about {SUITE[name].minutes:g} min"
        print(f"\n== {name}{about}", flush=True)
        try:
            record = run_one(name, machine, code, quick=quick)
        except WorkFailedError as error:
            failed[name] = str(error)
            print(f"failed: {error}", flush=True)
            continue
        record.write(results, name)
        print(*record.measured.lines(), *record.measured.verdicts(), sep="\n", flush=True)
        print(f"{record.minutes} min; load {record.load}", flush=True)
    return failed


def run_one(name: str, machine: Machine, code: str, *, quick: bool) -> Recorded[Measurement]:
    """Run one benchmark in a process and a folder of its own.

    Raises:
        WorkFailedError: when it fails, or prints something other than its record.
    """
    benchmark = SUITE[name]
    command = benchmark.command(name, quick=quick)
    before = os.getloadavg()[0] if quick else load_when_quiet()
    began, started = now(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, *shlex.split(command), "--json"],
            cwd=folder,
            env=clean_environment() | {"PYTHONPATH": str(PROJECT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
    minutes = (time.monotonic() - started) / 60
    if done.returncode:
        raise WorkFailedError(f"it ended with exit code {done.returncode}")
    try:
        measured = benchmark.measures.model_validate_json(last_line(done.stdout))
    except (ValueError, ValidationError) as error:
        raise WorkFailedError("it did not end with its record") from error
    return Recorded(
        command=f"python {command}",
        date=began,
        code=code,
        machine=machine,
        load=(round(before, 2), round(os.getloadavg()[0], 2)),
        minutes=round(minutes, 1),
        measured=measured,
    )


def load_when_quiet() -> float:
    """Wait, but not for ever, until what ran before has left the load average; return that."""
    deadline = time.monotonic() + QUIET_WITHIN_S
    while (load := os.getloadavg()[0]) >= QUIET_LOAD and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
    return load


def read_flags() -> Namespace:
    """Read the command line."""
    minutes = sum(benchmark.minutes for benchmark in SUITE.values())
    parser = ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
        epilog=f"All together take some {minutes:g} minutes on two cores without other work.",
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(SUITE), default=list(SUITE), help="left out: all"
    )
    parser.add_argument("--page", action="store_true", help="run nothing, write the page anew")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes; no record and no page is kept"
    )
    flags = parser.parse_args()
    if flags.quick and flags.page:
        parser.error("--page writes the page of the records, and --quick has none: leave one out")
    return flags


if __name__ == "__main__":
    run_command(main)
