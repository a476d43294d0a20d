"""A tiny configuration, its sizes, splits made for them, text encoders, and the real MOSI file."""

import lzma
import shutil
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dlf.config import Config
from dlf.data import Sequences, Split, TokenIds
from dlf.data.synthetic import LEXICON
from dlf.modalities import MODALITIES, InputSizes, Modality, PerModality
from dlf.text.encoder import MINILM, MINILM_PACKAGE, find_encoder
from dlf.text.source import Encoder
from tests.support.encoders import save_tiny_encoder

GARBAGE = 1e9
REAL_FILE = Path(__file__).parents[3] / "shared" / "data" / "mosi_aligned_50.pkl.xz"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny products are slower on many threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny_config() -> Config:
    """One layer of width 8 everywhere, different kernels, the paper's dropouts."""
    return Config().with_values(
        {
            "width": 8,
            "heads": 2,
            "encoder_layers": 1,
            "attractor_layers": 1,
            "memory_layers": 1,
            "text_kernel": 3,
            "audio_kernel": 4,
            "batch_size": 8,
            "accumulation": 1,
            "learning_rate": 3e-3,
        }
    )


@pytest.fixture(scope="session")
def tiny_sizes() -> InputSizes:
    """Unaligned time axes, and a vision that is as wide as the tiny model."""
    return InputSizes(
        widths=PerModality(text=6, audio=3, vision=8),
        time_steps=PerModality(text=9, audio=13, vision=6),
    )


@pytest.fixture(scope="session")
def unequal_sizes(tiny_sizes: InputSizes) -> InputSizes:
    """Time axes so unequal that long batches are not stacked."""
    return tiny_sizes.model_copy(update={"time_steps": PerModality(text=5, audio=13, vision=30)})


def flat_sequences(clips: Sequence[NDArray[np.float32]]) -> Sequences:
    """Store clips [T, width] last to first, with a row of garbage before each of them."""
    width = clips[0].shape[1]
    parts: list[NDArray[np.float32]] = []
    starts = np.zeros(len(clips), np.int64)
    end = 0
    for i in reversed(range(len(clips))):
        starts[i] = end + 1
        end += 1 + len(clips[i])
        parts += [np.full((1, width), GARBAGE, np.float32), clips[i]]
    lengths = np.array([len(clip) for clip in clips], np.int64)
    return Sequences(np.concatenate(parts), starts, lengths)


@pytest.fixture(scope="session")
def split_of() -> Callable[..., Split]:
    """Make a split of clips given per modality, and their labels."""

    def make(
        clips: dict[Modality, list[NDArray[np.float32]]], labels: NDArray[np.float32]
    ) -> Split:
        names = [f"clip {i}" for i in range(len(labels))]
        none = np.zeros(len(labels), np.int64)
        return Split(
            name="made",
            ids=names,
            raw_text=names,
            labels=labels,
            text=flat_sequences(clips["text"]),
            audio=flat_sequences(clips["audio"]),
            vision=flat_sequences(clips["vision"]),
            token_ids=TokenIds(np.zeros(0, np.int32), none, none),
        )

    return make


@pytest.fixture(scope="session")
def planted_split(split_of: Callable[..., Split], tiny_sizes: InputSizes) -> Callable[..., Split]:
    """Make a split of random lengths in which every text step shows the label, among noise."""

    def make(clips: int, seed: int) -> Split:
        random = np.random.default_rng(seed)
        labels = (random.uniform(-3, 3, clips) * 5).round().astype(np.float32) / 5
        shown = {"text": 0.5, "audio": 0.0, "vision": 0.0}
        features: dict[Modality, list[NDArray[np.float32]]] = {}
        for m in MODALITIES:
            steps, width = tiny_sizes.time_steps[m], tiny_sizes.widths[m]
            features[m] = [
                (
                    random.normal(0, 0.5, (random.integers(1, steps + 1), width))
                    + shown[m] * label * np.linspace(1, -1, width)
                ).astype(np.float32)
                for label in labels
            ]
        return split_of(features, labels)

    return make


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


@pytest.fixture(scope="session")
def real_mosi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real MOSI feature file, decompressed."""
    if not REAL_FILE.is_file():
        pytest.skip("the real MOSI feature file is not on this machine")
    path = tmp_path_factory.mktemp("real") / "aligned_50.pkl"
    with lzma.open(REAL_FILE) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 22)
    return path
