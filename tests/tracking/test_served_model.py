"""A registered model where nothing of ours is installed: loaded by MLflow, and served over HTTP."""

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pyarrow.parquet as pq
import pytest

from dlf.config import Value
from dlf.data.synthetic import LEXICON
from dlf.text.encoder import MINILM, MINILM_PACKAGE, find_encoder
from dlf.text.source import TextSource
from dlf.trained_model import ModelCard
from tests.support.encoders import save_tiny_encoder
from tests.support.foreign_place import ForeignPlace
from tests.support.model_server import ModelServer
from tests.support.registered_model import (
    Registered,
    Row,
    feature_file,
    rows_of_features,
    rows_of_token_ids,
    rows_of_words,
)
from tracking.location import resolve
from tracking.registry import champion_of

pytestmark = pytest.mark.slow

CHAMPION = "models:/dlf-synthetic@champion"
CLOSE = 1e-5

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

NO_ROWS = "there are no rows with any of text, audio and vision; give at least one"

Registers = Callable[..., Registered]


@pytest.fixture(scope="module")
def registers(
    tiny_data: Path, template_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registers]:
    def register(text: TextSource, values: Mapping[str, Value] = {}) -> Registered:
        folder = tmp_path_factory.mktemp("registered")
        shutil.copy(template_database, folder / "mlflow.db")
        location = resolve(f"sqlite:///{folder / 'mlflow.db'}")
        return Registered.of(text, location, folder, tiny_data, values)

    yield register
    mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def of_features(registers: Registers) -> Registered:
    """A model whose text is features."""
    return registers(TextSource(way="precomputed"))


@pytest.fixture(scope="module")
def of_words(registers: Registers) -> Registered:
    """A model whose text a real frozen encoder reads."""
    if find_spec(MINILM_PACKAGE) is None:
        pytest.skip("the text encoder minilm is not installed")
    return registers(TextSource(way="frozen", encoder=find_encoder(MINILM)))


@pytest.fixture(scope="module")
def features_place(
    of_features: Registered, tmp_path_factory: pytest.TempPathFactory
) -> ForeignPlace:
    return ForeignPlace(
        tmp_path_factory.mktemp("elsewhere"), of_features.package / "requirements.txt"
    )


@pytest.fixture(scope="module")
def words_place(of_words: Registered, tmp_path_factory: pytest.TempPathFactory) -> ForeignPlace:
    return ForeignPlace(tmp_path_factory.mktemp("elsewhere"), of_words.package / "requirements.txt")


@pytest.fixture(scope="module")
def features_server(of_features: Registered, features_place: ForeignPlace) -> Iterator[ModelServer]:
    server = ModelServer(features_place, of_features.location.uri, CHAMPION)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def words_server(of_words: Registered, words_place: ForeignPlace) -> Iterator[ModelServer]:
    server = ModelServer(words_place, of_words.location.uri, CHAMPION)
    yield server
    server.kill()


def split_form(rows: Sequence[Row]) -> dict[str, Any]:
    columns = list(rows[0])
    return {"columns": columns, "data": [[row[name] for name in columns] for row in rows]}


def assert_says(
    said: Sequence[Mapping[str, float]], expected: Sequence[Mapping[str, float]]
) -> None:
    assert [set(row) for row in said] == [set(row) for row in expected]
    for name in expected[0]:
        assert [row[name] for row in said] == pytest.approx(
            [row[name] for row in expected], abs=CLOSE
        ), name


