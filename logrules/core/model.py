"""The words that everything in logrules is said in.

Bytes come in as a `Chunk`; what the engine decides goes out as effects.
Nothing in this file knows a file, a socket, a clock or the environment.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

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

    @property
    def rank(self) -> int:
        """Position on the scale, for comparison: 0 is debug."""
        return _RANK[self]


_RANK = {severity: rank for rank, severity in enumerate(Severity)}


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

    LOG = "log"  # right after a log head (time, level, logger)
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


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A code that was recognised, with what it rests on."""

    code: str
    reason: str | None = None
    fatal: bool
    level: Severity
    message: str
    """The one line that says it, for people."""
    service: str
    instance: str
    time: float
    line: int | None = None
    rule: str | None = None
    form: Form | None = None
    count: int = 1
    """How many times it was met since it was last told of."""
    proved: bool = False
    """Spoken by the guard itself, or shown to be true by a probe; text alone never is."""
    evidence: str = ""
    """The record's text. Redact it before it leaves the process."""
    epoch: int | None = None
    """The fencing number of the lock under which this was said."""
    attrs: dict[str, Any] = {}


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One message to a human being: what a sink sends and the outbox keeps."""

    event_id: str
    """32 hex digits, the same on every attempt, so that a receiver can drop a repeat."""
    code: str
    reason: str | None = None
    fatal: bool
    level: str
    """Sentry's word: info, warning, error or fatal."""
    title: str
    message: str
    remediation: dict[str, str]
    """Language to text."""
    service: str
    instance: str
    time: float
    first_seen: float
    last_seen: float = 0.0
    count: int
    """Sightings since `first_seen`."""
    suppressed: int = 0
    """Of these, how many nobody was told of since the last alert."""
    before: int = 0
    """Sightings of earlier incidents of its kind, which nobody could be told of in their time."""
    number: int = 1
    """Its ordinal within its incident: 2 and more are reminders or escalations, 0 says that it is over."""
    closed_at: float | None = None
    """When the incident was over; None while it is open."""
    evidence: str = ""
    epoch: int | None = None
    attrs: dict[str, Any] = {}

    @property
    def is_end(self) -> bool:
        """Whether it says nothing but that what was told is over."""
        return self.number == 0


class Annotate(NamedTuple):
    """Say on our own output what a record means."""

    match: Match


class Send(NamedTuple):
    """Hand a verified match to the store, which decides whether anybody is to be told."""

    match: Match


class Probe(NamedTuple):
    """Ask the Bot API whether a bad sign is true: `what` is `token` or `webhook`."""

    what: str
    match: Match


class Stop(NamedTuple):
    """End the child, cleanly, with this status."""

    match: Match
    exit: Exit


Effect = Annotate | Send | Probe | Stop


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
    """
