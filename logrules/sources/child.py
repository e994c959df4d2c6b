"""A child process and what it prints: its bytes pass through untouched, and become chunks."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from logrules.core.model import EVENTS, Chunk, Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

READ = 65_536
"""Bytes asked of a pipe at once; a pipe seldom holds more."""
PR_SET_PDEATHSIG = 1
EVENT_FD = "LOGRULES_EVENT_FD"


class Stream:
    """One pipe of the child: bytes are passed on at once."""

    def __init__(self, origin: Origin, source: int, target: int | None) -> None:
        self.origin = origin
        self.source = source
        self.target = target
        self.mid_line = False
        """The last byte passed on did not end a line: nobody else may write to the target now."""
        self.trouble: str | None = None
        """Why the target took nothing the last time."""

    def read(self, now: float) -> tuple[Chunk, bool]:
        """What there was to read, passed on already, and whether the stream goes on."""
        data = os.read(self.source, READ)
        return Chunk(self.origin, data, now), bool(data) and self._pass_on(data)

    def close(self) -> None:
        """Let go of the pipe: a child that still writes gets SIGPIPE, as from any reader that left."""
        os.close(self.source)

    def _pass_on(self, data: bytes) -> bool:
        if self.target is None:
            return True
        self.mid_line = not data.endswith(b"\n")
        try:
            write_all(self.target, data)
        except BrokenPipeError:
            self.mid_line = False
            return False  # nobody reads us any more: the child must learn it the way it would without us
        except OSError as error:
            self.trouble = error.strerror or str(error)  # a full disk may have room again
        return True


def _end_with_parent() -> Callable[[], None] | None:
    """What makes the kernel send SIGTERM when we are gone, however we went; Linux only.

    A bot that polls on unwatched, beside the one that the platform starts next, is the fight that we prevent.
    """
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)  # too late to be told: it has happened

    return ask


def write_all(fd: int, data: bytes) -> None:
    """Write everything, also where another process has made the descriptor non-blocking."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])


class Child:
    """The command, spawned: three streams (its output, its errors, its events) and an exit status."""

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], service: str, instance: str
    ) -> None:
        """Spawn `command`. Raises OSError where it cannot be started."""
        events, events_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                command,
                preexec_fn=_end_with_parent(),  # noqa: PLW1509  no thread has been started yet
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[events_end],
                env={**environ, EVENT_FD: str(events_end)},
            )
        except BaseException:
            os.close(events)
            raise
        finally:
            os.close(events_end)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.streams = [
            Stream(Origin(service, instance, "stdout"), os.dup(self._process.stdout.fileno()), 1),
            Stream(Origin(service, instance, "stderr"), os.dup(self._process.stderr.fileno()), 2),
            Stream(Origin(service, instance, EVENTS), events, None),
        ]
        self._process.stdout.close()
        self._process.stderr.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send it a signal; one that comes after its end does nothing."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it without asking."""
        self._process.send_signal(signal.SIGKILL)

    def reap_orphans(self) -> None:
        """As process 1, take in what the child's own children left: else they stay zombies for ever."""
        while os.getpid() == 1:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            # The command itself stays for status(): whoever waits for it first gets its status, nobody else.
            if ended is None or ended.si_pid == self.pid:
                return
            os.waitpid(ended.si_pid, 0)

    def status(self) -> int | None:
        """Its exit status as a shell would give it (128 + n after signal n), or None while it runs."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code
