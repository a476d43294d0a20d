"""Lines that survive a crash, and the last one that did not."""

from pathlib import Path

import pytest

from search.engine.line_file import complete_lines, open_for_lines
from search.engine.tune_log import TUNE_LOG_FILE, TuneLog, TuneTrial, read_tune_log


@pytest.mark.parametrize("torn", [b"", b"thi", b"x" * 100_000])
def test_a_torn_line_is_not_read_and_not_written_on(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"one\ntwo\n" + torn)
    assert list(complete_lines(path)) == ["one\n", "two\n"]
    with open_for_lines(path) as file:
        file.write("three\n")
    assert path.read_bytes() == b"one\ntwo\nthree\n"


def test_a_file_that_is_all_torn_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"on")
    with open_for_lines(path) as file:
        file.write("one\n")
    assert path.read_text() == "one\n"


def test_no_file_has_no_lines(tmp_path: Path) -> None:
    assert list(complete_lines(tmp_path / "lines")) == []
    assert read_tune_log(tmp_path) == {}


def test_the_log_knows_what_tune_last_said(tmp_path: Path) -> None:
    log = TuneLog(tmp_path)
    for number, epoch in ((0, 1), (1, 1), (0, 2), (2, 1)):
        log.result(number, epoch)
    log.ended(0, "TERMINATED")
    log.ended(1, "ERROR")
    log.close()
    again = TuneLog(tmp_path)
    again.result(2, 1)
    again.close()
    assert read_tune_log(tmp_path) == {
        0: TuneTrial(2, "TERMINATED"),
        1: TuneTrial(1, "ERROR"),
        2: TuneTrial(1, None),
    }
    assert (tmp_path / TUNE_LOG_FILE).read_text().count("\n") == 7
