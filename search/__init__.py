"""The hyperparameter search around DLF: space, study, Tune trainable and promotion."""
