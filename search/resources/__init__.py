"""What a trial gets of a machine: CPUs, a share of a GPU, and how many run at once."""
