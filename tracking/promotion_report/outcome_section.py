"""What the test split says, beside the figures that the paper published, and when it was read."""

from collections.abc import Iterator

from tracking.promotion_report.blocks import Block, Points, Row, Section, Table, Words
from tracking.promotion_report.comparability import comparability
from tracking.promotion_report.records import PromotionReport, Scores
from tracking.promotion_report.verdict import named
from tracking.promotion_report.wording import (
    METRICS,
    NONE,
    clause,
    counted,
    difference_span,
    metric,
    metric_with_interval,
    moment,
    probability,
    signed,
)


def outcome_section(promotion: PromotionReport) -> Section:
    """Return the section."""
    blocks = [*_results(promotion), *_readings(promotion)]
    return Section(name="test", heading="The test split and Table 1", blocks=blocks)


def _results(promotion: PromotionReport) -> Iterator[Block]:
    word = comparability(promotion)
    if promotion.test is None:
        yield Words(text=f"It was not opened: {clause(promotion.test_unopened)}.")
        return
    yield Words(text=word.head)
    if word.sentences:
        yield Points(items=word.sentences)
    seeds = counted(promotion.final_seeds, "final seed")
    refit = promotion.refit
    trained = ""
    if refit is not None:
        trained = f" They were trained on train and valid together for {refit.candidate_epochs}"
        if refit.paper_epochs is not None:
            trained += f" (the candidate) and {refit.paper_epochs} (the paper's configuration)"
        trained += " epochs."
    yield Words(
        text=f"Means over {seeds} with their 95% intervals, and the ensemble, the mean prediction "
        f"of these models, once.{trained}"
    )
    yield _table(promotion)
    against = promotion.test.comparison
    if against is not None:
        yield Words(
            text=f"The test MAE of {named(promotion.best)} less that of the paper's configuration, "
            f"seed by seed: {signed(against.difference)} (95% interval {difference_span(against)}; "
            f"better with a probability of {probability(against.probability)}; "
            f"{counted(against.seeds, 'seed')})."
        )


def _table(promotion: PromotionReport) -> Table:
    test = promotion.test
    columns: list[tuple[str, Scores]] = []
    if test is not None:
        columns.append((named(promotion.best), test.candidate))
        if test.paper is not None:
            columns.append((named(promotion.paper), test.paper))
        kept = named(promotion.paper if promotion.keeps_paper else promotion.best)
        columns.sort(key=lambda column: column[0] != kept)
    head, published = ["metric"], promotion.table_1
    for position, (name, scores) in enumerate(columns):
        head.append(f"{name}\n(kept)" if position == 0 else name)
        if scores.ensemble:
            head.append("its ensemble")
    if published is not None:
        head.append("DLF in Table 1")
    rows = []
    for key, title in METRICS.items():
        cells = [title]
        for _, scores in columns:
            cells.append(metric_with_interval(key, scores.metrics[key]))
            if scores.ensemble:
                cells.append(metric(key, scores.ensemble[key]))
        if published is not None:
            cells.append(metric(key, published[key]) if key in published else NONE)
        rows.append(Row(cells=cells))
    return Table(head=head, rows=rows)


def _readings(promotion: PromotionReport) -> Iterator[Block]:
    times = len(promotion.readings)
    if times == 1:
        when = moment(promotion.readings[0].when)
        once = f"Promotions of this study have read the test split once, at {when}."
        yield Words(text=once, note=True)
    elif times:
        yield Words(text=f"Promotions of this study have read the test split {times} times:")
        yield Table(
            head=["reading", "when", "by"],
            rows=[
                Row(cells=[str(position), moment(each.when), each.promotion])
                for position, each in enumerate(promotion.readings, start=1)
            ],
        )
