"""Where the C library's malloc takes memory from: https://man7.org/linux/man-pages/man3/mallopt.3.html."""

from __future__ import annotations

from contextlib import suppress

M_ARENA_MAX = -8


def share() -> None:
    """Have all threads allocate in one place: glibc gives each its own, where what one frees no other uses.

    To be called before there are threads. Other C libraries have no such thing, and no such places.
    """
    import ctypes

    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
