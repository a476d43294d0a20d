"""One trial: its plan, its data, its checkpoints, and the code and the seeds it is trained with."""
