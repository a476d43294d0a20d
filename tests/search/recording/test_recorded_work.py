"""Recorded work is finished once, however it ends, and what was broken off says how to go on."""

import pytest

from search.recording.recorded_work import RecordedWork
from tracking.records import Ending, Summary


class Finished:
    """What the recorders were told in the end."""

    def __init__(self) -> None:
        self.summaries: list[Summary] = []

    def __call__(self, summary: Summary) -> str | None:
        self.summaries.append(summary)
        return "something is missing"


def test_work_that_is_done_is_told_as_what_it_came_to(capsys: pytest.CaptureFixture[str]) -> None:
    finished, done = Finished(), Summary(ending=Ending.FINISHED, metrics={"valid/best_mae": 0.8})
    with RecordedWork(finished, "resume it") as work:
        assert work.broken_off
        work.summary = done
    assert finished.summaries == [done]
    assert work.missing == "something is missing"
    assert not work.broken_off
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "ending"),
    [(KeyboardInterrupt(), Ending.INTERRUPTED), (ValueError("bad"), Ending.FAILED)],
    ids=["interrupted", "failed"],
)
def test_work_that_is_broken_off_says_how_to_go_on(
    error: BaseException, ending: Ending, capsys: pytest.CaptureFixture[str]
) -> None:
    finished = Finished()
    with pytest.raises(type(error)), RecordedWork(finished, "resume it") as work:
        raise error
    assert work.broken_off
    assert finished.summaries == [Summary(ending=ending)]
    assert capsys.readouterr().err == "go on with:  resume it\n"
