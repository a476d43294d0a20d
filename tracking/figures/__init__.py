"""Figures of trials and of final models, as PNG: drawn without pyplot, so on any thread.

Import them where they are drawn: matplotlib takes its time.
"""
