"""What a training step, a trial and a search cost, and what a promotion's verdict is worth.

Each module with a `main` is one benchmark, `python -m benchmarks.NAME`; `python -m benchmarks` runs
all of them, keeps their records in `results/` and writes docs/performance.md from these.
"""