class TestLoaded:
    def test_it_needs_nothing_of_ours(
        self, of_features: Registered, features_place: ForeignPlace
    ) -> None:
        self.says_the_same(of_features, features_place, rows_of_features())

    def test_it_brings_its_text_encoder(
        self, of_words: Registered, words_place: ForeignPlace
    ) -> None:
        self.says_the_same(of_words, words_place, rows_of_words())

    def test_so_does_one_whose_text_encoder_learned_along(
        self, registers: Registers, tmp_path: Path
    ) -> None:
        words = tuple(word for word, _, _ in LEXICON)
        encoder = find_encoder(str(save_tiny_encoder(tmp_path / "encoder", words)))
        model = registers(TextSource(way="finetune", encoder=encoder))
        shutil.rmtree(tmp_path / "encoder")
        place = ForeignPlace(tmp_path / "elsewhere", model.package / "requirements.txt")
        self.says_the_same(model, place, rows_of_words())

    def test_one_without_text_takes_none(self, registers: Registers, tmp_path: Path) -> None:
        values = {"modalities": "audio+vision", "attractor": "own"}
        model = registers(TextSource(way="precomputed"), values)
        place = ForeignPlace(tmp_path / "elsewhere", model.package / "requirements.txt")
        rows = [{name: row[name] for name in ("audio", "vision")} for row in rows_of_features()]
        self.says_the_same(
            model._replace(expected=[row | {"text": None} for row in model.expected]), place, rows
        )

    def says_the_same(self, model: Registered, place: ForeignPlace, rows: list[Row]) -> None:
        out = json.loads(place.python(LOADS, model.location.uri, CHAMPION, given=json.dumps(rows)))
        assert Path(out["code"]).parts[-3:] == ("code", "dlf", "__init__.py")
        assert out["ours"] == ["dlf"]
        assert_says(out["said"], model.expected)

    def test_the_registry_knows_what_it_is(self, of_features: Registered) -> None:
        champion = champion_of(of_features.location, "synthetic")
        assert champion is not None
        assert champion.config_yaml == of_features.trained.config.to_yaml()
        assert ModelCard.model_validate_json(champion.card_json) == of_features.trained.card


class TestPredictedFromAFile:
    @pytest.mark.parametrize("model", ["exported", "package"])
    def test_features_get_what_the_server_says(
        self, of_features: Registered, features_server: ModelServer, tmp_path: Path, model: str
    ) -> None:
        _, body = features_server.ask({"dataframe_records": rows_of_features()})
        said = self.predicted(getattr(of_features, model), tmp_path)
        assert_says(said, body["predictions"])

    def test_words_get_what_the_server_says(
        self, of_words: Registered, words_server: ModelServer, tmp_path: Path
    ) -> None:
        _, body = words_server.ask({"dataframe_records": rows_of_words()})
        assert_says(self.predicted(of_words.exported, tmp_path), body["predictions"])

    def predicted(self, model: Path, folder: Path) -> list[Row]:
        source, output = folder / "valid.pkl", folder / "predictions.parquet"
        source.write_bytes(pickle.dumps(feature_file()))
        flags = {"--model": model, "--source": source, "--output": output}
        words = [str(word) for flag in flags.items() for word in flag]
        subprocess.run([sys.executable, "-m", "dlf.predict", *words], cwd=folder, check=True)
        columns = ["sentiment", "class", "text", "audio", "vision"]
        rows: list[Row] = pq.read_table(output).select(columns).to_pylist()
        return rows


