"""The Optuna study of a search: what it remembers, and how trials are proposed and stopped."""
