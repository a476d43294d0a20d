"""What a study comes to so far, in one or two sentences."""

from tracking.records import TrialState
from tracking.report.records import ReportedTrial, StudyReport


def verdict(study: StudyReport) -> str:
    """Return how the best trial stands against the paper's configuration."""
    best, paper = study.best, study.paper
    if best is None or best.reached is None:
        return _nothing_yet(study)
    complete = len(study.ranked)
    if best.paper:
        if complete == 1:
            return (
                "So far only the paper's configuration has reached its end, with a validation MAE "
                f"of {best.reached:.4f}; there is nothing to compare it with yet."
            )
        return (
            f"No trial beats the paper's configuration so far: at a validation MAE of "
            f"{best.reached:.4f} it is the best of {complete} complete trials."
        )
    among = f"the best of {complete} complete trials" if complete > 1 else "the only complete trial"
    head = f"Trial {best.number} is {among}, with a validation MAE of {best.reached:.4f}"
    if paper is None:
        return f"{head}. The paper's configuration was not tried yet."
    if paper.reached is None or not paper.complete:
        return f"{head}. {_paper_in_words(paper)}, so nothing is measured against it."
    difference = paper.reached - best.reached
    share = difference / paper.reached
    if difference == 0:
        return f"{head}: exactly that of the paper's configuration."
    return (
        f"{head}: {difference:.4f} ({share:.1%}) below the {paper.reached:.4f} of the paper's "
        "configuration."
    )


def caution(study: StudyReport) -> str:
    """Return what keeps a reader from taking the verdict for more than it is."""
    if study.best is None:
        return ""
    return (
        f"{mostly_luck(study.replicates)}, the more so for the lowest of many: promotion trains "
        "the best ones and the paper's configuration on fresh seeds, and decides."
    )


def mostly_luck(replicates: int) -> str:
    """Return the clause that says what the value of a trial of so many seeds is."""
    seeds = "One seed" if replicates == 1 else f"The mean of {replicates} seeds"
    return f"{seeds} on one validation split is mostly luck"


def states_in_words(study: StudyReport) -> list[str]:
    """Return how the trials ended, a sentence each."""
    trials = study.trials
    count = {state: sum(t.state is state for t in trials) for state in [*TrialState, None]}
    begun = f"{len(trials)} of {study.wanted} trials were begun"
    sentences = [
        f"{begun}: {count[TrialState.COMPLETE]} complete, {count[TrialState.PRUNED]} pruned, "
        f"{count[TrialState.FAILED]} failed, {count[None]} under way."
    ]
    reasons: dict[str, int] = {}
    for trial in trials:
        if trial.state is TrialState.PRUNED:
            reason = trial.reason or "stopped by the rule"
            reasons[reason] = reasons.get(reason, 0) + 1
    if reasons:
        told = "; ".join(f"{reason} ({number})" for reason, number in reasons.items())
        sentences.append(f"Why trials were pruned: {told}.")
    twins = sum(trial.twin is not None for trial in trials)
    if twins:
        sentences.append(
            f"Duplicates of earlier trials, which were given their end without a training and are "
            f"drawn and ranked once: {twins}."
        )
    if study.copies:
        sentences.append(
            "Copied from another study to begin with, known to the sampler and not counted here: "
            f"{study.copies}."
        )
    if study.paper is not None and not study.paper.complete:
        sentences.append(f"{_paper_in_words(study.paper)}.")
    return sentences


def _nothing_yet(study: StudyReport) -> str:
    trials = study.trials
    if not trials:
        return "No trial was begun yet."
    under_way = sum(trial.state is None for trial in trials)
    if all(trial.state is TrialState.FAILED for trial in trials):
        those = "The only trial" if len(trials) == 1 else f"All {len(trials)} trials so far"
        return f"{those} failed, so there is nothing to choose from; the reasons stand below."
    return (
        f"No trial has reached its end yet: {len(trials)} of {study.wanted} were begun, "
        f"{under_way} are under way."
    )


def _paper_in_words(paper: ReportedTrial) -> str:
    because = f" ({paper.reason})" if paper.reason else ""
    match paper.state:
        case None:
            return "The paper's configuration is still under way"
        case TrialState.FAILED:
            return f"The paper's configuration failed here{because}"
        case TrialState.PRUNED:
            return f"The paper's configuration was stopped before its end{because}"
        case TrialState.COMPLETE:
            return "The paper's configuration has no value that is a number"