class TestServed:
    @pytest.mark.parametrize("form", ["dataframe_records", "dataframe_split", "inputs"])
    def test_rows_of_features_are_answered(
        self, of_features: Registered, features_server: ModelServer, form: str
    ) -> None:
        rows = rows_of_features()
        status, body = features_server.ask(
            {form: split_form(rows) if form == "dataframe_split" else rows}
        )
        assert status == 200, body
        assert_says(body["predictions"], of_features.expected)

    def test_so_are_whole_numbers_and_steps_of_zeros(self, features_server: ModelServer) -> None:
        sizes = {"text": 32, "audio": 5, "vision": 20}
        row = {name: [[1] * width, [0] * width] for name, width in sizes.items()}
        status, body = features_server.ask({"dataframe_records": [row]})
        assert status == 200, body

    def test_the_example_of_the_package_is_answered(
        self, of_features: Registered, features_server: ModelServer
    ) -> None:
        example = json.loads((of_features.package / "serving_input_example.json").read_text())
        status, body = features_server.ask(example)
        assert status == 200, body
        assert len(body["predictions"]) == 1

    def test_what_is_too_long_is_cut(
        self, of_features: Registered, features_server: ModelServer
    ) -> None:
        steps = of_features.trained.card.sizes.time_steps
        widths = of_features.trained.card.sizes.widths
        random = np.random.default_rng(0)
        full = {m: random.normal(size=(steps[m], widths[m])) for m in ("text", "audio", "vision")}
        longer = {m: np.concatenate([of, 2 * of]).tolist() for m, of in full.items()}
        status, body = features_server.ask(
            {"dataframe_records": [longer, {name: of.tolist() for name, of in full.items()}]}
        )
        assert status == 200, body
        assert_says(body["predictions"][:1], body["predictions"][1:])

    @pytest.mark.parametrize("form", ["dataframe_records", "dataframe_split", "inputs"])
    @pytest.mark.parametrize("modality", ["text", "audio", "vision"])
    @pytest.mark.parametrize("way", ["absent from one row", "absent from all", "null"])
    def test_a_missing_modality_is_named(
        self,
        of_features: Registered,
        features_server: ModelServer,
        form: str,
        modality: str,
        way: str,
    ) -> None:
        rows = [dict(row) for row in rows_of_features()[:3]]
        for row in rows if way == "absent from all" else rows[2:]:
            row[modality] = None
            if way != "null" and form != "dataframe_split":
                del row[modality]
        answer = features_server.ask(
            {form: split_form(rows) if form == "dataframe_split" else rows}
        )
        row_named = 0 if way == "absent from all" else 2
        assert answer.refusal == (
            f"row {row_named}: {modality} is missing; the model takes text, audio, vision"
        )

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"audio": [[0.5] * 4]}, "row 1: audio has 4 features a step where the model takes 5"),
            ({"text": [[0.5] * 768]}, "row 1: text has 768 features a step where the model takes"),
            ({"vision": [[0.5] * 20, [0.5]]}, "row 1: vision has steps of different widths"),
            ({"audio": []}, "row 1: audio is empty; "),
            ({"audio": [[]]}, "row 1: audio has 0 features a step where the model takes 5"),
            ({"audio": 3}, "row 1: audio is one number where the model takes a list of steps"),
            ({"audio": [0.5] * 5}, "row 1: audio is a flat list where the model takes a list of"),
            ({"audio": "loud"}, "row 1: audio is a string where lists of numbers are expected"),
            ({"audio": [["a"] * 5]}, "row 1: audio holds values that are not numbers"),
            ({"audio": [[None] * 5]}, "row 1: audio holds values that are not numbers"),
            ({"audio": {"a": 1}}, "row 1: audio holds values that are not numbers"),
            ({"audio": [[float("nan")] * 5]}, "row 1: audio has 5 of 5 values that are not finite"),
            (
                {"text": "a fine film"},
                "row 1: text is a string where this model, which has no text",
            ),
            (
                {"text": [101, 7592, 102]},
                "row 1: text is a flat list where this model, which has no",
            ),
        ],
    )
    def test_what_it_cannot_take_is_named(
        self, of_features: Registered, features_server: ModelServer, change: Row, sentence: str
    ) -> None:
        good, other = rows_of_features()[:2]
        answer = features_server.ask({"dataframe_records": [good, other | change]})
        assert answer.refusal.startswith(sentence)

    @pytest.mark.parametrize(
        "body",
        [
            {"dataframe_records": []},
            {"inputs": []},
            {"dataframe_split": {"columns": ["text", "audio", "vision"], "data": []}},
        ],
    )
    def test_no_rows_are_refused(self, features_server: ModelServer, body: Row) -> None:
        assert features_server.ask(body).refusal == NO_ROWS

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"\xff",
            b"",
            b"[]",
            b"{}",
            b'{"text": "a fine film"}',
            b'{"dataframe_records": [1]}',
        ],
    )
    def test_what_is_no_request_is_refused(self, features_server: ModelServer, body: bytes) -> None:
        assert features_server.ask(body).status == 400


class TestServedWithATextEncoder:
    def test_strings_and_token_ids_say_what_features_say(
        self, of_words: Registered, words_server: ModelServer
    ) -> None:
        strings, ids = rows_of_words(), rows_of_token_ids()
        mixed = [*strings[:4], *ids[4:]]
        for rows in (strings, ids, mixed):
            status, body = words_server.ask({"dataframe_records": rows})
            assert status == 200, body
            assert_says(body["predictions"], of_words.expected)

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (" ", "row 0: text is an empty string"),
            ([], "row 0: text is an empty list"),
            ([101, 999999, 102], "row 0: text has the token id 999999 where the vocabulary goes"),
            ([101, 7.5, 102], "row 0: text is a flat list of fractions"),
            ([[0.5] * 3], "row 0: text has 3 features a step where the model takes 384"),
        ],
    )
    def test_what_it_cannot_read_is_named(
        self, words_server: ModelServer, text: Any, sentence: str
    ) -> None:
        row = rows_of_features()[0] | {"text": text}
        assert words_server.ask({"dataframe_records": [row]}).refusal.startswith(sentence)

    def test_what_is_too_long_to_read_is_cut(self, words_server: ModelServer) -> None:
        row = rows_of_words()[0]
        longer = row | {"text": " ".join(["wonderful"] * 600)}
        still_longer = row | {"text": " ".join(["wonderful"] * 700)}
        status, body = words_server.ask({"dataframe_records": [longer, still_longer]})
        assert status == 200, body
        assert_says(body["predictions"][:1], body["predictions"][1:])
