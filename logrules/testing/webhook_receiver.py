"""A webhook on loopback: checks the signature, keeps the messages, and fails in every way a real one does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any, Final

from logrules.testing.receiver import Fault, Receiver, refused

if TYPE_CHECKING:
    from logrules.testing.http_server import HttpRequest

SECRET: Final = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
"""The secret of every receiver."""
TOLERANCE: Final = 300.0
"""Seconds; what is older may be a replay."""
Message = tuple[str, dict[str, Any]]
"""Its id, and the JSON object that it is."""


class WebhookReceiver(Receiver[Message]):
    """A receiver of signed messages (https://www.standardwebhooks.com) on 127.0.0.1, in a thread of its own.

        with WebhookReceiver() as hook:
            start_bot(LOGRULES_ALERT_WEBHOOK=hook.url, LOGRULES_ALERT_WEBHOOK_SECRET=hook.secret)
            [message] = hook.wait_for(1)
            assert message["data"]["code"] == "CONFLICT_409"
            hook.status(503, times=1)

    A message whose signature is missing or wrong, or whose time is more than five minutes off, is refused
    with 401, one that is no JSON object with 400.
    """

    @property
    def url(self) -> str:
        """Where to send."""
        return f"{self._http.url}/alerts"

    @property
    def secret(self) -> str:
        """What to sign with."""
        return SECRET

    def _read(self, request: HttpRequest) -> tuple[Fault | None, list[Message]]:
        at = request.headers.get("webhook-timestamp", "")
        is_now = at.isdecimal() and abs(time.time() - int(at)) < TOLERANCE
        if not is_now or request.headers.get("webhook-signature") != _signature(request):
            return refused(401), []
        try:
            content = json.loads(request.body)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            return refused(400), []
        return None, [(request.headers["webhook-id"], content)]

    def _event_of(self, item: Message) -> Message:
        return item


def _signature(request: HttpRequest) -> str:
    names = ("webhook-id", "webhook-timestamp")
    signed = b".".join([*(request.headers.get(name, "").encode() for name in names), request.body])
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"
