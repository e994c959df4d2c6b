"""Our own lines on standard error: whole ones, between those of the command, never inside one."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from logrules.sinks.console import LineWriter

if TYPE_CHECKING:
    from collections.abc import Callable

WAITING = 1000
"""Lines that wait for the command to end its own; those beyond are lost, and counted by the console."""


class Mouth(LineWriter):
    """Takes lines from every thread; while a command prints, the one that passes its bytes on says them."""

    def __init__(
        self, fd: int, wake: Callable[[], None], form: Callable[[bytes], bytes] | None = None
    ) -> None:
        super().__init__(fd, form)
        self._wake = wake
        self._waiting: deque[bytes] = deque()
        self._may_speak: Callable[[], bool] | None = None

    def listen(self, may_speak: Callable[[], bool]) -> None:
        """A command prints: nothing is said but where `may_speak`."""
        with self.lock:
            self._may_speak = may_speak

    def write(self, line: bytes) -> bool:
        """Have `line` said as soon as may be. False if it is lost."""
        with self.lock:
            if self._may_speak is None:
                return super().write(line)
            if len(self._waiting) >= WAITING:
                self.lost += 1
                return False
            self._waiting.append(line)
        self._wake()
        return True

    def say(self) -> None:
        """Say what waits, if it would stand on its own now; for the thread that passes bytes on."""
        while self._waiting and (self._may_speak is None or self._may_speak()):
            super().write(self._waiting.popleft())

    def speak_freely(self) -> None:
        """The command has ended: nothing waits any more, and what it left without an end gets one."""
        with self.lock:
            if self._may_speak is not None:
                self._torn = self._torn or not self._may_speak()
                self._may_speak = None
            self.say()
