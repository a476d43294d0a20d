"""Registered models, places where nothing of ours is installed, and servers there."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import mlflow
import pytest

from dlf.config import Value
from dlf.text.encoder import MINILM, MINILM_PACKAGE, find_encoder
from dlf.text.source import TextSource
from tests.support.foreign_place import ForeignPlace
from tests.support.model_server import ModelServer
from tests.support.registered_model import CHAMPION, Registered, Registers
from tests.support.tracking_stores import store_at


@pytest.fixture(scope="module")
def registers(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registers]:
    def register(text: TextSource, values: Mapping[str, Value] = {}) -> Registered:
        folder = tmp_path_factory.mktemp("registered")
        location = store_at(folder / "mlflow.db")
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
