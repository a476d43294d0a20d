"""Finding a dataset's source: stored already, at the field's own place, generated, or nowhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlf.command import BadInputError
from dlf.data import open_split, prepare_dataset
from dlf.data.location import import_file


@pytest.mark.parametrize(
    ("dataset", "place"),
    [
        ("mosi", "MOSI/Processed/aligned_50.pkl"),
        ("mosi", "MOSI/aligned_50.pkl"),
        ("mosei", "MOSEI/Processed/aligned_50.pkl"),
        ("mosei", "MOSEI/aligned_50.pkl"),
    ],
)
def test_a_file_at_the_fields_place_is_imported_once(
    content: Any,
    feature_file: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    dataset: str,
    place: str,
) -> None:
    source = feature_file(content, place)
    manifest = prepare_dataset(dataset, tmp_path)
    captured = capsys.readouterr()
    assert captured.err == f"importing {source} into {tmp_path}, once\n"
    assert captured.out == ""
    assert (manifest.dataset, manifest.source) == (dataset, "aligned_50.pkl")
    source.unlink()
    assert prepare_dataset(dataset, tmp_path) == manifest
    assert capsys.readouterr().err == ""


def test_a_source_in_the_very_folder_of_the_dataset_is_left_alone(
    content: Any, feature_file: Callable[..., Path], tmp_path: Path
) -> None:
    """As on a file system that ignores case, where `mosi` and `MOSI` are one folder."""
    source = feature_file(content, "MOSI/Processed/aligned_50.pkl")
    (tmp_path / "mosi").symlink_to(tmp_path / "MOSI")
    prepare_dataset("mosi", tmp_path)
    assert source.is_file()
    assert len(open_split("mosi", tmp_path, "train")) == 4
    source.unlink()
    prepare_dataset("mosi", tmp_path)


def test_synthetic_is_generated_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = prepare_dataset("synthetic", tmp_path)
    assert "generating the synthetic dataset" in capsys.readouterr().err
    assert manifest.source == "synthesized, seed 0"
    assert prepare_dataset("synthetic", tmp_path) == manifest
    assert capsys.readouterr().err == ""


def test_no_source_is_told_with_the_way_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(BadInputError) as refusal:
        prepare_dataset("mosei", tmp_path)
    assert str(refusal.value) == (
        f"mosei is not stored in {tmp_path} and {tmp_path}/MOSEI/Processed/aligned_50.pkl is not "
        "there: get the feature file aligned_50.pkl, whose download the READMEs of "
        "github.com/pwang322/DLF and github.com/thuiar/MMSA link, and run: "
        f"python -m dlf.data import --dataset mosei --source FILE --data-dir {tmp_path} "
        "(or try without, with --dataset synthetic)"
    )


def test_a_dataset_that_was_never_imported_lists_those_there_are(
    content: Any, feature_file: Callable[..., Path], tmp_path: Path
) -> None:
    import_file("meld", feature_file(content), tmp_path)
    with pytest.raises(BadInputError) as refusal:
        prepare_dataset("sims", tmp_path)
    assert str(refusal.value) == (
        f"sims is not stored in {tmp_path}; there are: mosi, mosei, synthetic, meld; a feature "
        "file is stored under this name with: "
        f"python -m dlf.data import --dataset sims --source FILE --data-dir {tmp_path}"
    )


def test_a_dataset_of_ones_own_is_opened_by_its_name(
    content: Any, feature_file: Callable[..., Path], tmp_path: Path
) -> None:
    manifest = import_file("ch-sims_2", feature_file(content), tmp_path)
    assert prepare_dataset("ch-sims_2", tmp_path) == manifest
    assert len(open_split("ch-sims_2", tmp_path, "train")) == 4


def test_a_path_is_no_name_of_a_dataset(
    content: Any, feature_file: Callable[..., Path], tmp_path: Path
) -> None:
    source = feature_file(content)
    inside = tmp_path / "data"
    with pytest.raises(BadInputError, match=r"'\.\./x' is no name of a dataset"):
        prepare_dataset("../x", inside)
    with pytest.raises(BadInputError, match=r"'\.\./x' is no name of a dataset"):
        import_file("../x", source, inside)
    assert not (tmp_path / "x").exists()
