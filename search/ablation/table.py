"""The table of an ablation beside the paper's Table 2, for a terminal and as Markdown."""

import textwrap
from collections.abc import Sequence
from itertools import groupby

from dlf.published_results import FULL_MODEL
from search.ablation.result import AblationResult, RowResult, Scores
from search.seeded.comparison import FEWEST_SEEDS

METRICS = {"acc7": "Acc-7", "acc2": "Acc-2", "f1": "F1", "mae": "MAE"}
"""those that were published"""
DIFFERENCE = f"MAE - {FULL_MODEL}"

COLUMNS = 120
"""that a terminal is to have"""
NAME_WIDTH = 8
OUR_WIDTHS = (14, 14, 14, 16, 19)
PAPER_WIDTHS = (5, 7, 7, 7, 8)


def shown_table(result: AblationResult) -> str:
    """Return the table for a terminal, the interval of each mean below it, and remarks."""
    ours = f"ours: validation split, means over {result.seeds} seeds, 95% intervals"
    headings = [*METRICS.values(), "MAE"]
    lines = [
        " " * NAME_WIDTH + f"{ours:<{sum(OUR_WIDTHS)}}" + "the paper's: test split, one seed",
        " " * NAME_WIDTH + _left([*METRICS.values(), DIFFERENCE]) + _right(headings),
        " " * (NAME_WIDTH + sum(OUR_WIDTHS)) + _right(["", "", "", "", f"- {FULL_MODEL}"]),
    ]
    for _, rows in groupby(result.rows, key=lambda row: row.group):
        for row in rows:
            published = _right(_published(row))
            if row.scores is None:
                words = f"{_instead(row):<{sum(OUR_WIDTHS)}}"
                lines.append(f"{row.name:<{NAME_WIDTH}}{words}{published}")
                continue
            lines.append(f"{row.name:<{NAME_WIDTH}}{_left(_means(row.scores))}{published}")
            lines.append((" " * NAME_WIDTH + _left(_intervals(row.scores))).rstrip())
        lines.append("")
    said = [textwrap.fill(remark, COLUMNS, break_long_words=False) for remark in remarks(result)]
    return "\n".join([*(line.rstrip() for line in lines), *said])


def markdown_table(result: AblationResult) -> str:
    """Return a Markdown page: the table with one line for a row, and the remarks as a list."""
    paper = [f"paper's {name}" for name in (*METRICS.values(), DIFFERENCE)]
    headings = ["", *METRICS.values(), DIFFERENCE, *paper]
    lines = [
        f"# Ablation {result.ablation}",
        "",
        _piped(headings),
        _piped(["---"] + ["---:"] * (len(headings) - 1)),
    ]
    for row in result.rows:
        ours = [_instead(row)] + [""] * len(METRICS)
        if row.scores is not None:
            pairs = zip(_means(row.scores), _intervals(row.scores), strict=True)
            ours = [f"{mean} ({interval})" if interval else mean for mean, interval in pairs]
        lines.append(_piped([row.name.replace("_", r"\_"), *ours, *_published(row)]))
    listed = [f"- {remark}".replace("_", r"\_") for remark in remarks(result)]
    return "\n".join([*lines, "", *listed, ""])


def remarks(result: AblationResult) -> list[str]:
    """Return in sentences what the table rests on, what it says, and what can be compared."""
    said = [
        f"The full model, {FULL_MODEL}, is {result.config} on {result.dataset}, text "
        f"{result.text}, at most {result.max_epochs} epochs; the intervals are over "
        f"{result.seeds} seeds and {result.clips} clips.",
        "Accuracies and F1 are in percent. The paper's figures are of its own configuration and "
        "features on the test split of MOSI, each of one training and without an interval.",
        f"So what can be compared is the difference in MAE to {FULL_MODEL}: above 0 the row is "
        "worse. Ours is paired by seed and clip.",
    ]
    if result.seeds == FEWEST_SEEDS:
        said.append(f"{FEWEST_SEEDS} seeds say little of others, so the intervals are wide.")
    said += _findings(result)
    same = [row for row in result.rows if row.same_as is not None]
    for other, rows in groupby(same, key=lambda row: row.same_as):
        said.append(
            f"Not trained, for they are the same as {other}: {', '.join(r.name for r in rows)}."
        )
    said += [f"{row.name} failed: {row.failed}" for row in result.failed]
    return said


def _findings(result: AblationResult) -> list[str]:
    if result.full_model.scores is None:
        return [f"{FULL_MODEL} failed, so there is nothing to hold the rows against."]
    compared = [(row.name, c) for row in result.rows if (c := row.difference) is not None]
    worse = [name for name, comparison in compared if comparison.clearly_worse]
    better = [name for name, comparison in compared if comparison.clearly_better]
    unclear = [name for name, _ in compared if name not in (*worse, *better)]
    words = {
        f"clearly worse than {FULL_MODEL}": worse,
        f"clearly better than {FULL_MODEL}": better,
        f"not to be told from {FULL_MODEL}": unclear,
    }
    found = [f"{what}: {', '.join(names)}" for what, names in words.items() if names]
    return [f"By the 95% interval of that difference, {'; '.join(found)}."] if found else []


def _instead(row: RowResult) -> str:
    return "failed" if row.same_as is None else f"the same as {row.same_as}"


def _means(scores: Scores) -> list[str]:
    means = [_figure(name, getattr(scores.mean, name)) for name in METRICS]
    compared = scores.difference
    return [*means, "" if compared is None else f"{compared.difference:+.3f}"]


def _intervals(scores: Scores) -> list[str]:
    bounds = [(name, *scores.intervals[name]) for name in METRICS]
    shown = [f"{_figure(name, low)} to {_figure(name, high)}" for name, low, high in bounds]
    compared = scores.difference
    if compared is None:
        return [*shown, ""]
    return [*shown, f"{compared.interval.low:+.3f} to {compared.interval.high:+.3f}"]


def _published(row: RowResult) -> list[str]:
    figures = [_figure(name, row.published[name], digits=2) for name in METRICS]
    is_full = row.name == FULL_MODEL
    return [*figures, "" if is_full else f"{row.published_difference:+.3f}"]


def _figure(metric: str, value: float, digits: int = 1) -> str:
    return f"{value:.3f}" if metric == "mae" else f"{100 * value:.{digits}f}"


def _left(cells: Sequence[str]) -> str:
    return "".join(f"{cell:<{width}}" for cell, width in zip(cells, OUR_WIDTHS, strict=True))


def _right(cells: Sequence[str]) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, PAPER_WIDTHS, strict=True))


def _piped(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
