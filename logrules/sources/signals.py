"""Signals as something to wait for, beside pipes; what was set before is restored."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import FrameType

FORWARDED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
"""What a supervisor or a person sends to the command and means for it."""


class Signals:
    """While entered, notes every signal on a socket instead of acting on it; main thread only."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.settimeout(0)
        self._writer.settimeout(0)

    def __enter__(self) -> Self:
        self._handlers = {number: signal.signal(number, _noted) for number in (*FORWARDED, signal.SIGCHLD)}
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._reader.close()
        self._writer.close()

    def fileno(self) -> int:
        """For selectors: readable when there is something to take."""
        return self._reader.fileno()

    def wake(self) -> None:
        """Make it readable from another thread; safe to call at any time."""
        try:
            self._writer.send(b"\0")
        except OSError:
            pass  # full: it is readable anyway; closed: nobody waits any more

    def take(self) -> list[int]:
        """The forwarded signals since the last call, in order."""
        try:
            numbers = self._reader.recv(4096)
        except BlockingIOError:
            return []
        return [number for number in numbers if number in FORWARDED]


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Replaces the default action; the number itself travels over the wake-up socket."""


def told_by_terminal(number: int) -> bool:
    """Whether the terminal has sent it to the child as well, so that forwarding would say it twice."""
    if number not in {signal.SIGINT, signal.SIGQUIT}:
        return False
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False
