"""What nodes say of themselves, and what of it makes one unfit for trials."""

from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import GetTimeoutError, RaySystemError

from dlf.command import BadInputError
from dlf.text.source import TextSource
from search.cluster.nodes import (
    PACKAGES,
    NodeQuestion,
    NodeReport,
    _versions,
    answers,
    refuse_other_versions,
)
from search.trial.checkpoints import Checkpoints
from search.trial.data import TrialData


@pytest.fixture
def question(tmp_path: Path) -> NodeQuestion:
    data = TrialData(
        dataset="mosi",
        dataset_digest="0",
        data_dir=tmp_path,
        text=TextSource(way="precomputed"),
    )
    return NodeQuestion(checkpoints=Checkpoints(folder=tmp_path), mark="mark", data=data)


def report(*, sees_checkpoints: bool = True, **other: str) -> NodeReport:
    """What a node says that has our versions, but for some."""
    versions = {**_versions(), **other}
    return NodeReport(host="far", versions=versions, sees_checkpoints=sees_checkpoints)


def test_a_node_like_this_one_will_do(question: NodeQuestion) -> None:
    assert set(_versions()) == set(PACKAGES)
    assert report().unfit(question) is None


def test_a_node_without_the_checkpoints_will_not(question: NodeQuestion, tmp_path: Path) -> None:
    unfit = report(sees_checkpoints=False).unfit(question)
    assert unfit is not None
    assert unfit.startswith(f"the node far does not see {tmp_path}, where")


def test_every_version_that_differs_is_told(question: NodeQuestion) -> None:
    unfit = report(torch="1.0", numpy="not at all").unfit(question)
    assert unfit is not None
    here = _versions()
    assert f"numpy not at all (here {here['numpy']}), torch 1.0 (here {here['torch']})" in unfit


def test_a_build_for_another_accelerator_is_the_same_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("search.cluster.nodes.version", lambda _: "2.0+cu130")
    assert set(_versions().values()) == {"2.0"}


def test_a_package_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.cluster.nodes.PACKAGES", ("no-such-package-anywhere",))
    assert _versions() == {"no-such-package-anywhere": "not at all"}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (GetTimeoutError("late"), "does not answer within 180 s"),
        (RaySystemError("no\nroom"), "cannot run our code: .*no room"),
    ],
)
def test_a_node_that_does_not_answer_is_told(
    monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def get(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("ray.get", get)
    with pytest.raises(BadInputError, match=told):
        answers([])


def test_other_versions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = [report(), report(torch="1.0")]
    monkeypatch.setattr("search.cluster.nodes.training_nodes", list)
    monkeypatch.setattr("search.cluster.nodes.answers", lambda _: reports)
    with pytest.raises(BadInputError, match=r"the node far of the cluster has torch 1\.0"):
        refuse_other_versions()
    reports.pop()
    refuse_other_versions()
