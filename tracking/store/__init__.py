"""The store of runs: where it is, how it is opened, and the one place that talks to MLflow."""
