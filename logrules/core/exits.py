"""What an exit status says of the process that ended with it by itself."""

from __future__ import annotations

import signal
from typing import NamedTuple

_KILLED = frozenset({signal.SIGKILL, signal.SIGXCPU})
_CRASHED = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGILL,
        signal.SIGFPE,
        signal.SIGABRT,
        signal.SIGTRAP,
        signal.SIGSYS,
    }
)
"""What the kernel sends to a process for what its own instructions did."""
_ASKED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
_NOT_STARTED = {126: "found, but it may not be run", 127: "not found"}
"""How a shell says that there is no such program."""


class Exited(NamedTuple):
    """A status, read."""

    reason: str | None
    """Of PROCESS_EXITED."""
    words: str
    """The one line that says it, for people."""


def read(status: int) -> Exited:
    """What `status` says: 0, a program's own number, or 128 + n after signal n, as a shell gives it."""
    told = f"The command ended by itself with exit status {status}"
    if status == 0:
        return Exited("returned", f"{told}, as if its work were done")
    if status in _NOT_STARTED:
        return Exited("not_started", f"{told}: what a shell was to start is {_NOT_STARTED[status]}")
    number = _signal(status)
    if number is None:
        return Exited(None, told)
    return Exited(_reason(number), f"{told}: {number.name}")


def _signal(status: int) -> signal.Signals | None:
    try:
        return signal.Signals(status - 128)
    except ValueError:
        return None


def _reason(number: signal.Signals) -> str | None:
    for reason, numbers in (("killed", _KILLED), ("crashed", _CRASHED), ("signalled", _ASKED)):
        if number in numbers:
            return reason
    return None
