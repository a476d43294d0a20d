"""How the runs of a study are found in MLflow, and what is written on them under which names."""

from collections.abc import Mapping
from typing import Literal

from tracking.records import Ending, TrialState

RunStatus = Literal["FINISHED", "KILLED", "FAILED"]
RUNNING = "RUNNING"

EXPERIMENT_PREFIX = "dlf-"
"""an experiment is named after its dataset"""

OBJECTIVE = "valid/mae"
BEST_OBJECTIVE = "valid/best_mae"

KEY_TAG = "dlf.study_key"
TRIAL_TAG = "dlf.trial"
STATE_TAG = "dlf.state"
FAILURE_TAG = "dlf.failure"
REASON_TAG = "dlf.reason"
"""why a trial ended that did not fail"""
MODEL_TAG = "dlf.model"
"""that the run has the trial's model"""
LACKING_TAG = "dlf.lacking"
"""what the store refused to take of an ended trial"""
CODE_TAG = "dlf.code"
PARENT_TAG = "mlflow.parentRunId"

CONFIG_FILE = "config.yaml"
CURVES_FILE = "learning_curves.png"
PREDICTIONS_FILE = "valid_predictions.parquet"
CONFUSION_FILE = "valid_confusion.png"
SCATTER_FILE = "valid_predicted_against_true.png"
MODEL_FOLDER = "model"

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
