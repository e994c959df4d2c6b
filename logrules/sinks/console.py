"""Event lines on a descriptor: whole, one write each, and never a reason to die.

Where nobody reads, or a disk is full, lines are counted; the next one that gets through says how many.
"""

from __future__ import annotations

import os
import selectors
import threading
import time
from typing import TYPE_CHECKING

from logrules.core.event import Event, encode, timestamp
from logrules.core.frame import Frame
from logrules.core.model import Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from logrules.core.redact import Redactor

PATIENCE = 1.0
"""Seconds that one line waits for a full pipe which does not block; the lines after it do not wait."""

_NEWLINE = ord("\n")


class LineWriter:
    """Whole lines to one descriptor. Never raises; thread-safe; a signal handler may write, too.

    Args:
        fd: Where to.
        form: How a line looks there; None leaves it as it is.
    """

    def __init__(self, fd: int, form: Callable[[bytes], bytes] | None = None) -> None:
        self.fd = fd
        self._form = form
        self.lost = 0
        """How many lines could not be written, wholly or in part."""
        self.error: OSError | None = None
        """Why the last write failed; None after a success."""
        self._torn = False
        self._enter_process()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._enter_process)

    def _enter_process(self) -> None:
        # A fork copies a lock that another thread holds, but not the thread that would release it.
        self.lock = threading.RLock()

    def write(self, line: bytes) -> bool:
        """Write `line`, which ends in a newline. False if it could not be written; it is counted then."""
        # `acquire` and `release` would be cheaper, but Ctrl-C between two calls would leave the lock held.
        with self.lock:
            if self._form is not None:
                line = self._form(line)
            # The rest of a torn line is lost; what follows must not be glued to it.
            was_torn, self._torn = self._torn, True  # for a signal handler that writes before this is out
            data = b"\n" + line if was_torn else line
            try:
                written = os.write(self.fd, data)
            except OSError:
                written = 0  # the next try says why
            if written == len(data):
                self._torn, self.error = False, None
                return True
            return self._go_on(data, written, was_torn=was_torn)

    def _go_on(self, data: bytes, written: int, *, was_torn: bool) -> bool:
        """Write what is left of `data`."""
        written, self.error = self._write(memoryview(data), written)
        self._torn = data[written - 1] != _NEWLINE if written else was_torn
        self.lost += self.error is not None
        return self.error is None

    def _write(self, data: memoryview, written: int) -> tuple[int, OSError | None]:
        deadline = time.monotonic() + (PATIENCE if self.error is None else 0)
        while written < len(data):
            try:
                written += os.write(self.fd, data[written:])
            except BlockingIOError as error:
                if not self._drains(deadline):
                    return written, error
            except OSError as error:
                return written, error
        return written, None

    def _drains(self, deadline: float) -> bool:
        """Wait until the descriptor takes bytes again, but not beyond `deadline`."""
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return False
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self.fd, selectors.EVENT_WRITE)
                return bool(selector.select(remaining))
        except (OSError, ValueError):  # closed meanwhile, or of a kind that cannot be waited for
            return False


class Console:
    """Events as lines on one descriptor, or through a writer of one's own; redacted."""

    def __init__(self, to: int | LineWriter, redact: Redactor) -> None:
        self.redact = redact
        self._lines = LineWriter(to) if isinstance(to, int) else to

    def line(self, event: Event) -> bytes:
        """What `write` writes, for whoever is to have it first."""
        return encode(event, self.redact)

    def frame(self, event: Event) -> Frame:
        """What the lines of all events like `event` have in common."""
        return Frame(event, self.redact)

    def write(self, event: Event, line: bytes | None = None) -> bytes:
        """Write `event`, as `line` where it is known already, and give that; never raises."""
        line = line or self.line(event)
        if self._lines.lost == 0:  # what is lost just now, the next line owns up to
            self._lines.write(line)
        else:
            self._write_after_loss(event, line)
        return line

    def _write_after_loss(self, event: Event, line: bytes) -> None:
        with self._lines.lock:
            if self._lines.lost == 0 or self._owns_up(event):
                self._lines.write(line)
            else:
                self._lines.lost += 1

    def _owns_up(self, event: Event) -> bool:
        """Say how many lines were lost before `event`. False if even that cannot be written."""
        lost, error = self._lines.lost, self._lines.error
        notice = Event(
            timestamp=timestamp(time.time()),
            level=Severity.WARNING,
            message=f"{lost} log lines could not be written: {error.strerror if error else 'output blocked'}",
            service=event.service,
            instance=event.instance,
            count=lost,
        )
        said = self._lines.write(encode(notice, self.redact))
        self._lines.lost = 0 if said else lost  # the notice itself is no loss
        return said
