"""Hides the passwords in addresses: in all that is shown or kept, and in the list of processes."""

import os
import re
from contextlib import suppress
from pathlib import Path

# user:password@ after ://, where a password may hold an @ or a slash although it should not, and
# host:port/path@version is no password; then password=... in a query.
_PASSWORDS = re.compile(
    r"(?P<before>://[^\s/:@]*:)"
    r"(?P<of_user>[^\s/]*(?=@)|(?!\d+/)[^\s@]*(?:@[^\s/]*)?(?=@))"
    r"|(?P<name>[?&][^\s=&]*(?:pass|pwd|secret|token)[^\s=&]*=)(?P<of_query>[^\s&]+)",
    re.IGNORECASE,
)

_ARGUMENTS_BEGIN, _ARGUMENTS_END = 47, 48
"""their places in /proc/self/stat, see proc(5)"""


def without_password(text: str) -> str:
    """Return the text with the password of every address in it replaced by three stars."""
    return _PASSWORDS.sub(lambda found: f"{found['before'] or found['name']}***", text)


def hide_passwords_in_process_list() -> None:
    """Overwrite the passwords on this process's command line, which every user of a machine sees.

    What Python has read of it in `sys.argv` stays. Does nothing where the system has no /proc.
    """
    with suppress(OSError):
        after_name = Path("/proc/self/stat").read_bytes().rpartition(b") ")[2].split()
        # The fields are numbered with the process's id and its name before them.
        begin, end = (int(after_name[at - 2]) for at in (_ARGUMENTS_BEGIN, _ARGUMENTS_END))
        with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
            memory.seek(begin)
            words = memory.read(end - begin)
            memory.seek(begin)
            memory.write(_starred(words))


def _starred(words: bytes) -> bytes:
    """Return words that end in zero bytes, with a star for each byte of a password."""
    starred = (
        _PASSWORDS.sub(
            lambda found: (
                (found["before"] or found["name"])
                + "*" * len(os.fsencode(found["of_user"] or found["of_query"] or ""))
            ),
            os.fsdecode(word),
        )
        for word in words.split(b"\0")
    )
    return b"\0".join(map(os.fsencode, starred))
