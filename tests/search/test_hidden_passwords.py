"""A password in --storage: nobody reads it where the server is away."""

from types import ModuleType

import pytest

from search import audit, report, status
from tests.support.searches import run_here

PASSWORD = "s3cr3t-0f-anna"


@pytest.mark.parametrize("command", [status, report, audit])
def test_a_password_is_not_told_with_a_server_that_is_away(command: ModuleType) -> None:
    nobody = f"postgresql+psycopg://dlf:{PASSWORD}@127.0.0.1:1/dlf"
    done = run_here(command.main, "command", "--study", "mosi", "--storage", nobody)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("the study's database postgresql+psycopg://dlf:***@127.0.0.1:1/dlf")
    assert len(done.err.splitlines()) == 1
    assert PASSWORD not in done.err
