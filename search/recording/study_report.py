"""What the report is told of a study, gathered from its trials, and the report written of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial

from dlf.config import Value
from search.study.identity import PAPER_TRIAL, StudyIdentity
from search.study.importances import importances_of
from search.study.open_study import OpenStudy
from search.study.records import (
    COPY_OF,
    count_epochs,
    duplicate_of,
    last_value,
    outcome_of,
    own_trials,
    trial_name,
)
from search.study.summary import faults_of
from tracking.report.page import write_page
from tracking.report.records import Parameter, ReportedTrial, StudyReport


def write_report(
    opened: OpenStudy,
    folder: Path,
    links: Mapping[int, str],
    *,
    standing: str = "",
    without_links: str = "",
) -> Path:
    """Write the report of a study as it stands, in the place of an older one.

    Args:
        opened: the study.
        folder: the study's own, which exists.
        links: the addresses of the trials' runs, as far as they are known.
        standing: a sentence saying who drives the study, or how it ended.
        without_links: a sentence saying why there are no links, where there are none.

    Returns:
        The file.

    Raises:
        WorkFailedError: when it cannot be written.
    """
    report = report_of(opened, links, standing=standing, without_links=without_links)
    return write_page(report, folder)


def report_of(
    opened: OpenStudy, links: Mapping[int, str], *, standing: str = "", without_links: str = ""
) -> StudyReport:
    """Gather what the report tells of a study."""
    study, identity, settings = opened.study, opened.identity, opened.settings
    own = own_trials(study)
    return StudyReport(
        name=study.study_name,
        dataset=identity.dataset,
        wanted=settings.trials,
        max_epochs=identity.max_epochs,
        replicates=identity.replicates,
        copies=sum(COPY_OF in trial.user_attrs for trial in study.get_trials(deepcopy=False)),
        standing=standing,
        without_links=without_links,
        facts={
            "epochs trained": f"{count_epochs(own)}, at most {identity.max_epochs} a trial",
            "seeds a trial": str(identity.replicates),
            "early stopping": settings.stopping.describe(identity.max_epochs),
            "sampler": f"{settings.sampler}, seed {settings.seed}",
            "text": identity.text.way + _encoder_of(identity),
            "data": f"{identity.dataset}, digest {identity.dataset_digest[:12]}",
            "identity of the study": identity.digest[:12],
        },
        parameters=parameters_of(identity, own),
        trials=[_reported(trial, identity, links) for trial in own],
        importances=importances_of(own),
        faults=faults_of(study),
        written=datetime.now().astimezone(),
    )


def parameters_of(identity: StudyIdentity, trials: Sequence[FrozenTrial]) -> list[Parameter]:
    """Return the parameters of the space, and after them those that only earlier trials have."""
    distributions = identity.space.distributions()
    for trial in trials:
        for name, distribution in trial.distributions.items():
            distributions.setdefault(name, distribution)
    paper = _paper_params(identity)
    return [
        _parameter(name, distribution, paper.get(name))
        for name, distribution in distributions.items()
    ]


def _reported(
    trial: FrozenTrial, identity: StudyIdentity, links: Mapping[int, str]
) -> ReportedTrial:
    outcome, paper = outcome_of(trial), trial.number == PAPER_TRIAL
    return ReportedTrial(
        number=trial.number,
        name=trial_name(trial.number),
        state=None if outcome is None else outcome.state,
        reason=None if outcome is None else outcome.reason,
        params=_paper_params(identity) if paper else trial.params,
        curve=sorted(trial.intermediate_values.items()),
        value=last_value(trial),
        begun=trial.datetime_start,
        ended=trial.datetime_complete,
        twin=duplicate_of(trial),
        paper=paper,
        link=links.get(trial.number),
    )


def _paper_params(identity: StudyIdentity) -> dict[str, Value]:
    """Return the paper's values of the parameters that exist with them, in the ranges or not."""
    values = identity.paper.values()
    return {
        name: value
        for name, value in identity.shown_params(PAPER_TRIAL, {}).items()
        if identity.space.parameters[name].exists_with(values)
    }


def _parameter(name: str, distribution: BaseDistribution, paper: Value | None) -> Parameter:
    match distribution:
        case FloatDistribution() | IntDistribution():
            return Parameter(
                name=name,
                log=distribution.log,
                whole=isinstance(distribution, IntDistribution),
                low=distribution.low,
                high=distribution.high,
                paper=paper,
            )
        case CategoricalDistribution():
            return Parameter(
                name=name, choices=[c for c in distribution.choices if c is not None], paper=paper
            )
    raise TypeError(f"{name} is of an unknown kind, {type(distribution).__name__}")


def _encoder_of(identity: StudyIdentity) -> str:
    encoder = identity.text.encoder
    return "" if encoder is None else f", {encoder.name} ({encoder.revision[:12]})"
