"""What recorders are told, and the journal that keeps it on this machine."""
