"""Pickles that attack the reader, and the honest ones it must read in every protocol."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlf.command import BadInputError
from dlf.data.unpickler import load_pickle


class Calls:
    """Pickles to a call of `function` with `arguments`."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def text(value: str) -> bytes:
    """The opcode that pushes a short string."""
    return b"\x8c" + bytes([len(value)]) + value.encode()


def by_name(module: str, name: str) -> bytes:
    """The opcodes that push a global (protocol 4)."""
    return text(module) + text(name) + b"\x93"


def load_bytes(folder: Path, content: bytes) -> object:
    path = folder / "aligned_50.pkl"
    path.write_bytes(content)
    return load_pickle(path)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("nested", ["alone", "in a dict", "in an object array"])
def test_a_call_of_the_shell_is_refused_and_does_not_run(
    tmp_path: Path, protocol: int, nested: str
) -> None:
    witness = tmp_path / "witness"
    attack: object = Calls(os.system, f"touch {witness}")
    if nested == "in a dict":
        attack = {"train": {"text": np.ones(3), "audio": [attack]}}
    elif nested == "in an object array":
        attack = np.array([{"a": 1}, attack], dtype=object)
    with pytest.raises(BadInputError) as refusal:
        load_bytes(tmp_path, pickle.dumps(attack, protocol))
    assert str(refusal.value) == (
        f"aligned_50.pkl is refused: it would call {os.system.__module__}.system, "
        "and feature files hold only arrays, lists and strings"
    )
    assert not witness.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy", "ndarray.tofile"),
        ("numpy", "dtype.__class__"),
        ("numpy", "load"),
        ("numpy", "memmap"),
        ("numpy", "fromfile"),
        ("numpy._core.multiarray", "_reconstruct.__globals__"),
        ("numpy._core.numeric", "fromfile"),
        ("numpy.core.multiarray", "fromfile"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("__builtin__", "eval"),
        ("copyreg", "_reconstructor"),
        ("dlf.data.unpickler", "ALLOWED"),
        ("_codecs", "decode"),
    ],
)
def test_a_name_beside_the_table_is_refused(tmp_path: Path, module: str, name: str) -> None:
    with pytest.raises(BadInputError, match=f"it would call {module}.{name},"):
        load_bytes(tmp_path, b"\x80\x04" + by_name(module, name) + b".")


DTYPE = by_name("numpy", "dtype")
RECONSTRUCT = by_name("numpy._core.multiarray", "_reconstruct")
EMPTY_ARRAY = RECONSTRUCT + by_name("numpy", "ndarray") + b"K\x00\x85" + text("b") + b"\x87R"
FLOAT = DTYPE + text("f8") + b"\x85R"
STATE = b"(K\x01K\x01\x85" + FLOAT + b"\x89C\x08" + bytes(8) + b"t"


@pytest.mark.parametrize(
    ("opcodes", "reason"),
    [
        (DTYPE + b"}" + text("x") + b"K\x01sb", "alter the reader itself"),
        (DTYPE + b"N}" + text("_build") + b"Ns\x86b", "alter the reader itself"),
        (by_name("numpy", "ndarray") + b"K\x05\x85R", "call numpy.ndarray"),
        (RECONSTRUCT + DTYPE + b"K\x00\x85" + text("b") + b"\x87R", "other than a plain array"),
        (
            RECONSTRUCT
            + by_name("numpy", "ndarray")
            + b"J\xff\xff\xff\x7f\x85"
            + text("b")
            + b"\x87R",
            "other than a plain array",
        ),
        (DTYPE + text("V16") + b"\x85R", "an array of type 'V16'"),
        (DTYPE + text("f8,O") + b"\x85R", "an array of type 'f8,O'"),
        (
            FLOAT + b"(K\x03" + text("<") + b"N" + text("a") + b"}J\xff\xff\xff\xffK\x00K\x00tb",
            "an array of a structured type",
        ),
        (EMPTY_ARRAY + STATE + b"b" + STATE + b"b", "alter an array in place"),
        (
            by_name("_codecs", "encode") + text("aa") + text("hex") + b"\x86R",
            "encode text as 'hex'",
        ),
        (text("id") + b"Q", "load an object from elsewhere"),
        (DTYPE + b")\x81", None),
        (b"\x82\x01", None),
        (b"\x97", None),
    ],
)
def test_an_abuse_of_what_is_allowed_is_refused(
    tmp_path: Path, opcodes: bytes, reason: str | None
) -> None:
    message = f"refused: it would .*{reason}" if reason else "is not a complete pickle file"
    with pytest.raises(BadInputError, match=message):
        load_bytes(tmp_path, b"\x80\x04" + opcodes + b".")


