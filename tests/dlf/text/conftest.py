"""A tiny text encoder, and a dataset whose words it knows."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from dlf.data.synthetic import LEXICON
from dlf.text.encoder import MINILM, MINILM_PACKAGE, find_encoder
from dlf.text.source import Encoder
from tests.support.encoders import save_tiny_encoder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """An encoder of two layers, 16 wide, whose vocabulary is that of the synthetic dataset."""
    folder: Path = tmp_path_factory.mktemp("encoders") / "tiny"
    save_tiny_encoder(folder, tuple(word for word, _, _ in LEXICON))
    return find_encoder(str(folder))


@pytest.fixture(scope="session")
def minilm() -> Encoder:
    """A real encoder."""
    if find_spec(MINILM_PACKAGE) is None:
        pytest.skip("the text encoder minilm is not installed")
    return find_encoder(MINILM)
