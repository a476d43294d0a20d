"""A registered model where nothing of ours is installed: served by MLflow, over HTTP."""

import json
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.support.model_server import ModelServer
from tests.support.registered_model import (
    Registered,
    Row,
    assert_says,
    feature_file,
    rows_of_features,
    rows_of_token_ids,
    rows_of_words,
)

pytestmark = pytest.mark.slow

NO_ROWS = "there are no rows with any of text, audio and vision; give at least one"


def split_form(rows: Sequence[Row]) -> dict[str, Any]:
    columns = list(rows[0])
    return {"columns": columns, "data": [[row[name] for name in columns] for row in rows]}


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
