"""The whole of docker-compose.yml, rehearsed without Docker."""

import subprocess
import sys

import pytest

from tests.support.commands import ROOT


@pytest.mark.slow
def test_the_stack_carries_a_search_through_the_loss_of_a_node_postgres_and_mlflow() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.deployment.rehearse"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if done.stdout.startswith("skipped"):
        pytest.skip(done.stdout)
    assert "16 trials: Optuna, Tune and MLflow agree" in done.stdout
