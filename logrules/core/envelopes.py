"""Envelopes, in which Sentry takes everything: https://develop.sentry.dev/sdk/data-model/envelopes/.

Written here and not by the SDK, which would cost each bot a tenth of a second and more memory than all of its
rules: there is one request to make, and queue, retries and durability are the outbox's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPE = "application/x-sentry-envelope"


def envelope(kind: str, item: Mapping[str, Any], **about: str) -> bytes:
    """One item of a kind in its envelope, which says `about` itself: `sent_at`, and an event's `event_id`."""
    payload = json.dumps(item)
    head = {"type": kind, "length": len(payload)}
    return "\n".join([json.dumps(about), json.dumps(head), payload]).encode()


def address(dsn: str) -> str:
    """Where the envelopes of a project go, by its DSN."""
    url = urlsplit(dsn)
    prefix, _, project = url.path.rstrip("/").rpartition("/")
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{prefix}/api/{project}/envelope/"


def headers(dsn: str, client: str) -> dict[str, str]:
    """Who sends: https://develop.sentry.dev/sdk/foundations/transport/authentication/."""
    url = urlsplit(dsn)
    auth = {"sentry_version": "7", "sentry_client": client, "sentry_key": url.username or ""}
    if url.password:
        auth["sentry_secret"] = url.password
    told = ", ".join(f"{name}={value}" for name, value in auth.items())
    return {"X-Sentry-Auth": f"Sentry {told}", "Content-Type": TYPE}
