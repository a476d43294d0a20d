"""What MLflow is given to call: data frames in and out, and errors that say what is wrong."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dlf.command import BadInputError
from dlf.serving.predictor import COLUMNS, Predictor
from dlf.serving.served import ServedModel
from tests.support.small_models import AUDIO_WIDTH, TEXT_WIDTH, VISION_WIDTH, small_model

ROWS = [
    {
        "text": np.full((steps, TEXT_WIDTH), 0.1 * steps).tolist(),
        "audio": np.full((steps + 1, AUDIO_WIDTH), -0.2).tolist(),
        "vision": np.full((steps, VISION_WIDTH), 0.3).tolist(),
    }
    for steps in (1, 4, 2)
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    small_model().export(folder)
    return folder


def test_a_data_frame_comes_of_rows_and_of_a_data_frame(model: Path) -> None:
    served = ServedModel(model)
    expected = Predictor.load(model).predict(ROWS).columns()
    for given in (ROWS, pd.DataFrame(ROWS), pd.DataFrame(ROWS, index=["a", "b", "c"])):
        found = served.predict(given)
        assert list(found.columns) == list(COLUMNS)
        assert found.to_dict(orient="list") == expected
        assert list(found.index) == [0, 1, 2]


def test_what_a_model_lacks_is_null_in_json(tmp_path: Path) -> None:
    small_model(values={"hierarchical": False}).export(tmp_path / "model")
    found = ServedModel(tmp_path / "model").predict(pd.DataFrame(ROWS))
    records = json.loads(json.dumps(found.to_dict(orient="records"), allow_nan=False))
    assert [record["audio"] for record in records] == [None] * 3
    assert all(isinstance(record["sentiment"], float) for record in records)
    assert all(isinstance(record["class"], int) for record in records)


def test_faults_of_a_data_frame_are_named(model: Path) -> None:
    served = ServedModel(model)
    frame = pd.DataFrame([*ROWS[:1], {"text": ROWS[1]["text"]}])
    with pytest.raises(BadInputError, match="row 1: audio is missing; the model takes text, audio"):
        served.predict(frame)
    with pytest.raises(BadInputError, match="row 0: vision is missing"):
        served.predict(pd.DataFrame(ROWS).drop(columns="vision"))
    with pytest.raises(BadInputError, match="there are no rows with any"):
        served.predict(pd.DataFrame(columns=["text", "audio", "vision"]))
    with pytest.raises(BadInputError, match="row 0 has label, which no model takes"):
        served.predict(pd.DataFrame(ROWS).assign(label=1.0))
    with pytest.raises(BadInputError, match="there is no folder"):
        ServedModel(model / "nowhere")
