"""What a study is given to begin with: configurations of a file, and trials of another study."""

from collections.abc import Iterator
from pathlib import Path

import optuna
import yaml
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from dlf.command import BadInputError, one_line
from dlf.config import Config
from search.spaces.plain_yaml import read_yaml
from search.study.identity import PAPER_TRIAL, StudyIdentity
from search.study.open_study import OpenStudy
from search.study.readings import inherit_readings
from search.study.records import COPY_OF, own_trials


def read_configurations(path: Path, identity: StudyIdentity) -> list[Config]:
    """Read the configurations of a file, each of which a trial of the study can have.

    The file holds one of them or a list. Each is a whole configuration, as the artifact
    `config.yaml` of a run and `best.yaml` are, or values by their short names, which replace those
    of the study's base.

    Raises:
        BadInputError: when the file cannot be read, or the space cannot express what is in it.
    """
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(f"the file {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInputError(f"the file {path} is not YAML: {one_line(error)}") from error
    configs = []
    entries = content if isinstance(content, list) else [content]
    if not entries:
        raise BadInputError(f"there is no configuration in {path}; it holds one, or a list")
    for position, entry in enumerate(entries, start=1):
        where = f"configuration {position} of {path}"
        if not isinstance(entry, dict) or not entry:
            raise BadInputError(f"{where} is no mapping of names to values")
        try:
            config = _config_of(entry, identity.base)
        except BadInputError as error:
            raise BadInputError(f"in {where}, {error}") from error
        outside = identity.space.outside(config, identity.base)
        if outside is not None:
            raise BadInputError(f"{where} is outside the search space: {outside}")
        configs.append(config)
    return configs


def enqueue(study: optuna.Study, identity: StudyIdentity, configs: list[Config]) -> None:
    """Let the study's next trials have these configurations; one it has already is left out."""
    # Optuna's skip_if_exists compares parameters alone, and the paper's trial may have the same
    # ones with other fixed values.
    there = [
        trial.system_attrs.get("fixed_params", trial.params)
        for trial in study.get_trials(deepcopy=False)
        if trial.number != PAPER_TRIAL
    ]
    for config in configs:
        values = dict(identity.space.values_of(config))
        if config != identity.paper and values not in there:
            study.enqueue_trial(values)
            there.append(values)


def refuse_incompatible(source: OpenStudy, identity: StudyIdentity) -> None:
    """Raise `BadInputError` when values of one study say nothing about the other."""
    former = source.identity
    different = [
        name
        for name in ("dataset_digest", "text", "max_epochs", "replicates")
        if getattr(former, name) != getattr(identity, name)
    ]
    if different:
        raise BadInputError(
            f"the study {source.study.study_name!r} cannot warm-start this one: its "
            f"{' and '.join(name.replace('_', ' ') for name in different)} is not the same"
        )
    finished = list(_finished(source))
    if finished and not any(_fits(config, identity) for _, config in finished):
        raise BadInputError(
            f"the study {source.study.study_name!r} cannot warm-start this one: none of its "
            f"{len(finished)} finished trials lies in the space; give that study's --space and "
            "--set, or leave --warm-start out"
        )


def copy_trials(source: OpenStudy, study: optuna.Study, identity: StudyIdentity) -> tuple[int, int]:
    """Copy the finished trials of a compatible study, each of them once, and its readings of test.

    Returns:
        How many the study has of them now, and how many its space cannot express.
    """
    inherit_readings(study, source.study)
    there = {trial.user_attrs.get(COPY_OF) for trial in study.get_trials(deepcopy=False)}
    copied = left_out = 0
    for trial, config in _finished(source):
        if not _fits(config, identity):
            left_out += 1
            continue
        copied += 1
        origin = f"{source.study.study_name} {source.key} {trial.number}"
        if origin in there:
            continue
        values = identity.space.values_of(config)
        distributions = identity.space.distributions()
        study.add_trial(
            create_trial(
                state=trial.state,
                value=trial.values[0] if trial.values else None,
                params=values,
                distributions={name: distributions[name] for name in values},
                intermediate_values=trial.intermediate_values,
                system_attrs=_rungs_of(trial),
                user_attrs={COPY_OF: origin},
            )
        )
    return copied, left_out


def _finished(source: OpenStudy) -> Iterator[tuple[FrozenTrial, Config]]:
    """Yield the finished trials of a study, each with what it trained."""
    for trial in own_trials(source.study):
        if trial.state in (OptunaState.COMPLETE, OptunaState.PRUNED):
            yield trial, source.identity.config_of(trial.number, trial.params)


def _fits(config: Config, identity: StudyIdentity) -> bool:
    return identity.space.outside(config, identity.base) is None


def _rungs_of(trial: FrozenTrial) -> dict[str, float]:
    """Return what successive halving knows a trial by, so that copies count at its rungs."""
    attributes = trial.system_attrs
    return {name: attributes[name] for name in attributes if name.startswith("completed_rung")}


def _config_of(entry: dict[str, object], base: Config) -> Config:
    if set(entry) <= set(Config.model_fields):
        return Config.from_yaml(yaml.safe_dump(entry))
    return base.with_values(entry)  # type: ignore[arg-type]
