"""The tutorial: every command of it runs, ends as shown, and says what the page shows."""

from pathlib import Path

import pytest

from dlf.command import WorkFailedError
from docs.console_blocks import Step, shortened, steps_of, write_outputs
from docs.run_tutorial import PAGE, Terminal, differing

BLOCKS = """\
Look:

```console
$ python -m dlf.data info \\
    --dataset demo
clips       train 256
...
encoded     no text...
$ true
```

```console exit=130 until="[ 5/20]"
^C
stopped
```

```python
$ this is none
```
"""


class TestPage:
    def test_commands_go_on_over_lines_and_notes_are_read(self) -> None:
        assert steps_of(BLOCKS) == [
            Step(
                "python -m dlf.data info \\\n    --dataset demo",
                ("clips       train 256", "...", "encoded     no text..."),
                0,
                None,
            ),
            Step("true", (), 0, None),
            Step("^C", ("stopped",), 130, "[ 5/20]"),
        ]

    def test_outputs_are_written_anew_with_the_gaps_there_were(self) -> None:
        real = [
            ["clips   train 128", "a", "b", "encoded     no text so far"],
            [],
            ["stopped at once", "another line"],
        ]
        written = write_outputs(BLOCKS, real)
        assert "\nclips   train 128\n...\nencoded     no text...\n$ true\n```" in written
        assert "^C\nstopped at once\nanother line\n```" in written
        assert written.startswith(
            "Look:\n\n```console\n$ python -m dlf.data info \\\n    --dataset"
        )
        assert '```console exit=130 until="[ 5/20]"\n' in written
        assert written.endswith("```python\n$ this is none\n```\n")

    @pytest.mark.parametrize(
        ("shown", "real"),
        [
            (
                "trial 3   complete after 6 epochs",
                "trial 11   pruned after 1 epoch   (best so far 1)",
            ),
            ("digest 3ff1cbe9f12a99", "digest d9ddd2749a200f20128853a1"),
            ("best: trial 0 (paper), -0.25", "best: trial 7, 1.5e-05"),
            ("between \u22120.83 and 2", "between 0.1 and \u22122"),
            ("written to...", "written to a place of 3 words"),
        ],
    )
    def test_what_varies_makes_no_difference(self, shown: str, real: str) -> None:
        assert shortened([shown], [real]) is not None

    @pytest.mark.parametrize(
        ("shown", "real"),
        [
            (["trial 3 complete"], ["trial 3 pruned"]),
            (["one"], ["one", "two"]),
            (["one", "two"], ["one"]),
            (["one", "...", "three"], ["one", "two"]),
            (["one two..."], ["one tw"]),
            (["MAE 0.5"], ["MAE nan"]),
        ],
    )
    def test_another_shape_is_told(self, shown: list[str], real: list[str]) -> None:
        assert shortened(shown, real) is None


class TestTerminal:
    @pytest.fixture
    def terminal(self, tmp_path: Path) -> Terminal:
        return Terminal(tmp_path)

    def test_a_command_left_running_is_interrupted_later(self, terminal: Terminal) -> None:
        loop = "trap 'echo over; exit 3' INT; echo begun; while true; do sleep 0.01; done"
        with terminal:
            assert terminal.run(Step(loop, (), 0, "begun")) == ["begun"]
            assert terminal.run(Step("echo here", (), 0, None)) == ["here"]
            assert terminal.run(Step("^C", (), 3, None)) == ["over"]

    @pytest.mark.parametrize("step", [Step("exit 2", (), 0, None), Step("true", (), 0, "a sign")])
    def test_another_end_is_an_error(self, terminal: Terminal, step: Step) -> None:
        with terminal, pytest.raises(WorkFailedError, match=r"its exit code is 2|no sign of"):
            terminal.run(step)

    def test_ours_is_what_lies_in_the_folder(self, terminal: Terminal) -> None:
        look = "python -c 'import dlf, sys; print(dlf.__file__, sys.executable)'"
        with terminal:
            (line,) = terminal.run(Step(look, (), 0, None))
        assert line == ".../dlf/__init__.py .../.venv/bin/python"


@pytest.mark.slow
def test_every_command_runs_and_says_what_the_page_shows(tmp_path: Path) -> None:
    steps = steps_of(PAGE.read_text(encoding="utf-8"))
    with Terminal(tmp_path) as terminal:
        outputs = [terminal.run(step) for step in steps]
    assert differing(steps, outputs) == []
