"""What an audit says: findings fail, and an interface that is away does not."""

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.supply import audit

SOUND = {"name": "sound", "version": "1.0", "vulns": []}
HOLED = {
    "name": "holed",
    "version": "2.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"]}, {"id": "X-2", "fix_versions": []}],
}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}


@pytest.fixture
def server_of_404() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/pypi"
        server.shutdown()
        thread.join()


def audited(monkeypatch: pytest.MonkeyPatch, *packages: dict[str, object]) -> int:
    def run(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
        told = json.dumps({"dependencies": packages}) if packages else ""
        return subprocess.CompletedProcess([], 0, stdout=told, stderr="it broke")

    monkeypatch.setattr(audit, "unreachable", lambda: None)
    monkeypatch.setattr(subprocess, "run", run)
    return audit.main()


def test_findings_fail_and_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audited(monkeypatch, SOUND, HOLED, UNKNOWN) == 1
    assert capsys.readouterr().out.splitlines() == [
        "holed 2.0: PYSEC-1, fixed in 2.1 or 3.0",
        "holed 2.0: X-2, fixed in no version yet",
        "2 known vulnerabilities in constraints.txt",
        "not known to PyPI, and not audited: unknown",
    ]


def test_without_findings_it_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audited(monkeypatch, SOUND) == 0
    assert capsys.readouterr().out == "0 known vulnerabilities in constraints.txt\n"


def test_an_audit_that_breaks_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audited(monkeypatch) == 1
    assert "it broke" in capsys.readouterr().err


def test_where_the_interface_is_away_that_is_said(
    server_of_404: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reason = audit.unreachable(server_of_404)
    assert audit.unreachable("http://127.0.0.1:9/pypi") == "ConnectionError"
    monkeypatch.setattr(audit, "unreachable", lambda: reason)
    assert audit.main() == 0
    assert capsys.readouterr().out == (
        "nothing was audited: PyPI's interface for vulnerabilities is away (it answers 404)\n"
    )
