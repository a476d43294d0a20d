"""Data that is opened by its path where it is seen, and else carried by Ray's object store."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from dlf.data import read_manifest
from dlf.text.source import TextSource
from search.cluster.carried_data import carried_data
from search.cluster.nodes import NodeQuestion, answers, ask, training_nodes
from search.engine.ledger import TrialLedger
from search.engine.run_trials import run_trials
from search.engine.trainable import Workplace
from search.resources.allotment import Resources
from search.trial.checkpoints import Checkpoints
from search.trial.data import TrialData
from tests.search.engine.test_run_trials import SMALL, ListedTrials
from tests.support.memory_recorder import MemoryRecorder
from tracking.records import TrialState

pytestmark = pytest.mark.usefixtures("ray_here")


@pytest.fixture
def data(tiny_data: Path, tmp_path: Path) -> TrialData:
    """A dataset that can be taken away."""
    shutil.copytree(tiny_data, tmp_path / "data")
    return TrialData(
        dataset="synthetic",
        dataset_digest=read_manifest("synthetic", tiny_data).digest,
        data_dir=tmp_path / "data",
        text=TextSource(way="precomputed"),
    )


def test_a_node_tells_whether_it_sees_the_data(data: TrialData, tmp_path: Path) -> None:
    question = NodeQuestion(checkpoints=Checkpoints(folder=tmp_path), mark="none", data=data)
    assert [report.sees_data for report in answers(_asked(question))] == [True]
    shutil.rmtree(data.data_dir)
    (report,) = answers(_asked(question))
    assert not report.sees_data
    assert not report.sees_checkpoints


def _asked(question: NodeQuestion) -> list[Any]:
    return [ask(node, question) for node in training_nodes()]


def test_trials_train_on_what_was_carried_without_a_file(
    data: TrialData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a node without the data folder: it is taken away before the first worker begins."""
    carried = carried_data(data)
    assert carried.train.raw_text == []
    shutil.rmtree(data.data_dir)
    monkeypatch.setattr("search.engine.run_trials.carried_data", lambda _: carried)
    source = ListedTrials([SMALL] * 2, stopped=-1)
    workplace = Workplace(
        data=data,
        resources=Resources(cpus_per_trial=1, gpus_per_trial=0, max_concurrent=2, cluster=True),
        checkpoints=Checkpoints(folder=tmp_path / "checkpoints"),
    )
    ledger = TrialLedger(source, MemoryRecorder())
    run_trials(ledger, workplace, tmp_path / "run")
    assert [outcome.state for outcome in source.outcomes.values()] == [TrialState.COMPLETE] * 2
