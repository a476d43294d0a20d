"""Configurations trained on several seeds each, and held against each other seed by seed."""
