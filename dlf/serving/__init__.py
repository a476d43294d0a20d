"""A trained model asked from outside: rows are checked, read, and predicted."""
