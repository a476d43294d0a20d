"""The command lines of the package, run within this process."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from dlf.command import run_command
from dlf.reference.__main__ import main


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    def assert_refused(self, words: str) -> None:
        """Bad input is one sentence on standard error and exit 2."""
        assert (self.code, self.out) == (2, "")
        assert words in self.err
        assert self.err.count("\n") == 1


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    def run(*arguments: object) -> Ran:
        monkeypatch.setattr("sys.argv", ["dlf.reference", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            run_command(main)
        return Ran(left.value.code, *capsys.readouterr())

    return run
