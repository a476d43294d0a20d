"""The documentation: its pages, and the modules that build and check it."""
