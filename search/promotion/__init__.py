"""A promotion: a race on fresh seeds, final trainings, the test split once, a registered model."""
