"""The report of a promotion: one page that needs no network, and the same in Markdown."""

PAGE_FILE = "promotion.html"
MARKDOWN_FILE = "promotion.md"
"""their names in the folder of a promotion"""
