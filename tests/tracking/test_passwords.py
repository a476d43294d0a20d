"""Passwords in addresses, in what is shown and in the list of processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import ROOT
from tracking.passwords import hide_passwords_in_process_list, without_password

HIDDEN = {
    "postgresql+psycopg://anna:s3cr3t@lab3:5432/dlf": "postgresql+psycopg://anna:***@lab3:5432/dlf",
    "postgresql://anna:s3cr3t@lab3/dlf?a=b@c": "postgresql://anna:***@lab3/dlf?a=b@c",
    "postgresql://anna:1234@lab3/dlf": "postgresql://anna:***@lab3/dlf",
    "postgresql://anna:s3@cr3t@lab3/dlf": "postgresql://anna:***@lab3/dlf",
    "postgresql://anna:s3/cr3t@lab3/dlf": "postgresql://anna:***@lab3/dlf",
    "postgresql://anna:s3/c@r3t@lab3/dlf": "postgresql://anna:***@lab3/dlf",
    "postgresql://:s3cr3t@lab3/dlf": "postgresql://:***@lab3/dlf",
    "postgresql://anna@lab3/dlf?password=s3cr3t": "postgresql://anna@lab3/dlf?password=***",
    "postgresql://lab3/dlf?user=a&password=s3#cr3t&sslmode=require&sslpassword=s3cr3t": (
        "postgresql://lab3/dlf?user=a&password=***&sslmode=require&sslpassword=***"
    ),
    "s3://KEY:s3/cr3t+x@bucket/runs": "s3://KEY:***@bucket/runs",
    "--storage=postgresql://anna:s3cr3t@lab3/dlf": "--storage=postgresql://anna:***@lab3/dlf",
    "from http://a:s3cr3t@x to http://b:s3cr3t@y": "from http://a:***@x to http://b:***@y",
}
LEFT_ALONE = [
    "postgresql://anna@lab3:5432/dlf",
    "http://127.0.0.1:5000/#/models/dlf-mosi@champion",
    "https://lab3/path:7@x",
    "sqlite:////home/anna/a:b@c.db",
    "models:/dlf-mosi@champion",
    "s3://bucket/runs",
    "mail anna@lab3 about http://lab3:5000",
]

SHOW_MYSELF = """
import sys
from pathlib import Path
from tracking.passwords import hide_passwords_in_process_list
hide_passwords_in_process_list()
print(Path("/proc/self/cmdline").read_bytes().decode().split("\\0")[3:-1])
print(sys.argv[1:])
"""


@pytest.mark.parametrize(("text", "shown"), HIDDEN.items())
def test_passwords_in_addresses_are_hidden(text: str, shown: str) -> None:
    assert without_password(text) == shown
    assert without_password(shown) == shown


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_is_no_password_is_left_alone(text: str) -> None:
    assert without_password(text) == text


def test_a_process_lists_itself_without_its_passwords() -> None:
    given = ["--storage", "postgresql://änna:s3crét@lab3/dlf", "", "--output=s3://K:s3@b", "ü"]
    done = subprocess.run(
        [sys.executable, "-c", SHOW_MYSELF, *given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    listed, read = done.stdout.splitlines()
    stars = "*" * len("s3crét".encode())
    shown = ["--storage", f"postgresql://änna:{stars}@lab3/dlf", "", "--output=s3://K:**@b", "ü"]
    assert listed == str(shown)
    assert read == str(given)


def test_a_system_without_process_files_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: Path) -> bytes:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_bytes", missing)
    hide_passwords_in_process_list()
