"""Every flag of every command, from the parsers that read them."""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import dlf.data.__main__
import dlf.predict
import dlf.reference.__main__
import dlf.training.request
import search.ablation.request
import search.audit
import search.planning.request
import search.promotion.request
import search.report
import search.status
import tracking.health
import tracking.sync
from docs.tables.constants import documented
from docs.tables.markdown import code, plain, rows

MODULES = (
    search.planning.request,
    search.status,
    search.audit,
    search.report,
    search.promotion.request,
    search.ablation.request,
    dlf.data.__main__,
    dlf.training.request,
    dlf.predict,
    dlf.reference.__main__,
    tracking.sync,
    tracking.health,
)
"""those that have an `argument_parser`, in the order in which one meets their commands"""


def table() -> str:
    """Return the exit codes, and a section for each command."""
    return "\n".join(["## Exit codes\n", _exit_codes(), *sections()])


def sections() -> Iterator[str]:
    """Yield a section for each command, and for each command of a command."""
    for module in MODULES:
        parser = module.argument_parser()
        commands = commands_of(parser)
        if commands:
            for command in commands.values():
                yield _section(command)
        else:
            yield _section(parser)


def commands_of(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """Return the commands of a command, by name; most have none."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _exit_codes() -> str:
    found = (each for each in documented("dlf.command") if each.name.startswith("EXIT_"))
    return rows(["code", "when"], ([code(each.value), each.meaning] for each in found))


def _section(parser: argparse.ArgumentParser) -> str:
    command = parser.prog if parser.prog.startswith("python") else f"python {parser.prog}"
    actions = [a for a in parser._actions if not isinstance(a, argparse._HelpAction)]
    described = " ".join(filter(None, (parser.description, parser.epilog)))
    table = rows(
        ["flag", "value", "default", "meaning"],
        ([_flag(a), _value(a), _default(a), plain(a.help or "")] for a in actions),
    )
    return f"## {command}\n\n{described}\n\n{table}"


def _flag(action: argparse.Action) -> str:
    return code(action.option_strings[0] if action.option_strings else _metavar(action))


def _metavar(action: argparse.Action) -> str:
    return str(action.metavar or action.dest.upper())


def _value(action: argparse.Action) -> str:
    if action.nargs == 0 or not action.option_strings:
        return ""
    if action.choices is not None:
        values = ", ".join(code(choice) for choice in action.choices)
    else:
        values = code(_metavar(action))
    return f"one or more of {values}" if action.nargs == "+" else values


def _default(action: argparse.Action) -> str:
    if action.required:
        return "required"
    if action.nargs == 0 or action.default is None or action.default in (argparse.SUPPRESS, []):
        return ""
    return code(action.default.as_posix() if isinstance(action.default, Path) else action.default)
