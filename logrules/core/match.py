"""What was recognised, and what a human being is told of it."""

from __future__ import annotations

from typing import Any

import msgspec

from logrules.core.model import Form, Severity


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
    runbook: str = ""
    """The address of a page on its code, where the operator has named one."""

    def with_runbook(self, address: str) -> Alert:
        """The same alert with this page."""
        return msgspec.structs.replace(self, runbook=address)

    @property
    def is_end(self) -> bool:
        """Whether it says nothing but that what was told is over."""
        return self.number == 0
