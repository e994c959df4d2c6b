"""The words that everything in logrules is said in.

Bytes come in as a `Chunk`; what the engine decides goes out as effects (`core/effects.py`).
Nothing in this file knows a file, a socket, a clock or the environment, and a command starts the sooner for
how little it imports.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

EVENTS = "events"
"""The stream of a guarded child's inherited event descriptor: the only one that carries authority."""


class Severity(StrEnum):
    """How loud a code is; the event's `level`, which log platforms map to their own."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    rank: int
    """Position on the scale, for comparison: 0 is debug."""


for _rank, _severity in enumerate(Severity):
    _severity.rank = _rank


class Sign(StrEnum):
    """What a code says to an operator who skims: groups codes for people."""

    GOOD = "good"
    INFO = "info"
    WARN = "warn"
    BAD = "bad"


class Exit(IntEnum):
    """Exit statuses after sysexits.h; the only ones that logrules itself ends with."""

    OK = 0
    UNAVAILABLE = 69  # a service that we need stays away
    SOFTWARE = 70  # the bot's own code is at fault
    TEMPFAIL = 75  # try again later: somebody else polls, the lock is gone
    CONFIG = 78  # restarting does not help until a setting is put right


class Form(StrEnum):
    """Where the words of a match stood: what decides whether text counts at all."""

    LOG = "log"  # right after a log head (time, level, logger), or a mark in its place (❌)
    TRACEBACK = "traceback"  # as the last line of a traceback or stack
    LINE = "line"  # as an error line at column 0


class Origin(NamedTuple):
    """One stream of one instance of one service: records never cross origins."""

    service: str
    instance: str
    stream: str


class Chunk(NamedTuple):
    """Bytes as they were read, cut anywhere; `seen` is when, in seconds since the epoch."""

    origin: Origin
    data: bytes
    seen: float


class Record(NamedTuple):
    """What a program meant as one message: a head and the lines that belong to it."""

    origin: Origin
    line: int
    """The 1-based number of its first line in its origin."""
    text: str
    """All of its lines, decoded, transport prefixes and colours removed."""
    time: float
    """Seconds since the epoch: its own time stamp if it has one, else when it was seen."""
    level: Severity | None


class Report(Protocol):
    """How the guard and its parts say something: one call, one coded event line, one match for the store.

    `fatal=None` takes the code's own default. `error` is printed with its traceback, redacted.
    Never raises: a bot must not die of its log.
    """

    def __call__(
        self,
        code: str,
        message: str,
        *,
        reason: str | None = None,
        fatal: bool | None = None,
        error: BaseException | None = None,
        epoch: int | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> None:
        """Report `code`."""


class LogrulesError(Exception):
    """Root of every error that logrules raises on purpose."""


class ConfigError(LogrulesError):
    """A setting is missing or malformed: one line that names it and how to put it right, exit status 78.

    Never carries a secret: name the setting, not its value.

    Args:
        text: In English.
        ru: The same in Russian, where an operator may have caused it.
    """

    def __init__(self, text: str, ru: str | None = None) -> None:
        super().__init__(text)
        self._ru = ru

    def said(self, lang: str) -> str:
        """It in `en` or `ru`."""
        return (self._ru if lang == "ru" else None) or str(self)
