"""Keeping freed memory, so that a training does not ask the system for the same pages again."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST = 2**30


def keep_freed_memory() -> None:
    """Tell the C library to keep large blocks that are freed, for the rest of the process.

    By default glibc gives every freed block of some megabytes back to the system, and the next
    training step pays for clearing and mapping its pages anew. Elsewhere nothing is done.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_TRIM_THRESHOLD, _LARGEST)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGEST)
