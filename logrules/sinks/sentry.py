"""Alerts as Sentry events, for every server that speaks its protocol.

A user's own Sentry in the process is neither seen nor disturbed: the SDK has no part in this. Queue, retries
and durability are the outbox's: what a process leaves in the SDK's queue is lost.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from logrules.core import envelopes
from logrules.core.delivery import DELIVERED, Delivery
from logrules.core.event import label, timestamp
from logrules.post import USER_AGENT, Post

if TYPE_CHECKING:
    from logrules.core.match import Alert

# The server trims or drops what is longer: https://develop.sentry.dev/sdk/data-model/event-payloads/
MESSAGE_CHARS = 8000
TAG_CHARS = 200
EVIDENCE_CHARS = 2000
REMEDIATION_CHARS = 2000
"""For each language: contexts share one budget; what is beyond it is lost, with all that follows."""
ENVIRONMENT_CHARS = 64
OLDEST = 30 * 86400.0
"""Seconds: an event that is older, or is still to come, has its time replaced, and an error upon it."""

_MEANINGS = {
    400: "it refused the event; report it, this is our fault",
    401: "it does not know the key in SENTRY_DSN; copy it again from the project's Client Keys",
    403: "it takes no events with SENTRY_DSN; enable its client key in the project's settings",
    404: "it has no such project as in SENTRY_DSN; copy it again from the project's Client Keys",
    413: "the event is too large for this server",
}


class Sentry:
    """One Sentry project as a receiver.

    Args:
        dsn: Where to, as Sentry shows it.
        instance: Becomes the event's `server_name`.
        release: Of the guarded bot.
        environment: Such as `production`.
        lang: The language of the message.
    """

    def __init__(
        self,
        dsn: str,
        *,
        instance: str,
        release: str | None = None,
        environment: str | None = None,
        lang: str = "en",
    ) -> None:
        self._lang = lang
        told = {
            "server_name": _line(instance, TAG_CHARS),
            "release": label(release, TAG_CHARS),
            "environment": label(environment, ENVIRONMENT_CHARS) or "production",
        }
        self._about = {name: text for name, text in told.items() if text}
        self._post = _post(dsn)

    def send(self, alert: Alert) -> Delivery:
        """Post one event and wait for the answer, at most some seconds.

        An incident's end is no event: it would count as one more sighting in its issue, and wake people.
        """
        if alert.is_end:
            return DELIVERED
        now = time.time()
        item = {**event(alert, self._lang, now), **self._about}
        return self._post(envelopes.envelope("event", item, event_id=alert.event_id, sent_at=timestamp(now)))


def probe(dsn: str, timeout: float) -> Delivery:
    """Whether the project takes what comes with this DSN, by an envelope that leaves no trace there.

    It holds a client report, which tells what a client has dropped, never becomes an event and here counts
    nothing: https://develop.sentry.dev/sdk/telemetry/client-reports/. An envelope without any item would be
    answered before its key is looked at.
    """
    now = time.time()
    report = {"timestamp": now, "discarded_events": []}
    return _post(dsn, timeout)(envelopes.envelope("client_report", report, sent_at=timestamp(now)))


def _post(dsn: str, timeout: float | None = None) -> Post:
    head = envelopes.headers(dsn, USER_AGENT)
    return Post(envelopes.address(dsn), name="Sentry", headers=head, meanings=_MEANINGS, timeout=timeout)


def event(alert: Alert, lang: str, now: float) -> dict[str, Any]:
    """The event as the server keeps it: nothing in it is trimmed, renamed or refused there.

    Its issue is the incident's (the fingerprint says which), and its tags hold only words of our own, for the
    server's scrubbing never looks into tags.
    """
    incident = [alert.code, *([alert.reason] if alert.reason else [])]
    return {
        "event_id": alert.event_id,
        "timestamp": timestamp(alert.time if now - OLDEST < alert.time <= now else now),
        "platform": "python",
        "level": alert.level,
        "logger": "logrules",
        "logentry": {"formatted": _message(alert, lang)},
        "fingerprint": ["logrules", alert.service, *incident],
        "tags": _tags(alert),
        "contexts": {
            "incident": _incident(alert),
            "remediation": {name: text[:REMEDIATION_CHARS] for name, text in alert.remediation.items()},
            **({"evidence": {"text": alert.evidence[:EVIDENCE_CHARS]}} if alert.evidence else {}),
        },
    }


def _message(alert: Alert, lang: str) -> str:
    """The first line becomes the issue's title; mails and chat integrations show the rest."""
    steps = alert.remediation.get(lang) or alert.remediation.get("en", "")
    parts = (f"{alert.code}: {alert.title}", alert.message, steps, f"logrules explain {alert.code}")
    return "\n\n".join(part for part in parts if part)[:MESSAGE_CHARS]


def _tags(alert: Alert) -> dict[str, str]:
    tags = {"code": alert.code, "reason": alert.reason, "service": alert.service}
    tags["fatal"] = str(alert.fatal).lower()
    return {name: text for name, value in tags.items() if value and (text := _line(value, TAG_CHARS))}


def _incident(alert: Alert) -> dict[str, Any]:
    facts = {
        "count": alert.count,
        "suppressed": alert.suppressed,
        "before": alert.before or None,
        "alert": alert.number,
        "first_seen": timestamp(alert.first_seen),
        "last_seen": timestamp(alert.last_seen),
        "closed_at": None if alert.closed_at is None else timestamp(alert.closed_at),
        "epoch": alert.epoch,
        "instance": alert.instance,
    }
    facts |= {f"attrs.{name}": str(value)[:TAG_CHARS] for name, value in [*alert.attrs.items()][:10]}
    return {name: value for name, value in facts.items() if value is not None}


def _line(text: str, chars: int) -> str:
    return " ".join(text.split())[:chars]
