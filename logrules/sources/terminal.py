"""A pseudo-terminal in the place of one of ours, so that a command is at a terminal while we read it.

Only what is printed goes through it. The command's input, and what Ctrl-C and Ctrl-Z do, stay with the real
terminal; so do line ends: here not a byte is changed.
"""

from __future__ import annotations

import fcntl
import os
import signal
import termios
from contextlib import suppress
from typing import Any

_SIZE = bytes(8)
"""Room for a struct winsize."""
_INPUT, _OUTPUT, _LOCAL, _KEYS = 0, 1, 3, 6
"""Places in what tcgetattr gives."""


def stand_in(fd: int) -> StandIn | None:
    """What stands in for the terminal at `fd`; None if it is none, or if there are no pseudo-terminals."""
    if not os.isatty(fd):
        return None
    try:
        return StandIn(fd)
    except (OSError, termios.error):  # a container without /dev/ptmx: a pipe has to do
        return None


class StandIn:
    """A pseudo-terminal with the settings and the size of the terminal at `real`."""

    def __init__(self, real: int) -> None:
        self._real = real
        self._found = termios.tcgetattr(real)
        self.ours, self.theirs = os.openpty()
        settings = [*self._found]
        settings[_OUTPUT] &= ~termios.OPOST  # done where it is shown, and only there
        termios.tcsetattr(self.theirs, termios.TCSANOW, settings)
        self._modes = _modes(self.ours)
        self._is_open, self._has_led = True, False
        self.resize()

    def resize(self) -> None:
        """Make it as large as the terminal."""
        if self._is_open:
            with suppress(OSError):  # the terminal is gone: there is nobody to see it
                fcntl.ioctl(self.ours, termios.TIOCSWINSZ, fcntl.ioctl(self._real, termios.TIOCGWINSZ, _SIZE))

    def follow(self) -> None:
        """Do to the terminal what the command did here: full-screen programs set it through their output."""
        with suppress(OSError, termios.error):
            modes = _modes(self.ours)
            if modes != self._modes:
                self._modes, self._has_led = modes, True
                settings = termios.tcgetattr(self._real)
                settings[_INPUT], settings[_LOCAL], settings[_KEYS] = modes
                termios.tcsetattr(self._real, termios.TCSANOW, settings)

    def close(self) -> None:
        """Let go of it, and leave the terminal as it was found, as far as it was changed from here."""
        self._is_open = False
        os.close(self.ours)
        if self._has_led:
            with suppress(OSError, termios.error):
                termios.tcsetattr(self._real, termios.TCSADRAIN, self._found)


class Foreground:
    """The terminal's foreground, which a command in a group of its own needs: for input, and for Ctrl-C."""

    def __init__(self) -> None:
        self._terminal: int | None = None
        with suppress(OSError):
            self._terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
            if os.tcgetpgrp(self._terminal) != os.getpgrp():
                self.close()  # it is somebody else's

    @property
    def is_ours(self) -> bool:
        """Whether it was, and so may be given."""
        return self._terminal is not None

    @property
    def fd(self) -> int:
        """The terminal, if it was; else -1."""
        return -1 if self._terminal is None else self._terminal

    def give(self, group: int) -> None:
        """To that group."""
        self._set(group)

    def take_back(self, group: int) -> None:
        """From that group, if it still has it."""
        with suppress(OSError):
            if self._terminal is not None and os.tcgetpgrp(self._terminal) == group:
                self._set(os.getpgrp())

    def close(self) -> None:
        """Let go of the terminal. Safe to call twice."""
        terminal, self._terminal = self._terminal, None
        if terminal is not None:
            os.close(terminal)

    def _set(self, group: int) -> None:
        if self._terminal is None:
            return
        # Who is in the background is stopped for this, unless the signal for it is blocked.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            with suppress(OSError):  # hung up, or the group is gone
                os.tcsetpgrp(self._terminal, group)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _modes(fd: int) -> tuple[Any, Any, Any]:
    """How a terminal takes input: translation, line editing and echo, special keys."""
    settings = termios.tcgetattr(fd)
    return settings[_INPUT], settings[_LOCAL], settings[_KEYS]
