"""The hyperparameter search around DLF: commands, and the packages that they are made of.

The commands are run, promote, ablate, status, audit and report. Beside them lies what they share,
each with one job, and importing only from those before it in this order: arguments, storage,
spaces, trial, cluster, resources, engine, study, planning, recording, seeded, promotion, ablation.
"""
