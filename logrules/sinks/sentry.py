"""Alerts as Sentry events, for every server that speaks its protocol.

The SDK's client builds the envelope and nothing else: it is private (no `init`, no integration, no scope, so
it neither sees nor disturbs a user's own Sentry), and its transport posts on the calling thread and tells
the outcome. Queue, retries and durability are the outbox's: what a process leaves in the SDK's queue is lost.

Importing this module costs what importing the SDK costs (a tenth of a second): import it where it is needed.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, cast

from sentry_sdk import Client
from sentry_sdk.client import SDK_INFO
from sentry_sdk.transport import Transport
from sentry_sdk.utils import Dsn

from logrules.core.alerting.delivery import DELIVERED, Delivery, rejected
from logrules.core.event import label, timestamp
from logrules.post import USER_AGENT, Post

if TYPE_CHECKING:
    from sentry_sdk.envelope import Envelope
    from sentry_sdk.types import Event

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

CLIENT: dict[str, Any] = {
    "default_integrations": False,
    "auto_enabling_integrations": False,
    "include_local_variables": False,
    "include_source_context": False,
    "max_breadcrumbs": 0,
    "max_value_length": MESSAGE_CHARS,
    "send_client_reports": False,
    "auto_session_tracking": False,
    "enable_backpressure_handling": False,  # a thread
    "spotlight": False,  # or SENTRY_SPOTLIGHT would send our events elsewhere
    "debug": False,  # or SENTRY_DEBUG would print them
}

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

    Raises:
        sentry_sdk.utils.BadDsn: The DSN is malformed.
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
        sdk_name = SDK_INFO["name"]
        self._client = Client(
            dsn,
            transport=_Transport,
            server_name=_line(instance, TAG_CHARS),
            release=label(release, TAG_CHARS),
            environment=label(environment, ENVIRONMENT_CHARS) or "production",
            **CLIENT,
        )
        SDK_INFO["name"] = sdk_name  # a user's own events bear it too

    def send(self, alert: Alert) -> Delivery:
        """Post one event and wait for the answer, at most some seconds.

        An incident's end is no event: it would count as one more sighting in its issue, and wake people.
        """
        if alert.is_end:
            return DELIVERED
        transport = self._client.transport
        assert isinstance(transport, _Transport)
        transport.outcome = rejected("the Sentry SDK dropped the event")
        self._client.capture_event(cast("Event", event(alert, self._lang, time.time())))
        return transport.outcome


class _Transport(Transport):
    """One envelope, one request, one outcome."""

    def __init__(self, options: dict[str, Any] | None = None) -> None:
        super().__init__(options)
        assert self.parsed_dsn is not None
        auth = self.parsed_dsn.to_auth(USER_AGENT)
        headers = {"X-Sentry-Auth": auth.to_header(), "Content-Type": "application/x-sentry-envelope"}
        self._post = Post(auth.get_api_url(), name="Sentry", headers=headers, meanings=_MEANINGS)
        self.outcome = rejected("nothing was sent")

    def capture_envelope(self, envelope: Envelope) -> None:
        self.outcome = self._post(envelope.serialize())


def probe(dsn: str, timeout: float) -> Delivery:
    """Whether the project takes what comes with this DSN, by an envelope that leaves no trace there.

    It holds a client report, which tells what a client has dropped, never becomes an event and here counts
    nothing: https://develop.sentry.dev/sdk/telemetry/client-reports/. An envelope without any item would be
    answered before its key is looked at.
    """
    auth = Dsn(dsn).to_auth(USER_AGENT)
    report = json.dumps({"timestamp": time.time(), "discarded_events": []})
    head = {"X-Sentry-Auth": auth.to_header(), "Content-Type": "application/x-sentry-envelope"}
    post = Post(auth.get_api_url(), name="Sentry", headers=head, meanings=_MEANINGS, timeout=timeout)
    return post(f'{{}}\n{{"type":"client_report","length":{len(report)}}}\n{report}\n'.encode())


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
    more = alert.runbook or f"logrules explain {alert.code}"
    parts = (f"{alert.code}: {alert.title}", alert.message, steps, more)
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
