"""When the report is written while a search runs, and what one that fails costs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from search.recording.live_report import PAUSE, SHARE, LiveReport


class Clock:
    """Time passes only when a report is written, or when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, takes: float) -> None:
        self.now = 1000.0
        self.written: list[str] = []
        self.takes = takes
        monkeypatch.setattr("search.recording.live_report.monotonic", lambda: self.now)
        monkeypatch.setattr("search.recording.live_report.write_report", self._write)

    def _write(self, opened: Any, folder: Path, links: Mapping[int, str], *, standing: str) -> Path:
        self.now += self.takes
        self.written.append(standing)
        return folder / "report.html"


def report_in(folder: Path, told: list[str]) -> LiveReport:
    opened: Any = None
    return LiveReport(opened, folder, dict, told.append)


def test_a_quick_report_is_written_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, takes=0.1)
    report = report_in(tmp_path, [])
    for _ in range(10 * int(PAUSE)):
        report.look()
        clock.now += 1.0
    assert len(clock.written) == 9
    assert "The search is running" in clock.written[0]


def test_a_slow_report_takes_no_more_than_its_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, takes=3.0)
    report = report_in(tmp_path, [])
    began = clock.now
    while len(clock.written) < 5:
        report.look()
        clock.now += 1.0
    assert 5 * 3.0 / (clock.now - began) < 1.3 * SHARE


def test_the_last_report_says_how_the_search_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, takes=0.1)
    assert report_in(tmp_path, []).write("It ended.") == tmp_path / "report.html"
    assert clock.written == ["It ended."]


def test_a_report_that_fails_is_told_and_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("no trials at postgresql://dlf:s3cr3t@host/db")

    monkeypatch.setattr("search.recording.live_report.write_report", fail)
    told: list[str] = []
    assert report_in(tmp_path, told).write() is None
    assert told == [
        "the report could not be written (ZeroDivisionError: no trials at "
        "postgresql://dlf:***@host/db)"
    ]
