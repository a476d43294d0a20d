"""How numbers are written: MAE in four decimals, and the metrics of Table 1 as the paper does."""

from collections.abc import Sequence
from datetime import datetime

from tracking.promotion_report.records import Comparison, Estimate
from tracking.records import ParamValue

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
CERTAIN = 0.999

METRICS = {
    "mae": "MAE \N{DOWNWARDS ARROW}",
    "corr": "Corr \N{UPWARDS ARROW}",
    "acc7": "Acc-7 (%) \N{UPWARDS ARROW}",
    "acc5": "Acc-5 (%) \N{UPWARDS ARROW}",
    "acc2": "Acc-2 (%) \N{UPWARDS ARROW}",
    "f1": "F1 (%) \N{UPWARDS ARROW}",
}
"""the six in the order of Table 1, with the direction in which they are better"""
IN_THOUSANDTHS = ("mae", "corr")
"""the others are in percent"""


def number(value: float, decimals: int = 4) -> str:
    """Return a number with a true minus sign."""
    return f"{value:.{decimals}f}".replace("-", MINUS)


def signed(value: float) -> str:
    """Return a difference of MAE."""
    return f"{value:+.4f}".replace("-", MINUS)


def span(estimate: Estimate) -> str:
    """Return an interval of MAE in a sentence."""
    return f"{number(estimate.low)} to {number(estimate.high)}"


def difference_span(comparison: Comparison) -> str:
    """Return the interval of a difference in a sentence."""
    return f"{signed(comparison.low)} to {signed(comparison.high)}"


def probability(value: float) -> str:
    """Return a probability in percent; what a bootstrap calls certain is so nearly."""
    if value > CERTAIN:
        return "over 99.9%"
    return "below 0.1%" if value < 1 - CERTAIN else f"{100 * value:.1f}%"


def metric(name: str, value: float) -> str:
    """Return one of the six as Table 1 has it."""
    return number(value, 3) if name in IN_THOUSANDTHS else number(100 * value, 2)


def metric_with_interval(name: str, estimate: Estimate) -> str:
    """Return one of the six over seeds, its interval on a line of its own."""
    low, high = metric(name, estimate.low), metric(name, estimate.high)
    return f"{metric(name, estimate.mean)}\n[{low}, {high}]"


def value_of(value: ParamValue | None) -> str:
    """Return a value of a configuration."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def web_address(link: str | None) -> str | None:
    """Return a link that a browser opens as a page; none for any other, which may do anything."""
    return link if link is not None and link.startswith(("http://", "https://")) else None


def moment(when: datetime) -> str:
    """Return a time to the second, with its zone where it has one."""
    return f"{when:%Y-%m-%d %H:%M:%S %Z}".rstrip()


def counted(count: int, thing: str) -> str:
    """Return a count with its noun, which takes an s."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def span_of_counts(counts: Sequence[int]) -> str:
    """Return the ends of some counts, or the one that all of them are."""
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def capital(text: str) -> str:
    """Return a text that begins a sentence."""
    return text[:1].upper() + text[1:]


def clause(text: str) -> str:
    """Return what somebody else wrote, on one line and without the full stop at its end."""
    return " ".join(text.split()).rstrip(".")
