"""Check-ins with Sentry Crons: the dead-man's switch, which speaks by falling silent.

https://docs.sentry.io/product/crons/. A check-in says that this bot holds the lock and hears from Telegram at
this moment, or that a foreign one gives a sign of life (`logrules run --heartbeat`); when they stay away,
Sentry raises an issue, also of what was killed, suspended or ran out of memory. The first one makes the
monitor.

Nothing is queued and nothing comes later: an old check-in would say that a dead bot lives. The envelope is
written here and not by the SDK, which would cost each bot a tenth of a second and 20 MB from its start.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from logrules.core.alerting.delivery import Verdict
from logrules.core.event import label, timestamp
from logrules.post import USER_AGENT, Post

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EVERY = 60.0
"""Seconds between two check-ins; a schedule knows nothing shorter than a minute."""
LOOK = 5.0
"""Seconds between two looks at whether the bot polls."""
AGAIN = 15.0
"""Seconds after which a check-in that did not get through is followed by a new one."""

CONFIG: Mapping[str, Any] = {
    "schedule": {"type": "interval", "value": 1, "unit": "minute"},
    "checkin_margin": 2,
    "failure_issue_threshold": 2,
    "recovery_threshold": 1,
    "timezone": "UTC",
}
"""Two in a row must be missing, each two minutes overdue: a deploy or a restart is no issue."""

SLUG_CHARS, ENVIRONMENT_CHARS = 50, 64  # what Sentry keeps


class Crons:
    """One monitor of one bot.

    Args:
        dsn: Of the Sentry project.
        monitor: Its name.
        is_alive: Whether this instance holds the lock and polls; asked in a thread of ours.
        on_refusal: Called once, with a text for the operator, if Sentry does not want them.
        environment: Such as `production`.
        minutes: Between two check-ins.
    """

    def __init__(
        self,
        dsn: str,
        monitor: str,
        is_alive: Callable[[], bool],
        on_refusal: Callable[[str], None],
        *,
        environment: str | None = None,
        minutes: int = 1,
    ) -> None:
        self._dsn = dsn
        self._monitor = slug(monitor)
        self._environment = label(environment, ENVIRONMENT_CHARS) or "production"
        self._minutes = minutes
        self._is_alive = is_alive
        self._on_refusal = on_refusal
        self._stopped = threading.Event()

    def start(self) -> None:
        """Check in from now on, while the bot polls."""
        threading.Thread(target=self._work, name="logrules-crons", daemon=True).start()

    def stop(self) -> None:
        """Begin no further check-in."""
        self._stopped.set()

    def _work(self) -> None:
        post = Post(_url(self._dsn), name="Sentry", headers=_headers(self._dsn), category="monitor")
        wait = 0.0
        while not self._stopped.wait(wait):
            wait = self._check_in(post) if self._is_alive() else LOOK

    def _check_in(self, post: Post) -> float:
        """Make one, and tell how many seconds the next one has time."""
        delivery = post(envelope(self._monitor, self._environment, time.time(), self._minutes))
        if delivery.verdict is Verdict.REJECTED:
            self._on_refusal(f"Sentry refuses check-ins, there is no dead-man's switch: {delivery.why}")
            self._stopped.set()
        if delivery.verdict is Verdict.RETRY:
            return AGAIN if delivery.after is None else delivery.after
        return EVERY * self._minutes


def envelope(monitor: str, environment: str, now: float, minutes: int = 1) -> bytes:
    """One check-in: https://develop.sentry.dev/sdk/telemetry/check-ins/."""
    item = {
        "check_in_id": uuid.uuid4().hex,
        "monitor_slug": monitor,
        "status": "ok",
        "environment": environment,
        "monitor_config": {**CONFIG, "schedule": {**CONFIG["schedule"], "value": minutes}},
    }
    payload = json.dumps(item)
    head = {"type": "check_in", "length": len(payload)}
    return "\n".join([json.dumps({"sent_at": timestamp(now)}), json.dumps(head), payload]).encode()


def slug(name: str) -> str:
    """The name as Sentry keeps it; where something is left out, with a number that tells it from others."""
    kept = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")
    if kept and kept == name and len(kept) <= SLUG_CHARS and not kept.isdigit():
        return kept
    number = f"{zlib.crc32(name.encode('utf-8', 'replace')):08x}"
    return "-".join(filter(None, ("bot", kept[: SLUG_CHARS - 13].strip("-_"), number)))


def _url(dsn: str) -> str:
    url = urlsplit(dsn)
    prefix, _, project = url.path.rstrip("/").rpartition("/")
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{prefix}/api/{project}/envelope/"


def _headers(dsn: str) -> dict[str, str]:
    """https://develop.sentry.dev/sdk/foundations/transport/authentication/."""
    url = urlsplit(dsn)
    auth = {"sentry_version": "7", "sentry_client": USER_AGENT, "sentry_key": url.username or ""}
    if url.password:
        auth["sentry_secret"] = url.password
    told = ", ".join(f"{name}={value}" for name, value in auth.items())
    return {"X-Sentry-Auth": f"Sentry {told}", "Content-Type": "application/x-sentry-envelope"}
