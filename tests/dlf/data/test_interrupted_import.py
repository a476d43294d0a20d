"""Imports that do not come to their end: killed, out of disk, beside another, on little memory."""

import fcntl
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlf.command import BadInputError
from dlf.data import Manifest, read_manifest
from dlf.data.location import import_file
from dlf.data.split import SPLITS
from dlf.data.store import LOCK_FILE, verify_split

ROOT = Path(__file__).parents[3]
DEADLINE_S = 60.0
MEBIBYTE = 1 << 20
Content = dict[str, dict[str, Any]]


def large_content(clips: int, *, dtype: type = np.float32, gap: float = 0.0) -> Content:
    """Splits of full-length clips: text is by far the largest array."""
    random = np.random.default_rng(0)

    def split(name: str, count: int) -> dict[str, Any]:
        audio = random.normal(size=(count, 50, 20)).astype(dtype)
        if gap:
            audio[:, 0, 0] = gap
        tokens = np.ones((count, 3, 50))
        return {
            "id": [f"{name}$_${i}" for i in range(count)],
            "raw_text": ["said"] * count,
            "text": random.random((count, 50, 300), np.float32).astype(dtype),
            "text_bert": tokens,
            "audio": audio,
            "vision": random.normal(size=(count, 50, 30)).astype(dtype),
            "regression_labels": random.uniform(-3, 3, count),
        }

    return {"train": split("train", clips), "valid": split("valid", 50), "test": split("test", 50)}


def write(content: Content, path: Path) -> Path:
    with path.open("wb") as file:
        pickle.dump(content, file, 4)
    return path


def command(source: Path, data_dir: Path) -> list[str]:
    words = [sys.executable, "-m", "dlf.data", "import", "--dataset", "mosi"]
    return [*words, "--source", str(source), "--data-dir", str(data_dir)]


def assert_intact(former: Manifest, data_dir: Path) -> None:
    assert read_manifest("mosi", data_dir) == former
    for name in SPLITS:
        verify_split("mosi", data_dir, name)


@pytest.fixture
def former(content: Content, feature_file: Callable[..., Path], tmp_path: Path) -> Manifest:
    """A small dataset stored earlier in `data`."""
    return import_file("mosi", feature_file(content, "former.pkl"), tmp_path / "data")


def test_a_killed_import_leaves_the_former_dataset_and_is_cleared_up(
    former: Manifest, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    source = write(large_content(1500), tmp_path / "large.pkl")
    process = subprocess.Popen(command(source, data), cwd=ROOT, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + DEADLINE_S
    while not list((data / "mosi").glob(".writing-*/*.arrow")):
        assert process.poll() is None, "the import ended before it could be killed"
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list((data / "mosi").glob(".writing-*"))
    assert_intact(former, data)
    later = import_file("mosi", source, data)
    assert not list((data / "mosi").glob(".writing-*"))
    assert_intact(later, data)
    assert [path.name for path in (data / "mosi").iterdir() if path.is_dir()] == [later.digest[:16]]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system can be mounted by root alone")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_former_dataset(
    small_disk: Path, content: Content, feature_file: Callable[..., Path], tmp_path: Path
) -> None:
    former = import_file("mosi", feature_file(content), small_disk)
    source = write(large_content(200), tmp_path / "large.pkl")
    done = subprocess.run(
        command(source, small_disk), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{small_disk}/mosi cannot be written: No space left on device\n"
    assert_intact(former, small_disk)
    assert not list((small_disk / "mosi").glob(".writing-*"))


def test_a_second_import_at_once_is_refused(
    former: Manifest, content: Content, feature_file: Callable[..., Path], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with (data / "mosi" / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BadInputError, match=r"another import into .* is under way"):
            import_file("mosi", tmp_path / "former.pkl", data)
    assert_intact(former, data)


MEASURED = (
    "import sys; from pathlib import Path; from dlf.data.location import import_file\n"
    "import_file('mosi', Path(sys.argv[1]), Path(sys.argv[2]))\n"
    "(peak,) = (x for x in Path('/proc/self/status').read_text().splitlines() if 'VmHWM' in x)\n"
    "print(int(peak.split()[1]) * 1024)\n"
)
"""the peak of the process itself: what `resource` has begins with that of whoever started it"""


def peak_of_import(source: Path, data_dir: Path) -> int:
    arguments = [sys.executable, "-c", MEASURED, str(source), str(data_dir)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.parametrize("kind", ["float32", "float64 with holes"])
def test_an_import_needs_the_size_of_the_file_and_its_largest_array(
    tmp_path: Path, kind: str
) -> None:
    tiny = peak_of_import(write(large_content(2), tmp_path / "tiny.pkl"), tmp_path / "tiny")
    if kind == "float32":
        content = large_content(2500)
    else:
        content = large_content(1200, dtype=np.float64, gap=-np.inf)
    largest = content["train"]["text"].nbytes
    source = write(content, tmp_path / "large.pkl")
    del content
    peak = peak_of_import(source, tmp_path / "large") - tiny
    assert peak < source.stat().st_size + largest + 16 * MEBIBYTE
