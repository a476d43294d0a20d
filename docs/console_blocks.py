"""The console blocks of a page: their commands, the outputs shown, and these written anew.

A block is a fence of the kind `console`. In it a command stands after `$ `, or is `^C`, and its
output follows. `...` as a line stands for any lines, at the end of a line for the rest of it. After
`console` there may be what a command does beside ending well: `exit=2`, or `until="TEXT"`, by
which it is left running once it has said this, or once an address answers.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PROMPT, INTERRUPT, GAP = "$ ", "^C", "..."

_FENCE = re.compile(r"^```console(?P<notes>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_VARYING = (
    (re.compile(r"\b[0-9a-f]{12,}\b"), "0"),
    (re.compile(r"[-+\u2212]?\d+(\.\d+)?(e[-+]?\d+)?"), "0"),
    (re.compile(r" {2,}"), " "),
    (re.compile(r"trial 0 \(paper\)"), "trial 0"),
    (re.compile(r"\bover 0%"), "0%"),
    (re.compile(r"\b(complete|pruned) after 0 epochs?"), "ended"),
    (re.compile(r"\(best so far .*\)$"), ""),
)
"""what differs between two runs of the same command, and what stands for it"""


@dataclass(frozen=True)
class Step:
    """A command of a page, and what the page says of it."""

    command: str
    shown: tuple[str, ...]
    """lines of its output"""
    exit_code: int
    until: str | None
    """what it says, or the address that answers, when the page goes on while it runs"""


def steps_of(page: str) -> list[Step]:
    """Return the commands of a page, in their order."""
    return [step for fence in _FENCE.finditer(page) for step in _steps(fence)]


def write_outputs(page: str, outputs: Sequence[Sequence[str]]) -> str:
    """Return the page with the outputs of all its commands, shortened where it was before."""
    left = iter(outputs)

    def written(fence: re.Match[str]) -> str:
        lines = []
        for step in _steps(fence):
            real = list(next(left))
            lines += [_typed(step.command), *(shortened(step.shown, real) or real)]
        return "\n".join([f"```console{fence['notes']}", *lines, "```"])

    return _FENCE.sub(written, page)


def shortened(shown: Sequence[str], real: Sequence[str]) -> list[str] | None:
    """Return the real output with the gaps of the shown one; none where they differ in shape."""
    if not shown:
        return None if real else []
    first, rest = shown[0], shown[1:]
    if first == GAP:
        for skipped in range(len(real) + 1):
            found = shortened(rest, real[skipped:])
            if found is not None:
                return [GAP, *found]
        return None
    if not real or not _same_shape(first, real[0]):
        return None
    found = shortened(rest, real[1:])
    cut = f"{real[0][: len(first) - len(GAP)]}{GAP}" if first.endswith(GAP) else real[0]
    return None if found is None else [cut, *found]


def _steps(fence: re.Match[str]) -> Iterator[Step]:
    notes = dict(note.split("=", 1) for note in shlex.split(fence["notes"]))
    lines = fence["body"].splitlines()
    while lines:
        command = lines.pop(0)
        if command != INTERRUPT:
            if not command.startswith(PROMPT):
                raise ValueError(f"{command!r} stands where a command ought to")
            command = command.removeprefix(PROMPT)
            while _goes_on(command):
                command = f"{command}\n{lines.pop(0)}"
        shown = []
        while lines and not lines[0].startswith(PROMPT):
            shown.append(lines.pop(0))
        exit_code = int(notes.get("exit", "0"))
        yield Step(command, tuple(shown), exit_code, notes.get("until"))


def _goes_on(command: str) -> bool:
    try:
        shlex.split(command)
    except ValueError:
        return True
    return False


def _typed(command: str) -> str:
    return command if command == INTERRUPT else f"{PROMPT}{command}"


def _same_shape(shown: str, real: str) -> bool:
    if shown.endswith(GAP):
        return _shape(real).startswith(_shape(shown.removesuffix(GAP)))
    return _shape(shown) == _shape(real)


def _shape(line: str) -> str:
    for pattern, stands in _VARYING:
        line = pattern.sub(stands, line)
    return line.strip()
