"""Files and folders take their place as a whole, whoever else is at them or was killed at them."""

from pathlib import Path

import pytest

from dlf.whole_file import folder_replaced_whole, replaced_whole


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with replaced_whole(file) as first:
        first.write_text("first")
        with replaced_whole(file) as second:
            assert not second.exists()
            second.write_text("second")
        assert file.read_text() == "second"
    assert file.read_text() == "first"
    assert list(tmp_path.iterdir()) == [file]


def test_what_fails_leaves_the_former_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("former")
    with pytest.raises(IsADirectoryError), replaced_whole(file) as unfinished:
        unfinished.write_bytes(tmp_path.read_bytes())
    assert file.read_text() == "former"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_begins_empty_beside_what_a_killed_writer_has_left(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    killed = folder_replaced_whole(folder)
    (killed.__enter__() / "half").touch()
    with folder_replaced_whole(folder) as unfinished:
        assert list(unfinished.iterdir()) == []
        (unfinished / "two").touch()
    assert [each.name for each in folder.iterdir()] == ["two"]


def test_what_fails_leaves_the_former_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "former").touch()
    with pytest.raises(IsADirectoryError), folder_replaced_whole(folder) as unfinished:
        (unfinished / "half").write_bytes(tmp_path.read_bytes())
    assert [each.name for each in folder.iterdir()] == ["former"]
    assert list(tmp_path.iterdir()) == [folder]
