"""A place where a packaged model is met by others: nothing of ours is installed there."""

import json
import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.test_layers import required_by

OURS = {"dlf", "search", "tracking", "tests"}

HIDES = """\
import json, sys
from pathlib import Path

hidden = json.loads(Path(__file__).with_name("hidden.json").read_text())
sys.modules.update({name: None for name in hidden if name not in sys.modules})
sys.meta_path[:] = [f for f in sys.meta_path if getattr(f, "__name__", "") != "_EditableFinder"]
"""


class ForeignPlace:
    """A folder to work in, and an interpreter that has only what a model's requirements bring."""

    def __init__(self, folder: Path, requirements: Path) -> None:
        self.folder = folder
        names = {line.partition("==")[0].lower() for line in requirements.read_text().split()}
        there = required_by(names)
        hidden = [
            package
            for package, distributions in packages_distributions().items()
            if not there & {name.lower().replace("_", "-") for name in distributions}
        ]
        startup = folder / "startup"
        startup.mkdir(parents=True)
        (startup / "hidden.json").write_text(json.dumps(sorted({*hidden, *OURS} - {"dlf"})))
        (startup / "sitecustomize.py").write_text(HIDES)
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "PYTHONPATH": str(startup),
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(folder / "no cache"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "OMP_NUM_THREADS": "1",
            # What is run there is not searched for in the project's folder.
            "PYTHONSAFEPATH": "1",
        }

    def python(self, code: str, *words: str, given: str = "") -> str:
        """Run a program there; return what it says."""
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
