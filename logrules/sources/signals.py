"""Signals: passed on the moment they come, and something to wait for beside pipes."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

FORWARDED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGTSTP,
    signal.SIGCONT,
)
"""What a supervisor, a terminal or a person sends to the command and means for it."""
ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
"""Signals after which an end of the command is no accident."""
FROM_KEYS = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP})
"""What keys make a terminal send, to every process of its foreground group."""
SET_BY_PYTHON = ("SIGPIPE", "SIGXFZ", "SIGXFSZ")
"""What Python ignores from its start on, and leaves ignored for whatever takes its place."""


class Signals:
    """While entered, hands every signal on instead of acting on it; main thread only.

    A handler hands it on, not whoever waits: a process that hangs in a write, because nobody reads what it
    prints, is told to end all the same.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._tell: Callable[[int], None] | None = None

    def __enter__(self) -> Self:
        self._found = {number: signal.getsignal(number) for number in (*FORWARDED, signal.SIGCHLD)}
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in self._found:
            signal.signal(number, self._noted)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._found.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def hand_to(self, tell: Callable[[int], None] | None) -> None:
        """From now on a signal goes to `tell` the moment it comes; what nobody has taken goes at once."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
        try:
            self._tell = tell
            for number in self.take() if tell else ():
                self._noted(number, None)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @property
    def ignored(self) -> set[int]:
        """What was ignored before we came."""
        return {number for number, handler in self._found.items() if handler == signal.SIG_IGN}

    @property
    def default(self) -> set[int]:
        """What was not, though Python or we have changed it; handlers do not outlive an exec."""
        python = {getattr(signal, name) for name in SET_BY_PYTHON if hasattr(signal, name)}
        return {*self._found, *python} - self.ignored

    def fileno(self) -> int:
        """For selectors: readable when there is something to take."""
        return self._reader

    def wake(self) -> None:
        """Make it readable from another thread; safe to call at any time."""
        try:
            os.write(self._writer, b"\0")
        except OSError:
            pass  # full: it is readable anyway; closed: nobody waits any more

    def take(self) -> list[int]:
        """The forwarded signals since the last call, in order."""
        try:
            numbers = os.read(self._reader, 4096)
        except BlockingIOError:
            return []
        return [number for number in numbers if number in FORWARDED]

    def _noted(self, number: int, _frame: FrameType | None) -> None:
        """The number itself travels over the wake-up pipe."""
        if self._tell is not None and number != signal.SIGCHLD:
            self._tell(number)


def told_by_terminal(number: int, pid: int) -> bool:
    """Whether the terminal has sent it to that process as well, so that forwarding would say it twice.

    Where the two are not of one group, the terminal's group alone has it from there, and we from elsewhere.
    """
    if number not in FROM_KEYS:
        return False
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
        try:
            return os.tcgetpgrp(terminal) == os.getpgid(pid) == os.getpgrp()
        finally:
            os.close(terminal)
    except OSError:  # no terminal, or no such process any more
        return False
