"""Whether a command that knows nothing of us is alive, for the dead-man's switch.

Its output is one sign; an answered getUpdates in its log is a better one: a bot can print for days and hear
nothing. A line that a user forges proves as much, for somebody has received it. A guarded bot speaks for
itself, and we are silent then.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from logrules.core.model import EVENTS
from logrules.sidecar.options import Beat

if TYPE_CHECKING:
    from collections.abc import Callable

    from logrules.core.model import Chunk
    from logrules.settings import Settings
    from logrules.sidecar.options import Heartbeat
    from logrules.sinks.crons import Crons

ANSWERED = re.compile(rb'/getUpdates(?:\?[^\s"]{0,500})? ?"? ?"?HTTP/[\d.]{1,3}"? 200\b')
"""How httpx says it, at level info, and urllib3 (requests), at level debug."""
LEAST = 90.0
"""Seconds that a long poll and what comes between two of them may take."""
OVERLAP = 1024
"""Bytes in which a line that was cut in two is looked for again."""


class Pulse:
    """The last sign of life. One thread writes, another asks."""

    def __init__(self, wanted: Heartbeat, clock: Callable[[], float] = time.monotonic) -> None:
        self._by = wanted.by
        self._patience = max(LEAST, wanted.minutes * 60.0)
        self._clock = clock
        self._last: float | None = None
        self._is_guarded = False
        self._tails: dict[str, bytes] = {}

    def feed(self, chunk: Chunk) -> None:
        """Look at what the command has printed."""
        if not chunk.data:
            return
        if chunk.origin.stream == EVENTS:
            self._is_guarded = True
        elif self._by is Beat.OUTPUT or self._has_answer(chunk):
            self._last = self._clock()

    def beats(self) -> bool:
        """Whether there was a sign of life of late, and nobody else tells of it."""
        last = self._last
        return not self._is_guarded and last is not None and self._clock() - last <= self._patience

    def _has_answer(self, chunk: Chunk) -> bool:
        data = self._tails.get(chunk.origin.stream, b"") + chunk.data
        self._tails[chunk.origin.stream] = data[-OVERLAP:].rpartition(b"\n")[2]
        return b"/getUpdates" in data and ANSWERED.search(data) is not None


def crons(wanted: Heartbeat, pulse: Pulse, settings: Settings, refused: Callable[[str], None]) -> Crons:
    """The check-ins, begun."""
    from logrules.sinks.crons import Crons

    begun = Crons(
        settings.sentry_dsn or "",
        settings.crons or "",
        pulse.beats,
        refused,
        environment=settings.environment,
        minutes=wanted.minutes,
    )
    begun.start()
    return begun
