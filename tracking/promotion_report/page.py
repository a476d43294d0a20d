"""The report as one HTML page, its figures inside; it asks nobody for anything."""

from base64 import b64encode
from functools import lru_cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template

from tracking.promotion_report.blocks import Document


def page_of(document: Document) -> str:
    """Return the page."""
    return _template().render(document=document) + "\n"


def _embedded(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode('ascii')}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


@lru_cache(maxsize=1)
def _template() -> Template:
    # The looks are those of the report of a study, with a few of its own.
    loaders = [PackageLoader("tracking.promotion_report"), PackageLoader("tracking.report")]
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["embedded"] = _embedded
    environment.filters["percent"] = _percent
    return environment.get_template("promotion.html")
