"""The environment of what is measured: nothing in it leads to a user's own servers or clusters."""

import os

FOREIGN = ("RAY_", "MLFLOW_", "DLF_")
"""with which the variables begin that name a cluster, a tracking server or a storage"""
ALONE = {
    "RAY_ADDRESS": "local",
    "RAY_USAGE_STATS_ENABLED": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""without which stock Ray would join another one on this machine, and both look for a network"""


def clean_environment() -> dict[str, str]:
    """Return the variables of this process, without those of the user's own places."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return kept | ALONE


def clean_this_process() -> None:
    """Let this process, and those that it starts, have nothing but the clean environment."""
    clean = clean_environment()
    os.environ.clear()
    os.environ.update(clean)
