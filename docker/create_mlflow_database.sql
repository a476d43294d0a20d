-- Postgres makes the database of the studies by itself; MLflow has one of its own beside it.
CREATE DATABASE mlflow;
