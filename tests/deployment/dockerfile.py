"""What Dockerfile makes an image of: the parts that can be read without building it."""

import re
import shlex
from typing import NamedTuple

from tests.support.commands import ROOT

DOCKERFILE = ROOT / "Dockerfile"


class Copy(NamedTuple):
    """A path of the project, and where it lies in the image."""

    source: str
    target: str


class Image(NamedTuple):
    """The image."""

    base: str
    folder: str
    """in which commands run"""
    environment: dict[str, str]
    copies: list[Copy]
    commands: list[str]
    """of RUN"""
    user: str


def read_dockerfile() -> Image:
    """Read the file, its build arguments at their defaults."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    arguments: dict[str, str] = {}
    environment: dict[str, str] = {}
    copies: list[Copy] = []
    commands: list[str] = []
    base, folder, user = "", "/", "root"
    for line in lines:
        instruction, _, rest = line.partition(" ")
        words = shlex.split(re.sub(r"\$\{(\w+)\}", lambda m: arguments.get(m[1], m[0]), rest))
        match instruction:
            case "ARG":
                name, _, value = words[0].partition("=")
                arguments[name] = value
            case "FROM":
                base = words[0]
            case "ENV":
                environment |= dict(word.split("=", 1) for word in words)
            case "WORKDIR":
                folder = words[0]
            case "COPY":
                *sources, target = words
                copies += [Copy(source, _inside(folder, source, target)) for source in sources]
            case "RUN":
                commands.append(rest)
            case "USER":
                user = words[0]
            case "CMD":
                pass
            case _:
                raise AssertionError(f"{instruction} is not known to the tests")
    return Image(base, folder, environment, copies, commands, user)


def _inside(folder: str, source: str, target: str) -> str:
    """Return where a source comes to lie: a file under its name, a folder by its content."""
    at = f"{folder}/{target}".replace("/./", "/").rstrip("/")
    if target.endswith("/") and (ROOT / source).is_file():
        return f"{at.removesuffix('/.')}/{source.rpartition('/')[2]}"
    return at
