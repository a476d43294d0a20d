"""What the report is told of a promotion, gathered from its trainings and their predictions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlf.config import Config
from dlf.data import Manifest, open_split, read_manifest
from dlf.intervals import Interval, mae_estimate, metric_estimates
from dlf.metrics import compute_metrics
from dlf.modalities import MODALITIES
from dlf.published_results import TABLE_1
from search.promotion.decision import against
from search.promotion.final_figures import CLASSES_FILE, PROJECTION_FILE
from search.promotion.plan import now
from search.promotion.promotion import CANDIDATE, PAPER, Promotion, Trained
from search.promotion.race import Race
from search.promotion.test_split import OnTest
from search.seeded.comparison import FEWEST_SEEDS, Comparison, compare
from search.seeded.seeded_trainings import Entrant
from search.study.identity import StudyIdentity
from search.study.readings import readings_of
from search.trial.code_version import code_revision, versions
from tracking.promotion_report import records

FIGURES = {
    CLASSES_FILE: "Predictions of the test split by class, and the accuracy of each class; after "
    "Figure 4 of the paper",
    PROJECTION_FILE: "The fused representations of the test clips by t-SNE, coloured by their "
    "labels; after Figure 5 of the paper",
}


def reported(
    promotion: Promotion,
    identity: StudyIdentity,
    trained: Trained,
    on_test: OnTest | None,
    registration: records.Registered | records.NotRegistered,
    *,
    commands: Mapping[str, str],
    links: Mapping[str, str],
    trial_links: Mapping[int, str],
) -> records.PromotionReport:
    """Gather the record of a promotion.

    Args:
        promotion: which.
        identity: of its study.
        trained: its trainings, and what they decide.
        on_test: what the test split says; none where it was not opened.
        registration: what became of the model.
        commands: what reproduces it, by what it does.
        links: addresses by what they lead to.
        trial_links: the addresses of the study's trials.
    """
    plan, decision, race = promotion.plan, trained.decision, trained.race
    manifest = read_manifest(identity.dataset, promotion.workplace.data.data_dir)
    candidate, paper = decision.candidate, race.paper
    champion = plan.champion
    against_champion = trained.against_champion
    return records.PromotionReport(
        study=promotion.study.study_name,
        dataset=identity.dataset,
        when=now(),
        finalists=[
            reported_finalist(each, trained, promotion.labels, trial_links)
            for each in plan.finalists
        ],
        candidate=candidate.number,
        kept=decision.kept.number,
        clearly_beaten=decision.clearly_beaten,
        further=None if plan.refit else _compared(decision.evidence),
        allow_tie=plan.allow_tie,
        refit=_refit(trained) if plan.refit else None,
        recipe=_recipe(race, identity, promotion.workplace.data.data_dir, promotion.labels),
        candidate_config=candidate.config.values(),
        paper_config=paper.config.values(),
        final_seeds=plan.final_seeds,
        test=None if on_test is None else _results(on_test),
        test_unopened="" if on_test is not None else "nothing new was to be handed over",
        readings=[
            records.ReadingOfTest(when=each.at, promotion=each.promotion)
            for each in readings_of(promotion.study)
        ],
        table_1=TABLE_1.get(identity.dataset),
        text=records.TextFacts(
            way=identity.text.way,
            encoder=None if identity.text.encoder is None else identity.text.encoder.name,
        ),
        data=_data(manifest),
        registration=registration,
        champion=None
        if champion is None or against_champion is None
        else records.AgainstChampion(version=champion.version, comparison=_given(against_champion)),
        revision=code_revision(),
        packages=versions(),
        commands=commands,
        links=links,
        figures=_figures(promotion.artifacts) if on_test is not None else (),
        notes=[*race.told, *trained.finals.told],
    )


def reported_finalist(
    entrant: Entrant,
    trained: Trained,
    labels: NDArray[np.float32],
    links: Mapping[int, str],
) -> records.ReportedFinalist:
    """Return what became of a finalist, given the labels [N] of the validation clips."""
    race, candidate = trained.race, trained.decision.candidate
    maes = race.valid_mae(entrant)
    several = len(maes) >= FEWEST_SEEDS
    estimate = mae_estimate(race.errors_of(entrant, labels)) if several else None
    loser = race.losers.get(entrant.number)
    comparison = None
    if entrant.number != candidate.number:
        comparison = against(candidate, entrant, race, labels)
    return records.ReportedFinalist(
        number=entrant.number,
        name=entrant.name,
        paper=entrant.number == race.paper.number,
        params=entrant.params,
        valid_mae=maes,
        estimate=None if estimate is None else _estimate(estimate.mean, estimate.interval),
        dropped=None if loser is None else loser.evidence,
        failed=race.failures.get(entrant.number),
        comparison=_compared(comparison),
        link=links.get(entrant.number),
    )


def _estimate(mean: float, interval: Interval) -> records.Estimate:
    return records.Estimate(mean=mean, low=interval.low, high=interval.high)


def _compared(comparison: Comparison | None) -> records.Comparison | None:
    return None if comparison is None else _given(comparison)


def _given(comparison: Comparison) -> records.Comparison:
    return records.Comparison(
        difference=comparison.difference,
        low=comparison.interval.low,
        high=comparison.interval.high,
        probability=comparison.probability,
        seeds=comparison.seeds,
    )


def _refit(trained: Trained) -> records.Refit:
    epochs = {each.number: each.max_epochs for each in trained.finals.entrants}
    candidate, paper = trained.decision.candidate, trained.race.paper
    return records.Refit(
        candidate_epochs=epochs[candidate.number],
        paper_epochs=None if candidate.number == paper.number else epochs[paper.number],
    )


def _recipe(
    race: Race, identity: StudyIdentity, data_dir: Path, labels: NDArray[np.float32]
) -> records.PaperRecipe:
    trainings = race.trainings_of(race.paper).values()
    train = open_split(identity.dataset, data_dir, "train")
    return records.PaperRecipe(
        epochs=[len(each.history) for each in trainings],
        best_epochs=[each.history[-1].best_epoch for each in trainings],
        valid_mae=[each.best_mae for each in trainings],
        median_mae=float(np.abs(labels - np.median(train.labels)).mean()),
        steps_per_epoch=_steps_per_epoch(race.paper.config, len(train)),
        patience=race.paper.config.training.patience,
        max_epochs=race.paper.max_epochs,
    )


def _steps_per_epoch(config: Config, clips: int) -> int:
    batches = -(-clips // config.training.batch_size)
    return batches // min(config.training.accumulation, batches)


def _results(on_test: OnTest) -> records.ResultsOnTest:
    paper = comparison = None
    if PAPER in on_test.of_seeds:
        paper = _scores(on_test, PAPER)
        comparison = _given(compare(on_test.errors(CANDIDATE), on_test.errors(PAPER)))
    return records.ResultsOnTest(
        candidate=_scores(on_test, CANDIDATE), paper=paper, comparison=comparison
    )


def _scores(on_test: OnTest, name: str) -> records.Scores:
    estimates = metric_estimates(on_test.of_seeds[name], on_test.labels)
    return records.Scores(
        metrics={
            metric: _estimate(mean, estimates.intervals[metric]) for metric, mean in estimates.mean
        },
        ensemble=dict(compute_metrics(on_test.ensemble(name), on_test.labels)),
    )


def _data(manifest: Manifest) -> records.DataFacts:
    return records.DataFacts(
        source=manifest.source,
        published=manifest.published,
        widths={modality: manifest.widths[modality] for modality in MODALITIES},
        clips=dict(manifest.clips),
    )


def _figures(folder: Path) -> Sequence[records.Figure]:
    there = [(folder / name, caption) for name, caption in FIGURES.items()]
    return [
        records.Figure(caption=caption, png=file.read_bytes(), file=f"{folder.name}/{file.name}")
        for file, caption in there
        if file.is_file()
    ]
