"""The report of a promotion: one page that needs no network, and the same in Markdown."""

PAGE_FILE = "promotion.html"
"""a promotion's: the verdict in three sentences, and all that it rests on"""
MARKDOWN_FILE = "promotion.md"
"""the same in Markdown"""
