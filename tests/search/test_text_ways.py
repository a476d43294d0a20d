"""Searches and promotions with a frozen text encoder, and with one that learns along."""

import json
import sqlite3
from contextlib import chdir
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import search.promote
import search.run
from dlf.data import open_test_split, read_manifest
from dlf.data.encoded import list_encoded
from dlf.data.synthetic import LEXICON
from dlf.metrics import compute_metrics
from dlf.text.prepared import open_text
from dlf.trained_model import TrainedModel
from dlf.training.batching import Clips
from dlf.training.inference import predict
from search.study.open_study import StudyPlace
from tests.support.commands import ROOT, Command, run_here
from tests.support.encoders import save_tiny_encoder
from tests.support.promotions import FEWEST_TRAININGS
from tests.support.searches import clear_ray

pytestmark = pytest.mark.slow


class Promoted(NamedTuple):
    """A search that was promoted, and what both printed."""

    way: str
    folder: Path
    data_dir: Path
    searched: str
    result: dict[str, Any]

    def ask(self, query: str) -> list[Any]:
        with sqlite3.connect(self.folder / "mlflow.db") as database:
            return database.execute(query).fetchall()

    def model(self) -> TrainedModel:
        return TrainedModel.load(next(self.folder.glob("runs/tiny/promotions/*/model")))


def promote(folder: Path, *words: str) -> Command:
    """Promote the study in a folder."""
    with chdir(folder):
        done = run_here(search.promote.main, str(ROOT / "search/promote.py"), *words)
    clear_ray()
    return done


@pytest.fixture(scope="module", params=["frozen", "finetune"])
def promoted(
    request: pytest.FixtureRequest,
    tiny_data: Path,
    tmp_path_factory: pytest.TempPathFactory,
    ray_here: None,
) -> Promoted:
    folder = tmp_path_factory.mktemp("search")
    encoder = save_tiny_encoder(folder / "encoder", tuple(word for word, _, _ in LEXICON))
    flags = ["--study", "tiny", "--data-dir", str(tiny_data)]
    text = ["--text", request.param, "--text-encoder", str(encoder)]
    size = ["--trials", "2", "--max-epochs", "2"]
    words = ["--dataset", "synthetic", *size, *flags, *text]
    with chdir(folder):
        searched = run_here(search.run.main, str(ROOT / "search/run.py"), *words)
    clear_ray()
    assert searched.code == 0, searched.err
    done = promote(folder, *flags, *FEWEST_TRAININGS, "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out.splitlines()[-1])
    return Promoted(request.param, folder, tiny_data, searched.out, result)


def test_the_first_line_says_which_way_and_why(promoted: Promoted) -> None:
    first = promoted.searched.splitlines()[0]
    assert first == f"text {promoted.way} {promoted.folder}/encoder (16 wide): as asked"


def test_the_study_and_its_run_remember_it(promoted: Promoted) -> None:
    identity = StudyPlace("tiny", promoted.folder / "runs", None).load().identity
    assert identity.text.way == promoted.way
    assert identity.text.encoder is not None
    assert ("text_learning_rate" in identity.space.parameters) == (promoted.way == "finetune")
    tags = dict(promoted.ask("select key, value from tags where key like 'dlf.text%'"))
    assert tags == {
        "dlf.text": promoted.way,
        "dlf.text_encoder": identity.text.encoder.name,
        "dlf.text_encoder_revision": identity.text.encoder.revision,
        "dlf.text_reason": f"{promoted.way} {promoted.folder}/encoder (16 wide): as asked",
    }


def test_the_text_is_encoded_once_and_of_test_for_the_promotion(promoted: Promoted) -> None:
    manifest = read_manifest("synthetic", promoted.data_dir)
    kind = {"frozen": "features", "finetune": "tokens"}[promoted.way]
    found = [
        each
        for each in list_encoded(manifest, promoted.data_dir)
        if each.encoding.kind == kind and each.encoding.encoder.startswith(str(promoted.folder))
    ]
    assert [each.finished for each in found] == [("train", "valid", "test")]
    assert found[0].encoding.tokens_from == "raw_text"


def test_the_promoted_model_carries_its_encoder_and_predicts_as_it_did(promoted: Promoted) -> None:
    trained = promoted.model()
    assert (trained.model.text_encoder is None) == (promoted.way == "frozen")
    text = trained.card.text
    assert text is not None
    test = open_text(
        text, "synthetic", promoted.data_dir, open_test_split("synthetic", promoted.data_dir)
    )
    clips = Clips(test, trained.card.sizes, trained.config, "cpu")
    metrics = compute_metrics(predict(trained.model, clips, trained.config), test.labels)
    recorded = promoted.ask(
        "select metric_value from logged_model_metrics where metric_name = 'test/mae'"
    )
    assert np.isclose(metrics.mae, recorded[0][0], atol=1e-6)


def test_a_promotion_with_another_encoder_is_refused(promoted: Promoted) -> None:
    if promoted.way == "frozen":
        pytest.skip("features that are stored need no encoder any more")
    vocabulary = promoted.folder / "encoder" / "vocab.txt"
    former = vocabulary.read_text()
    vocabulary.write_text("other\n")
    flags = ["--study", "tiny", "--data-dir", str(promoted.data_dir)]
    done = promote(promoted.folder, *flags, "--again")
    vocabulary.write_text(former)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "is not the one that the study was made with" in done.err
