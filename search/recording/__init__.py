"""What a search leaves to be looked at: kept results, MLflow runs, and the report of a study."""
