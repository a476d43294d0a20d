"""The tables of the reference, one module each, whose `table` function returns Markdown."""
