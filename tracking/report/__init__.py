"""The report of a study: one page that needs no network, made of records that are handed in."""

REPORT_FILE = "report.html"
"""a study's: its report, one page that needs no network"""
