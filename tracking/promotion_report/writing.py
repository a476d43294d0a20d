"""Writes the report of a promotion into its folder, as a page and as Markdown."""

from pathlib import Path

from dlf.command import WorkFailedError, reason_of
from dlf.whole_file import replaced_whole
from tracking.promotion_report import MARKDOWN_FILE, PAGE_FILE
from tracking.promotion_report.document import document_of
from tracking.promotion_report.markdown import markdown_of
from tracking.promotion_report.page import page_of
from tracking.promotion_report.records import PromotionReport


def write_promotion(report: PromotionReport, folder: Path) -> tuple[Path, Path]:
    """Write both, each in the place of an older one and as a whole; return where they are.

    Raises:
        WorkFailedError: when they cannot be written; older ones then stay as they were.
    """
    page, markdown = folder / PAGE_FILE, folder / MARKDOWN_FILE
    document = document_of(report)
    try:
        with replaced_whole(page) as new_page, replaced_whole(markdown) as new_markdown:
            new_page.write_text(page_of(document), encoding="utf-8")
            new_markdown.write_text(markdown_of(document), encoding="utf-8")
    except OSError as error:
        raise WorkFailedError(f"the report {page} cannot be written: {reason_of(error)}") from error
    return page, markdown
