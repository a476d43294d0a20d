"""Rehearse docker-compose.yml without Docker: a search, and what may befall its cluster meanwhile.

    python -m tests.deployment.rehearse

Every service runs its own command in its own environment, as a native process with a network of
its own. In the middle of the search a worker's machine is lost, and Postgres and MLflow crash and
come back. It needs root on Linux, Compose (its `config` alone) and Postgres; where it is skipped it
says why and exits with 0.
"""

import json
import signal
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.request import Request

from tests.deployment.compose_file import compose_program
from tests.deployment.namespaces import Container, enter_namespaces, lacking
from tests.deployment.stack import RehearsalError, Stack, wait_until
from tests.support.postgres import postgres_binaries
from tests.support.small_models import SMALL_VALUES

INSIDE = "--inside"
STUDY, TRIALS, EPOCHS = "rehearsal", 16, 4
NODES = ("ray-worker-1", "ray-worker-2")
LOST = NODES[1]
WAITS, GOES_ON = "waits for it", "the study's database answers again"


def main() -> int:
    """Skip, or enter the namespaces and rehearse there."""
    if INSIDE not in sys.argv:
        reason = _lacking()
        if reason is not None:
            print(f"skipped: {reason}")
            return 0
        enter_namespaces(sys.executable, "-m", "tests.deployment.rehearse", INSIDE)
    # The first process of a namespace is deaf to what it does not listen to.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        Rehearsal().run()
    except RehearsalError as error:
        print(f"the rehearsal failed: {error}", file=sys.stderr)
        return 1
    return 0


def _lacking() -> str | None:
    if compose_program() is None:
        return "Compose is not installed (Debian: docker-compose)"
    if postgres_binaries() is None:
        return "Postgres is not installed (Debian: postgresql)"
    return lacking()


class Rehearsal:
    """One search on the whole stack."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._stack = Stack(
            {"WORKER_CPUS": "1", "OBJECT_STORE_BYTES": "200000000"}, {"ray-worker": len(NODES)}
        )
        self._journal = self._stack.volume("runs") / STUDY / "tracking.jsonl"

    def run(self) -> None:
        """Go through all of it."""
        for service in ("mlflow", "ray-worker"):
            self._stack.up(service)
        for name in self._stack.containers:
            self._stack.wait_for_health(name)
            self._say(f"{name} is healthy")
        search = self._search()
        self._wait(lambda: self._hosts() == set(NODES), "both nodes have ended a trial", search)
        self._stack.containers[LOST].kill()
        self._say(f"{LOST} is lost")
        self._lose_postgres(search)
        self._lose_mlflow(search)
        wait_until(lambda: search.poll() is not None, "the search does not end", search)
        if search.poll() != 0:
            raise RehearsalError(f"the search ended with {search.poll()}:\n{search.last_words()}")
        self._say("the search has ended well")
        self._confirm(json.loads(search.said().splitlines()[-1]))

    def _search(self) -> Container:
        small = [w for name, value in SMALL_VALUES.items() for w in ("--set", f"{name}={value}")]
        words = ["--dataset", "synthetic", "--study", STUDY, "--trials", str(TRIALS), *small]
        words += ["--max-epochs", str(EPOCHS), "--scheduler", "none", "--json"]
        return self._stack.run("search", "search", *words)

    def _lose_postgres(self, search: Container) -> None:
        """Let Postgres crash, and stay away until the search says that it waits."""
        self._stack.containers["postgres"].kill()
        self._say("postgres is down")
        self._wait(lambda: WAITS in search.said(), "it says that it waits", search)
        self._come_back("postgres")
        self._stack.wait_for_health("mlflow")
        self._wait(lambda: GOES_ON in search.said(), "it says that it goes on", search)

    def _lose_mlflow(self, search: Container) -> None:
        """Let MLflow crash, and stay away until the search has trained without it."""
        self._stack.containers["mlflow"].kill()
        self._say("mlflow is down")
        before = self._epochs()
        self._wait(lambda: self._epochs() > before + 2, "it trains on", search)
        self._come_back("mlflow")

    def _come_back(self, name: str) -> None:
        self._stack.containers[name].start()
        self._stack.wait_for_health(name)
        self._say(f"{name} is back")

    def _confirm(self, result: dict[str, Any]) -> None:
        """See that all trials are accounted for, everywhere."""
        ended = result["trials"]
        if ended != {"complete": TRIALS, "pruned": 0, "failed": 0}:
            raise RehearsalError(f"the search counts {ended}")
        audit = self._stack.run(
            "search", "audit", "--study", STUDY, entrypoint=("python", "-m", "search.audit")
        )
        wait_until(lambda: audit.poll() is not None, "the audit does not end", audit)
        if audit.poll() != 0:
            raise RehearsalError(f"the audit found differences:\n{audit.last_words()}")
        self._say(audit.last_words())
        hosts = Counter(self._recorded_hosts())
        if set(hosts) != set(NODES) or hosts.total() != TRIALS:
            raise RehearsalError(f"MLflow has these hosts of trials: {dict(hosts)}")
        self._say(", ".join(f"{host} ended {count} trials" for host, count in hosts.items()))
        for name, container in self._stack.containers.items():
            for secret in self._stack.secrets.values():
                if secret in container.said():
                    raise RehearsalError(f"the log of {name} shows a secret")

    def _recorded_hosts(self) -> list[str]:
        """Return where the trials ended that MLflow knows."""
        address = f"http://{self._stack.network.addresses['mlflow']}:5000/api/2.0/mlflow/"
        headers = {"Host": "mlflow:5000", "Content-Type": "application/json"}

        def ask(question: str, **words: object) -> dict[str, Any]:
            body = json.dumps(words).encode()
            with urllib.request.urlopen(Request(address + question, body, headers)) as answer:
                return dict(json.load(answer))

        found = ask("experiments/search", max_results=100)["experiments"]
        experiments = [each["experiment_id"] for each in found]
        runs = ask("runs/search", experiment_ids=experiments, max_results=1000)["runs"]
        tags = [{tag["key"]: tag["value"] for tag in run["data"]["tags"]} for run in runs]
        return [each["dlf.host"] for each in tags if "dlf.host" in each]

    def _wait(self, condition: Callable[[], bool], what: str, search: Container) -> None:
        def met() -> bool:
            if search.poll() is not None:
                raise RehearsalError(f"the search ended before {what}:\n{search.last_words()}")
            return condition()

        wait_until(met, f"it does not come to pass that {what}", search)

    def _hosts(self) -> set[str]:
        return {str(event["facts"]["host"]) for event in self._events("trial measured")}

    def _epochs(self) -> int:
        return len(self._events("epoch"))

    def _events(self, kind: str) -> list[dict[str, Any]]:
        """Read what the search has written down for MLflow."""
        if not self._journal.exists():
            return []
        lines = self._journal.read_text(encoding="utf-8").splitlines(keepends=True)
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in events if event["event"] == kind]

    def _say(self, what: str) -> None:
        print(f"{time.monotonic() - self._started:4.0f} s  {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
