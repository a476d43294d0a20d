"""The whole run of benchmarks: records, failures, rehearsals, and the page after them."""

import shlex
import sys
from importlib import import_module
from pathlib import Path

import pytest

import benchmarks.__main__ as whole
from benchmarks.machine import Machine, cpu_model
from benchmarks.page import Records, read_records
from benchmarks.recorded import RESULTS
from benchmarks.suite import SUITE, Benchmark
from dlf.command import WorkFailedError

QUIET = 0.3
PRINTS = (
    "import os, sys; print('on the way'); print(sys.argv[1] * ('DLF_STORAGE' not in os.environ))"
)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, records: Records) -> Records:
    """Let three benchmarks print made-up records, and a fourth one fail."""
    made_up = {name: records[name].measured.model_dump_json() for name in ("claims", "memory")}
    commands = {name: ["-c", PRINTS, line] for name, line in made_up.items()}
    commands["overhead"] = ["-c", "raise SystemExit(3)"]
    commands["train_step"] = ["-c", "print('no record')"]

    def command(_benchmark: Benchmark, name: str, **_how: bool) -> str:
        return shlex.join(commands[name])

    monkeypatch.setattr(Benchmark, "command", command)
    monkeypatch.setattr(whole, "load_when_quiet", lambda: QUIET)
    monkeypatch.setenv("DLF_STORAGE", "sqlite:////nowhere/study.db")
    return records


def run_whole(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *flags: str
) -> tuple[int | None, Path, Path]:
    """Run `python -m benchmarks` here, on records and a page of its own."""
    results, page = folder / "results", folder / "performance.md"
    monkeypatch.setattr(whole, "RESULTS", results)
    monkeypatch.setattr(whole, "PAGE", page)
    monkeypatch.setattr(sys, "argv", ["benchmarks", *flags])
    return whole.main(), results, page


def test_a_record_is_kept_with_where_it_is_from(
    small: Records, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, results, page = run_whole(monkeypatch, tmp_path, "--only", "claims")
    assert code == 0
    (record,) = read_records(results).values()
    assert record.measured == small["claims"].measured
    assert record.machine == Machine.here()
    assert record.command.startswith("python ")
    assert record.load[0] == QUIET
    assert record.load[1] >= 0
    assert record.code
    assert "## How far a reported figure lies from the truth" in page.read_text()


def test_one_that_fails_is_told_and_the_others_go_on(
    small: Records,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old = small["overhead"]
    old.write(tmp_path / "results", "overhead")
    names = ("overhead", "train_step", "memory")
    with pytest.raises(WorkFailedError, match="2 failed") as failed:
        run_whole(monkeypatch, tmp_path, "--only", *names)
    assert "overhead: it ended with exit code 3" in str(failed.value)
    assert "train_step: it did not end with its record" in str(failed.value)
    kept = read_records(tmp_path / "results")
    assert list(kept) == ["memory", "overhead"]
    assert kept["overhead"] == old
    assert "NOT within" in capsys.readouterr().out
    page = (tmp_path / "performance.md").read_text()
    assert "## What a trial costs in memory" in page
    assert "Not measured yet: train_step" in page


def test_a_rehearsal_keeps_nothing(
    small: Records,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    written: list[Path] = []
    monkeypatch.setattr(whole, "write_page", lambda _records, to: written.append(to))
    code, results, page = run_whole(monkeypatch, tmp_path, "--quick", "--only", "claims")
    assert code == 0
    assert not results.exists()
    assert not page.exists()
    assert len(written) == 1
    assert not written[0].parent.exists()
    assert "no record and no page was kept" in capsys.readouterr().out


def test_a_rehearsal_has_no_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        run_whole(monkeypatch, tmp_path, "--quick", "--page")
    assert refused.value.code == 2
    assert "leave one out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("loads", "before", "looks"), [([2.0, 1.1, 0.9], 0.9, 2), ([5.0] * 100, 5.0, 60)]
)
def test_a_benchmark_begins_when_others_are_over_or_take_too_long(
    loads: list[float], before: float, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, left = [0.0], iter(loads)

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(whole.os, "getloadavg", lambda: (next(left), 0.0, 0.0))
    monkeypatch.setattr(whole.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(whole.time, "sleep", sleep)
    assert whole.load_when_quiet() == before
    assert clock[0] == looks * whole.LOOK_EVERY_S


def test_the_page_alone_runs_nothing(
    small: Records, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small["memory"].write(tmp_path / "results", "memory")
    code, results, page = run_whole(monkeypatch, tmp_path, "--page")
    assert code == 0
    assert [file.name for file in results.iterdir()] == ["memory.json"]
    assert "22,856 made-up clips" in page.read_text()


def test_the_help_says_how_long_it_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--help"])
    with pytest.raises(SystemExit):
        whole.main()
    minutes = sum(benchmark.minutes for benchmark in SUITE.values())
    assert f"some {minutes:g} minutes on two cores" in capsys.readouterr().out


@pytest.mark.parametrize("name", SUITE)
def test_a_benchmark_knows_the_flags_that_it_is_run_with(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module(f"benchmarks.{name}")
    told: list[bool] = []
    monkeypatch.setattr(module, "tell", lambda _measure, *, as_json: told.append(as_json))
    for flags in (SUITE[name].flags, SUITE[name].quick):
        monkeypatch.setattr(sys, "argv", [name, *flags.split(), "--json"])
        module.main()
    assert told == [True, True]


def test_records_that_are_kept_are_of_whole_runs() -> None:
    for name, record in read_records(RESULTS).items():
        if name in SUITE:
            assert record.command == f"python {SUITE[name].command(name, quick=False)}"


def test_the_processor_is_named_as_linux_does(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Abacus 9000\nflags\t: fpu\n")
    assert cpu_model(cpuinfo) == "Abacus 9000"
    assert cpu_model(tmp_path / "absent")
