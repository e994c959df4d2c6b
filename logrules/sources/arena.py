"""How malloc keeps what is freed: https://man7.org/linux/man-pages/man3/mallopt.3.html."""

from __future__ import annotations

from contextlib import suppress

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
LARGE = 512 * 1024
"""Bytes of a block that is wanted once: more than is read of a command at a time."""


def give_back() -> None:
    """Let the system have what was freed in between; takes milliseconds."""
    import ctypes

    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def keep_little() -> None:
    """Have all threads allocate in one place, and large blocks go back to the system when they are freed.

    glibc gives each thread a place of its own, where what it frees no other uses, and after the first large
    block keeps all that are not larger. To be called before there are threads. Others do neither.
    """
    import ctypes

    with suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGE)
