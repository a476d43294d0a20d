"""What a search records, and how: runs, metrics, artifacts and the model registry."""
