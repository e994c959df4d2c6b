"""The fence: the kernel ends this process at a deadline, whatever the process is doing or not doing.

A POSIX timer sends SIGKILL, which nothing in a process can hold up: no stop, no frozen loop, and no `alarm`
or `setitimer` of the bot's own, for those are other timers. It dies where it stands, stopped or not.

Process 1 of a PID namespace, which a container's program usually is, takes no signal whose action is the
default one, SIGKILL included. There the timer sends a real-time signal whose handler is the C library's
`_exit`: no line of Python runs between the end of a stop and the end of the process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import NoReturn

_SIGEV_SIGNAL = 0
_TIMER_ABSTIME = 1
_WORD = 8
"""Bytes of a pointer and of time_t in the layouts below; where they differ there is no fence of ours."""


class _SignalEvent(ctypes.Structure):
    """`struct sigevent` of Linux: https://man7.org/linux/man-pages/man3/sigevent.3type.html."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * 48),
    )


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class KernelFence:
    """A timer of the kernel's that ends this process. See `core.guarding.lease.Fence`.

    Args:
        clock: what deadlines are read off, such as `time.CLOCK_BOOTTIME`.

    Raises:
        OSError: the platform has no such timer, or refuses it.
    """

    def __init__(self, clock: int) -> None:
        self._libc = _libc()
        number = _deadly_signal(self._libc) if os.getpid() == 1 else signal.SIGKILL
        self._timer = ctypes.c_void_p()
        event = _SignalEvent(signo=number, notify=_SIGEV_SIGNAL)
        if self._libc.timer_create(clock, ctypes.byref(event), ctypes.byref(self._timer)):
            _fail()

    def extend(self, deadline: float) -> None:
        """See `core.guarding.lease.Fence`. One system call, 3 µs. Raises OSError if the kernel refuses it."""
        self._set(_TimeSpec(int(deadline), int(deadline % 1 * 1e9)))

    def disarm(self) -> None:
        """See `core.guarding.lease.Fence`. Raises OSError if the kernel refuses it."""
        self._set(_TimeSpec(0, 0))

    def _set(self, when: _TimeSpec) -> None:
        spec = _TimerSpec(_TimeSpec(0, 0), when)
        if self._libc.timer_settime(self._timer, _TIMER_ABSTIME, ctypes.byref(spec), None):
            _fail()


def _libc() -> ctypes.CDLL:
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != _WORD:
        raise OSError("this platform has no POSIX timer that logrules knows")
    for name in (None, "librt.so.1"):  # the C library itself, from glibc 2.34 on and in musl
        library = ctypes.CDLL(name, use_errno=True)
        if hasattr(library, "timer_create"):
            return library
    raise OSError("the C library has no timer_create")


def _deadly_signal(libc: ctypes.CDLL) -> int:
    """A real-time signal that nobody uses, and that ends even process 1; the status is its number."""
    number = next(n for n in range(signal.SIGRTMAX, signal.SIGRTMIN, -1) if _is_free(n))
    libc.signal.restype = ctypes.c_void_p
    libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    libc.signal(number, ctypes.cast(libc._exit, ctypes.c_void_p))  # noqa: SLF001 - that is its name
    return number


def _is_free(number: int) -> bool:
    return signal.getsignal(number) is signal.SIG_DFL


def _fail() -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
