"""Alerts as signed JSON to any address, as https://www.standardwebhooks.com has it: verifiers are everywhere.

    {"type": "alert.firing", "timestamp": "2026-11-22T09:40:42.123456Z", "data": {"code": "CONFLICT_409", …}}

`webhook-id` is the same on every attempt: whoever has seen it has the message already.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

from logrules.core.event import timestamp
from logrules.post import Post

if TYPE_CHECKING:
    from logrules.core.alerting.delivery import Delivery
    from logrules.core.match import Alert
    from logrules.settings import Settings

_MEANINGS = {
    **dict.fromkeys((301, 302, 307, 308), "it has moved; put its new address into LOGRULES_ALERT_WEBHOOK"),
    **dict.fromkeys((401, 403), "check LOGRULES_ALERT_WEBHOOK_SECRET, with which messages are signed"),
    **dict.fromkeys((404, 405, 410), "check the address in LOGRULES_ALERT_WEBHOOK"),
}


class Webhook:
    """One address as a receiver.

    Args:
        url: Where to; it may hold a secret.
        key: Signs the messages; None leaves them unsigned.
    """

    def __init__(self, url: str, key: bytes | None = None) -> None:
        headers = {"Content-Type": "application/json"}
        self._post = Post(url, name="the webhook", headers=headers, meanings=_MEANINGS)
        self._key = key

    @classmethod
    def of(cls, settings: Settings) -> Webhook:
        """The one that the settings name."""
        return cls(settings.alert_webhook or "", settings.alert_webhook_key)

    def send(self, alert: Alert) -> Delivery:
        """Post one message and wait for the answer, at most some seconds."""
        body = json.dumps(message(alert), ensure_ascii=False).encode()
        # The time is the attempt's: a receiver refuses what is older than some minutes as a replay.
        headers = {"webhook-id": alert.event_id, "webhook-timestamp": str(int(time.time()))}
        if self._key is not None:
            headers["webhook-signature"] = signature(self._key, headers, body)
        return self._post(body, headers)


def message(alert: Alert) -> dict[str, Any]:
    """The alert as JSON. `data.incident` is the same for all that is told of one service, code and reason."""
    times = {
        name: None if (at := getattr(alert, name)) is None else timestamp(at)
        for name in ("first_seen", "last_seen", "closed_at")
    }
    names = ("code", "reason", "level", "fatal", "title", "message", "remediation", "service", "instance")
    facts = ("count", "suppressed", "before", "number", "epoch", "evidence", "attrs", "runbook")
    return {
        "type": "alert.resolved" if alert.is_end else "alert.firing",
        "timestamp": timestamp(alert.time),
        "data": {
            "incident": "/".join(filter(None, (alert.service, alert.code, alert.reason))),
            **{name: getattr(alert, name) for name in names},
            **times,
            **{name: getattr(alert, name) for name in facts},
        },
    }


def signature(key: bytes, headers: dict[str, str], body: bytes) -> str:
    """What proves that whoever holds the key has sent exactly this, at this time."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"
