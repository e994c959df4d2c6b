"""A tiny process that outlives us by an instant, and takes what we watch with us, whatever ends us.

A command under the lock may have children of its own: `sh -c`, `npm start`. The kernel tells only the command
itself that its parent is gone. So the command leads a process group, and the guardian, which nobody has a
reason to end, holds the other end of a line to us: when the line breaks, or a deadline passes that nobody has
put off, it kills that group. It knows the group before the command's first instruction.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress

CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Deadlines are read off the clock that the lock's keeper uses."""
NEVER = float("inf")
LAST = 2.0
"""Seconds that it may take for its own end."""


class Guardian:
    """The process and the line to it: an interpreter with this file alone, which is a tenth of us.

    Raises:
        OSError: there can be no further process.
    """

    def __init__(self) -> None:
        import subprocess  # which the process itself has no use for

        self._line, theirs = socket.socketpair()
        nothing, line = subprocess.DEVNULL, theirs.fileno()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__, str(line)],
                stdin=nothing,
                stdout=nothing,
                stderr=nothing,
                cwd="/",
                pass_fds=[line],
                start_new_session=True,  # no terminal's keys, and no signal meant for our group
            )
        self._line.setblocking(False)  # noqa: FBT003  its only argument

    @property
    def line(self) -> int:
        """By which a new process says, before it becomes the command, that it leads a `group`."""
        return self._line.fileno()

    def dismiss(self) -> None:
        """The group has ended."""
        with suppress(OSError):
            self._say("group 0")

    def extend(self, deadline: float) -> None:
        """The group ends at `deadline`, on `CLOCK`, unless that is put off. Raises OSError: nobody guards."""
        self._say(f"until {deadline!r}")

    def disarm(self) -> None:
        """There is no deadline. Raises OSError: nobody guards."""
        self.extend(NEVER)

    def close(self) -> None:
        """Let go of it; it ends by itself, and kills the group if there still is one. Safe to call twice."""
        import subprocess

        self._line.close()
        try:
            self._process.wait(LAST)
        except subprocess.TimeoutExpired:  # somebody has stopped it, and there is nothing left to guard
            self._process.kill()
            self._process.wait()

    def _say(self, words: str) -> None:
        try:
            self._line.send(f"{words}\n".encode())
        except OSError as error:
            raise OSError("the process that ends the command together with us is gone") from error


def _obey(line: int) -> None:
    """The guardian's whole life."""
    group, until, rest = 0, NEVER, b""
    while True:
        left = None if until == NEVER else max(0.0, until - time.clock_gettime(CLOCK))
        if not select.select([line], [], [], left)[0]:
            _kill(group)
            until = NEVER
            continue
        data = os.read(line, 4096)
        if not data:
            _kill(group)
            return
        *orders, rest = (rest + data).split(b"\n")
        for order in orders:
            word, _, value = order.partition(b" ")
            if word == b"group":
                group = int(value)
            else:
                until = float(value)


def _kill(group: int) -> None:
    if group:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    for number in signal.valid_signals():
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    _obey(int(sys.argv[1]))
