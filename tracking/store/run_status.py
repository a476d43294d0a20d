"""The status that a run has in MLflow, by how its trial or its study ended."""

from collections.abc import Mapping
from typing import Literal

from tracking.records import Ending, TrialState

RunStatus = Literal["FINISHED", "KILLED", "FAILED"]
RUNNING = "RUNNING"

TRIAL_ENDINGS: Mapping[TrialState, RunStatus] = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAILED: "FAILED",
}
STUDY_ENDINGS: Mapping[Ending, RunStatus] = {
    Ending.FINISHED: "FINISHED",
    Ending.INTERRUPTED: "KILLED",
    Ending.FAILED: "FAILED",
}