def test_a_huge_claim_of_memory_is_refused(tmp_path: Path) -> None:
    huge = (1 << 62).to_bytes(8, "little")
    with pytest.raises(BadInputError, match="not a complete pickle file"):
        load_bytes(tmp_path, b"\x80\x04\x8e" + huge + b"abc.")


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"no pickle at all", pickle.dumps({"a": np.ones(99)})[:-40]]
)
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadInputError, match=r"^aligned_50\.pkl is not a complete pickle file"):
        load_bytes(tmp_path, content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"nowhere\.pkl cannot be read: No such file"):
        load_pickle(tmp_path / "nowhere.pkl")


HONEST = [
    np.arange(12, dtype=np.float32).reshape(3, 4),
    np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    np.arange(24.0).reshape(2, 3, 4).transpose(1, 2, 0),
    np.arange(16.0).reshape(4, 4)[::2],
    np.arange(5, dtype=">i4"),
    np.array(["a", "longer", ""]),
    np.array([b"bytes", b""]),
    np.array([True, False]),
    np.array([[], []]),
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("spelling", [b"numpy._core", b"numpy.core"])
@pytest.mark.parametrize("array", HONEST, ids=lambda array: f"{array.dtype}{array.shape}")
def test_an_array_survives_every_protocol_and_spelling(
    tmp_path: Path, protocol: int, spelling: bytes, array: np.ndarray
) -> None:
    content = pickle.dumps([array], protocol)
    if protocol < 4:
        content = content.replace(b"numpy._core", spelling)
    elif spelling == b"numpy.core":
        for module in (b"multiarray", b"numeric"):
            long, short = b"numpy._core." + module, b"numpy.core." + module
            content = content.replace(bytes([len(long)]) + long, bytes([len(short)]) + short)
        content = unframed(content)
    loaded = load_bytes(tmp_path, content)[0]
    assert loaded.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(loaded, array)


def unframed(content: bytes) -> bytes:
    """Drop the frame opcode of a short pickle, whose length has changed."""
    return content[:2] + content[11:] if content[2:3] == b"\x95" else content


@pytest.mark.parametrize("protocol", range(6))
def test_scalars_strings_and_containers_are_read(tmp_path: Path, protocol: int) -> None:
    content = {
        "scalars": [np.float32(1.5), np.int64(-2), np.bool_(True), np.str_("x"), np.str_("")],
        "objects": np.array([{"a": 1}, "b", None], dtype=object),
        "bytes": b"\x00\xff",
        "tuple": (1, 2.5, "ü"),
    }
    loaded = load_bytes(tmp_path, pickle.dumps(content, protocol))
    assert loaded["scalars"] == content["scalars"]
    assert loaded["objects"].tolist() == content["objects"].tolist()
    assert (loaded["bytes"], loaded["tuple"]) == (content["bytes"], content["tuple"])


def test_byte_strings_of_python_2_become_strings(tmp_path: Path) -> None:
    assert load_bytes(tmp_path, b"(lp0\nS'abc'\np1\naS'\\xe9'\np2\na.") == ["abc", "é"]


class LyingArray:
    """Pickles to an object array of one element that claims another shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __reduce__(self) -> tuple[Any, ...]:
        build, arguments, state = np.array(["a"], dtype=object).__reduce__()
        return build, arguments, (state[0], self.shape, *state[2:])


@pytest.mark.parametrize("shape", [(1_000_000,), (2, 2), (0,), (-1,), (-1, -1)])
def test_an_array_that_claims_more_objects_than_it_brings_is_refused(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    """numpy itself would read past the end of the list."""
    honest = load_bytes(tmp_path, pickle.dumps(LyingArray((1,))))
    assert np.array_equal(np.asarray(honest), np.array(["a"], dtype=object))
    with pytest.raises(BadInputError, match="something that is not its content"):
        load_bytes(tmp_path, pickle.dumps(LyingArray(shape)))
