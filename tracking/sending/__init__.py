"""Brings the runs in MLflow up to the journal, exactly once, whatever becomes of the server."""
