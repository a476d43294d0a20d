"""The text side of a dataset: its own features, those of a frozen encoder, or one that learns."""
