"""The finalists of the race: their intervals, how the candidate stands against each, their end."""

from collections.abc import Iterator

from tracking.promotion_report.blocks import Block, Mark, Row, Section, Strip, Strips, Table, Words
from tracking.promotion_report.records import Estimate, PromotionReport, ReportedFinalist
from tracking.promotion_report.verdict import named
from tracking.promotion_report.wording import (
    NONE,
    number,
    probability,
    signed,
    span,
    value_of,
    web_address,
)
from tracking.report.axes import round_numbers

ROOM = 0.04
"""of the scale, free at both ends"""


def race_section(promotion: PromotionReport) -> Section:
    """Return the section."""
    return Section(name="finalists", heading="The finalists", blocks=list(_blocks(promotion)))


def mark_of(promotion: PromotionReport, finalist: ReportedFinalist) -> Mark:
    """Return how a finalist is marked."""
    if finalist.paper:
        return "paper"
    if finalist.number == promotion.kept:
        return "kept"
    return "gone" if finalist.dropped or finalist.failed else ""


def _blocks(promotion: PromotionReport) -> Iterator[Block]:
    yield Words(
        text="The best validation MAE of each finalist on the fresh seeds of the race, lower is "
        "better, with the 95% interval of the mean. Differences are the candidate's "
        f"({named(promotion.best)}) less the finalist's, seed by seed: below zero the candidate is "
        "better."
    )
    strips = _strips(promotion)
    if strips is not None:
        yield strips
    yield Table(
        head=["finalist", "mean MAE", "candidate's difference", "P(better)", "end", "each seed"],
        rows=[_row(promotion, finalist) for finalist in promotion.ranked],
    )
    names = list(dict.fromkeys(name for f in promotion.ranked for name in f.params))
    if names:
        yield Words(text="What the search gave each of them:")
        yield Table(
            head=["parameter", *map(named, promotion.ranked)],
            rows=[
                Row(
                    cells=[
                        name,
                        *(
                            value_of(f.params[name]) if name in f.params else NONE
                            for f in promotion.ranked
                        ),
                    ]
                )
                for name in names
            ],
        )


def _row(promotion: PromotionReport, finalist: ReportedFinalist) -> Row:
    estimate, against = finalist.estimate, finalist.comparison
    mean = NONE
    if estimate is not None:
        mean = f"{number(estimate.mean)}\n[{number(estimate.low)}, {number(estimate.high)}]"
    difference = NONE
    if against is not None:
        low, high = signed(against.low), signed(against.high)
        difference = f"{signed(against.difference)}\n[{low}, {high}]"
    return Row(
        cells=[
            _name(promotion, finalist),
            mean,
            difference,
            NONE if against is None else probability(against.probability),
            _end(finalist),
            " ".join(number(mae) for mae in finalist.valid_mae) or NONE,
        ],
        mark=mark_of(promotion, finalist),
        link=web_address(finalist.link),
    )


def _name(promotion: PromotionReport, finalist: ReportedFinalist) -> str:
    roles = [
        role
        for role, has in (
            ("candidate", finalist.number == promotion.candidate),
            ("kept", finalist.number == promotion.kept),
        )
        if has
    ]
    return f"{named(finalist)}\n({', '.join(roles)})" if roles else named(finalist)


def _end(finalist: ReportedFinalist) -> str:
    """Return how its race ended; the reasons stand among the remarks."""
    if finalist.failed is not None:
        return "failed"
    return "all seeds" if finalist.dropped is None else "dropped"


def _strips(promotion: PromotionReport) -> Strips | None:
    """Return the picture; its scale holds those that the race did not drop, and the paper's."""
    measured = [(f, f.estimate) for f in promotion.ranked if f.estimate is not None]
    shown = [
        value
        for finalist, estimate in measured
        if finalist.dropped is None or finalist.paper
        for value in (estimate.low, estimate.high, *finalist.valid_mae)
    ]
    if not shown:
        return None
    room = max(ROOM * (max(shown) - min(shown)), 1e-4)
    low, high = min(shown) - room, max(shown) + room

    def place(value: float) -> float | None:
        share = (value - low) / (high - low)
        return share if 0 <= share <= 1 else None

    def held(value: float) -> float:
        return min(1.0, max(0.0, (value - low) / (high - low)))

    def strip(finalist: ReportedFinalist, estimate: Estimate) -> Strip:
        mean = place(estimate.mean)
        words = f"mean {number(estimate.mean)}, 95% interval {span(estimate)}"
        seeds = [at for at in map(place, finalist.valid_mae) if at is not None]
        return Strip(
            name=named(finalist),
            mark=mark_of(promotion, finalist),
            low=None if mean is None else held(estimate.low),
            mean=mean,
            high=None if mean is None else held(estimate.high),
            seeds=seeds,
            text=words,
        )

    ticks = round_numbers(low, high, about=4)
    return Strips(
        strips=[strip(finalist, estimate) for finalist, estimate in measured],
        ticks=[((tick - low) / (high - low), f"{tick:g}") for tick in ticks],
        title="validation MAE: mean, 95% interval, and each seed",
    )
