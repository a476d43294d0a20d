"""What a search records, and how: runs, metrics, artifacts, reports and the model registry.

`sync` and `health` are commands. Beside them lies what they and the search share, each with one
job, and importing only from those before it in this order: passwords, run_names, records, recorder,
predictions, store, figures, report, promotion_report, study_files, journal, terminal, remote,
arguments, sending, registry.
"""
