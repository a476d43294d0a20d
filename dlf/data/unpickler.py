"""Reading a feature file's pickle without trusting it: arrays, containers and strings only.

Nothing in the file is looked up in a module. Every name it may use stands in one table, and stands
there for a builder of ours, which checks what it is given and cannot be altered by the file; the
few names are those with which numpy 1 and 2 pickle arrays, in all protocols.
"""

import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from dlf.command import BadInputError

PLAIN_DTYPE = re.compile(r"[<>|=]?([biuf][1248]|[US][0-9]{1,7}|O[48]?)")


class _RefusedError(Exception):
    """The file asks for something that feature files have no need of; the message says what."""


class _PickledDtype:
    """A dtype under construction: the file sees this, never numpy's own mutable dtype."""

    def __init__(self, code: str) -> None:
        if not PLAIN_DTYPE.fullmatch(code):
            raise _RefusedError(f"hold an array of type {code!r}")
        self._dtype = np.dtype(code)

    def __setstate__(self, state: tuple[object, ...]) -> None:
        byte_order, fields = state[1], state[2:5]
        if byte_order not in ("<", ">", "|", "=") or fields != (None, None, None):
            raise _RefusedError("hold an array of a structured type")
        self._dtype = self._dtype.newbyteorder(str(byte_order))  # type: ignore[arg-type]

    def numpy(self) -> np.dtype[Any]:
        return self._dtype


class _PickledArray(np.ndarray[Any, Any]):
    """An array under construction, filled once."""

    filled = False

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        version, shape, dtype, fortran, content = state
        if self.filled or not isinstance(dtype, _PickledDtype):
            raise _RefusedError("alter an array in place")
        # numpy counts the bytes of an array itself, and trusts a list of objects to be long enough.
        described = math.prod(shape) if min(shape, default=0) >= 0 else -1
        held = len(content) if isinstance(content, list) else described
        if not isinstance(content, bytes | list) or described < 0 or held != described:
            raise _RefusedError("fill an array with something that is not its content")
        self.filled = True
        super().__setstate__((version, shape, dtype.numpy(), fortran, content))


class _Builder:
    """A name the file may use: it can be called and handed over, and nothing else."""

    __slots__ = ("_build",)

    def __init__(self, build: Callable[..., object]) -> None:
        self._build = build

    def __call__(self, *arguments: object) -> object:
        return self._build(*arguments)

    def __setstate__(self, state: object) -> NoReturn:
        raise _RefusedError("alter the reader itself")


def _build_dtype(code: str, *_align_and_copy: object) -> _PickledDtype:
    return _PickledDtype(code)


def _build_empty_array(kind: object, shape: tuple[int, ...], _code: object) -> _PickledArray:
    if kind is not NDARRAY or shape != (0,):
        raise _RefusedError("build something other than a plain array")
    return _PickledArray((0,), np.int8)


def _build_from_buffer(
    buffer: bytes | bytearray,
    dtype: _PickledDtype,
    shape: tuple[int, ...],
    order: str,
    axis_order: tuple[int, ...] | None = None,
) -> NDArray[Any]:
    flat = np.frombuffer(buffer, dtype=dtype.numpy())
    if order == "K" and axis_order is not None:
        return flat.reshape(shape).transpose(axis_order)
    if order not in ("C", "F"):
        raise _RefusedError(f"hold an array in order {order!r}")
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _build_scalar(dtype: _PickledDtype, content: bytes | str) -> object:
    raw = content.encode("latin1") if isinstance(content, str) else content
    if not raw and dtype.numpy().kind in "SU":
        return ""
    return np.frombuffer(raw, dtype=dtype.numpy(), count=1)[0]


def _build_bytes(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise _RefusedError(f"encode text as {encoding!r}")
    return text.encode("latin1")


def _build_no_bytes() -> bytes:
    return b""


def _refuse_call(*_arguments: object) -> NoReturn:
    raise _RefusedError("call numpy.ndarray")


NDARRAY = _Builder(_refuse_call)
ALLOWED = {
    ("numpy", "ndarray"): NDARRAY,
    ("numpy", "dtype"): _Builder(_build_dtype),
    ("_codecs", "encode"): _Builder(_build_bytes),
    ("__builtin__", "bytes"): _Builder(_build_no_bytes),
} | {
    (f"numpy.{core}.{module}", name): _Builder(build)
    for core in ("core", "_core")
    for module, name, build in (
        ("multiarray", "_reconstruct", _build_empty_array),
        ("multiarray", "scalar", _build_scalar),
        ("numeric", "_frombuffer", _build_from_buffer),
    )
}


class _RestrictedUnpickler(pickle.Unpickler):
    """An unpickler that knows the names in `ALLOWED` and no others."""

    def find_class(self, module: str, name: str) -> _Builder:
        if (module, name) not in ALLOWED:
            raise _RefusedError(f"call {module}.{name}")
        return ALLOWED[module, name]

    def persistent_load(self, _pid: object) -> NoReturn:
        raise _RefusedError("load an object from elsewhere")


# What the pickle machine and numpy raise on a file that is cut short or is no pickle at all.
_BROKEN = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
)


def load_pickle(path: Path) -> object:
    """Read a pickle of arrays, containers, strings and numbers.

    Byte strings of Python 2 are read as latin1. Raises `BadInputError` if the file is missing, is
    no complete pickle, or would call anything beyond building numpy arrays; nothing of it has run.
    """
    try:
        with path.open("rb") as file:
            return _RestrictedUnpickler(file, encoding="latin1").load()
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}") from error
    except _RefusedError as error:
        raise BadInputError(
            f"{path.name} is refused: it would {error}, "
            "and feature files hold only arrays, lists and strings"
        ) from error
    except _BROKEN as error:
        raise BadInputError(
            f"{path.name} is not a complete pickle file: it is damaged, cut short or compressed"
        ) from error
