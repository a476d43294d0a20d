"""One signal lets a search come to rest, wherever it comes; a second one ends it at once."""

import signal

import pytest

from dlf.command import EXIT_INTERRUPTED
from search.engine.interruption import SIGNALS, interruptible


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_brings_it_to_rest_and_the_second_ends_it(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def leave(code: int) -> None:
        raise SystemExit(code)

    rests = []
    monkeypatch.setattr("os._exit", leave)
    former = signal.getsignal(number)
    try:
        with interruptible(lambda: rests.append("rest")):
            signal.raise_signal(number)
            assert "stopping safely; Ctrl-C again stops at once" in capsys.readouterr().err
            with pytest.raises(SystemExit) as left:
                signal.raise_signal(number)
    finally:
        signal.signal(number, former)
    assert (rests, left.value.code) == (["rest"], EXIT_INTERRUPTED)


def test_within_a_print_it_comes_to_rest_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(_: str) -> None:
        raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stderr>'>")

    rests = []
    former = signal.getsignal(signal.SIGINT)
    try:
        with interruptible(lambda: rests.append("rest")), monkeypatch.context() as patched:
            patched.setattr("sys.stderr.write", write)
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, former)
    assert rests == ["rest"]


def test_without_a_signal_the_former_handlers_are_back() -> None:
    former = [signal.getsignal(number) for number in SIGNALS]
    with interruptible(lambda: None):
        pass
    assert [signal.getsignal(number) for number in SIGNALS] == former
