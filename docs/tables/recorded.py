"""Everything that is recorded, by the name under which it is: metrics, tags, artifacts, files."""

from collections.abc import Iterator
from typing import NamedTuple

from dlf.metrics import Metrics, loss_name
from dlf.training.training import EpochLosses
from docs.tables.constants import documented
from docs.tables.markdown import code, rows
from tracking.records import MEASURED, TrialFacts, trial_metric


class Named(NamedTuple):
    """Something that is recorded, and what it is."""

    name: str
    meaning: str


class Part(NamedTuple):
    """Modules whose constants are names of one kind."""

    heading: str
    about: str
    suffixes: tuple[str, ...]
    modules: tuple[str, ...]


TAGS = Part("Tags", "Of runs, and of registered versions.", ("_TAG",), ("tracking.run_names",))
PREFIXES = TAGS._replace(suffixes=("_TAG_PREFIX",))
ARTIFACTS = (
    Part("Artifacts of a trial's run", "", ("_FILE", "_FOLDER"), ("tracking.run_names",)),
    Part(
        "Artifacts of the run of a study or a promotion",
        "",
        ("_FILE",),
        (
            "tracking.report",
            "tracking.promotion_report",
            "search.promotion.promotion",
            "search.promotion.final_figures",
        ),
    ),
)
FILES = (
    Part(
        "Files of a study",
        "In `<output>/<study>/`.",
        ("_FILE", "_FOLDER"),
        (
            "search.study.open_study",
            "search.study.trials",
            "tracking.journal.file",
            "search.engine.tune_log",
            "tracking.study_files",
            "tracking.report",
        ),
    ),
    Part(
        "Files of a promotion",
        "In `<output>/<study>/promotions/<time>/`.",
        ("_FILE", "_FOLDER"),
        ("search.promotion.plan", "search.promotion.hand_over", "tracking.promotion_report"),
    ),
    Part("Files of a model", "In its folder.", ("_FILE", "_FOLDER"), ("dlf.trained_model",)),
)


EPOCHS = """
The step is the epoch. `train/` is of the predictions made while training, dropout included;
`valid/` of the validation split, after the epoch. In the end a study's own run has the
`valid/best_mae` of its best trial.
"""
PROMOTIONS = """
On a promotion's own run, means over the final models of the configuration that is kept; on the
registered model, of that model alone.
"""


def table() -> str:
    """Return all sections."""
    tags = [*_names(TAGS), *(Named(f"{n}NAME", meaning) for n, meaning in _names(PREFIXES))]
    sections = [
        _section("Metrics of an epoch", EPOCHS, of_epochs()),
        _section("Metrics of a trial", "Once, when it ends.", of_trials()),
        _section("Metrics of a promotion", PROMOTIONS, of_promotions()),
        _section(TAGS.heading, TAGS.about, tags),
        *(_section(part.heading, part.about, _names(part)) for part in (*ARTIFACTS, *FILES)),
    ]
    return "\n".join(sections)


def of_epochs() -> Iterator[Named]:
    """Yield the metrics of which there is one for every epoch."""
    for name, field in Metrics.model_fields.items():
        yield Named(f"train/{name}", field.description or "")
        yield Named(f"valid/{name}", field.description or "")
    for constant in documented("dlf.metrics"):
        if constant.name.startswith("BEST_"):
            yield Named(str(constant.value), constant.meaning)
    for term, field in EpochLosses.model_fields.items():
        yield Named(loss_name(term), f"{field.description}; the mean over the epoch's batches")


def of_trials() -> Iterator[Named]:
    """Yield the metrics of which a trial has one."""
    for fact in MEASURED:
        yield Named(trial_metric(fact), TrialFacts.model_fields[fact].description or "")


def of_promotions() -> Iterator[Named]:
    """Yield the metrics of the test split."""
    for name, field in Metrics.model_fields.items():
        yield Named(f"test/{name}", field.description or "")


def _names(part: Part) -> Iterator[Named]:
    for module in part.modules:
        for constant in documented(module):
            if constant.name.endswith(part.suffixes):
                yield Named(str(constant.value), constant.meaning)


def _section(heading: str, about: str, named: Iterator[Named] | list[Named]) -> str:
    table = rows(["name", "what it is"], ([code(name), meaning] for name, meaning in named))
    return "\n\n".join(filter(None, (f"## {heading}", about.strip(), table)))
