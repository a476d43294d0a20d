"""A dry run times an epoch with an encoder of text, and leaves the text as it was."""

from pathlib import Path

import pytest

import search.run
from dlf.data import read_manifest
from dlf.data.encoded import list_encoded
from dlf.data.synthetic import LEXICON
from tests.support.commands import ROOT, run_here
from tests.support.encoders import save_tiny_encoder


@pytest.mark.usefixtures("ray_here")
@pytest.mark.parametrize("way", ["precomputed", "frozen", "finetune"])
def test_nothing_is_encoded_for_it(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--dataset", "synthetic", "--data-dir", str(tiny_data), "--text", way, "--dry-run"]
    if way != "precomputed":
        encoder = save_tiny_encoder(tmp_path / "encoder", tuple(word for word, _, _ in LEXICON))
        words += ["--text-encoder", str(encoder)]
    manifest = read_manifest("synthetic", tiny_data)
    before = list_encoded(manifest, tiny_data)
    done = run_here(search.run.main, str(ROOT / "search/run.py"), *words)
    assert done.code == 0, done.err
    assert done.out.startswith(f"text {way}")
    assert "an epoch of the paper's configuration takes " in done.out
    assert list_encoded(manifest, tiny_data) == before
    assert not (tmp_path / "runs").exists()
