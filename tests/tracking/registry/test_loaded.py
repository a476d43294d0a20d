"""A registered model where nothing of ours is installed: loaded by MLflow, in Python."""

import json
import shutil
from pathlib import Path

import pytest

from dlf.data.synthetic import LEXICON
from dlf.text.encoder import find_encoder
from dlf.text.source import TextSource
from dlf.trained_model import ModelCard
from tests.support.encoders import save_tiny_encoder
from tests.support.foreign_place import ForeignPlace
from tests.support.registered_model import (
    CHAMPION,
    Registered,
    Registers,
    Row,
    assert_says,
    rows_of_features,
    rows_of_words,
)
from tracking.registry.champion import champion_of

pytestmark = pytest.mark.slow

LOADS = """\
import importlib.util, json, sys
assert importlib.util.find_spec("dlf") is None
import mlflow, pandas
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
import dlf
said = model.predict(pandas.DataFrame(json.load(sys.stdin)))
ours = sorted({name.partition(".")[0] for name in sys.modules} & {"dlf", "tracking", "search"})
ours = [name for name in ours if sys.modules[name] is not None]
print(json.dumps({"code": dlf.__file__, "ours": ours, "said": said.to_dict("records")}))
"""


def assert_says_the_same(model: Registered, place: ForeignPlace, rows: list[Row]) -> None:
    out = json.loads(place.python(LOADS, model.location.uri, CHAMPION, given=json.dumps(rows)))
    assert Path(out["code"]).parts[-3:] == ("code", "dlf", "__init__.py")
    assert out["ours"] == ["dlf"]
    assert_says(out["said"], model.expected)


def test_it_needs_nothing_of_ours(of_features: Registered, features_place: ForeignPlace) -> None:
    assert_says_the_same(of_features, features_place, rows_of_features())


def test_it_brings_its_text_encoder(of_words: Registered, words_place: ForeignPlace) -> None:
    assert_says_the_same(of_words, words_place, rows_of_words())


def test_so_does_one_whose_text_encoder_learned_along(registers: Registers, tmp_path: Path) -> None:
    words = tuple(word for word, _, _ in LEXICON)
    encoder = find_encoder(str(save_tiny_encoder(tmp_path / "encoder", words)))
    model = registers(TextSource(way="finetune", encoder=encoder))
    shutil.rmtree(tmp_path / "encoder")
    place = ForeignPlace(tmp_path / "elsewhere", model.package / "requirements.txt")
    assert_says_the_same(model, place, rows_of_words())


def test_one_without_text_takes_none(registers: Registers, tmp_path: Path) -> None:
    values = {"modalities": "audio+vision", "attractor": "own"}
    model = registers(TextSource(way="precomputed"), values)
    place = ForeignPlace(tmp_path / "elsewhere", model.package / "requirements.txt")
    rows = [{name: row[name] for name in ("audio", "vision")} for row in rows_of_features()]
    assert_says_the_same(
        model._replace(expected=[row | {"text": None} for row in model.expected]), place, rows
    )


def test_the_registry_knows_what_it_is(of_features: Registered) -> None:
    champion = champion_of(of_features.location, "synthetic")
    assert champion is not None
    assert champion.config_yaml == of_features.trained.config.to_yaml()
    assert ModelCard.model_validate_json(champion.card_json) == of_features.trained.card
