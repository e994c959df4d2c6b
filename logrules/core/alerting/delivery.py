"""How an alert travels: sealed without its secrets, kept as bytes, delivered or tried again."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from logrules.core.event import clean
from logrules.core.match import Alert, Match

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FIRST_WAIT = 1.0
"""Seconds before the second attempt; each further wait is twice as long."""
LONGEST_WAIT = 900.0
"""An outage of any length costs a receiver four requests an hour from each of us."""
LONGEST_ASKED = 3600.0
"""A receiver that asks for more gets one attempt an hour."""
BARE_429 = 60.0
"""What to wait after a 429 without a header (https://develop.sentry.dev/sdk/expected-features/rate-limiting/)."""

MESSAGE_CHARS = 2000
HEAD_CHARS, TAIL_CHARS = 600, 1300
"""Of a long evidence: how it began, and its last lines, where a traceback says what it is."""
SEARCHED_CHARS = 64 * 1024
"""How much of either end is searched for secrets: so much more than is kept that no cut shows half of one."""
ATTRS_BYTES = 4096


class Verdict(StrEnum):
    """What became of one attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REJECTED = "rejected"


class Delivery(NamedTuple):
    """What a receiver did with an alert."""

    verdict: Verdict
    why: str = ""
    """For an operator: the cause and the next step. Never carries a secret."""
    after: float | None = None
    """Seconds that the receiver asked us to wait; None leaves it to our own back-off."""


DELIVERED = Delivery(Verdict.DELIVERED)


def retry(why: str, after: float | None = None) -> Delivery:
    """It may arrive later."""
    return Delivery(Verdict.RETRY, why, None if after is None else min(max(after, 0.0), LONGEST_ASKED))


def rejected(why: str) -> Delivery:
    """It never will, as it is."""
    return Delivery(Verdict.REJECTED, why)


class Receiver(Protocol):
    """Whoever is told. One thread at a time calls it."""

    def __call__(self, alert: Alert, /) -> Delivery:
        """Make one attempt, within some seconds, and tell its outcome. What it raises is tried again."""


def of_status(status: int, headers: Mapping[str, str], category: str = "error") -> Delivery:
    """What an HTTP answer means; `headers` has lower-case names, `category` is Sentry's for what was sent.

    https://develop.sentry.dev/sdk/expected-features/#dealing-with-network-failures
    """
    if status < 300:  # noqa: PLR2004
        return DELIVERED
    if status == 429:  # noqa: PLR2004
        return retry("the receiver limits our rate (429)", asked(headers, category))
    if status == 408 or status >= 500:  # noqa: PLR2004
        return retry(f"the receiver answered {status}")
    return rejected(f"the receiver answered {status}")


def asked(headers: Mapping[str, str], category: str = "error") -> float:
    """Seconds that a 429 asks us to hold back: X-Sentry-Rate-Limits, else Retry-After, else a minute."""
    limits = [_limit(text, category) for text in headers.get("x-sentry-rate-limits", "").split(",")]
    waits = [wait for wait in limits if wait is not None]
    if waits:
        return max(waits)
    try:
        return float(headers["retry-after"])
    except (KeyError, ValueError):  # absent, or a date
        return BARE_429


def _limit(text: str, category: str) -> float | None:
    """The seconds of one `retry_after:categories:scope…`, if it is about this category."""
    wait, _, rest = text.strip().partition(":")
    categories = rest.partition(":")[0]
    try:
        seconds = float(wait)
    except ValueError:
        return None
    return seconds if not categories or category in categories.split(";") else None


def back_off(attempts: int, chance: float) -> float:
    """Seconds to wait after so many failed attempts; `chance` in [0, 1) spreads what fails together."""
    longest: float = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempts - 1, 30))
    return longest * (0.5 + chance / 2)


def seal(alert: Alert, redact: Callable[[str], str]) -> Alert:
    """The alert as it may leave the process: no secret in any string, and bounded. Never raises."""
    return msgspec.structs.replace(alert, title=clean(alert.title, redact), **_sealed(alert, redact))


def _sealed(what: Alert | Match, redact: Callable[[str], str]) -> dict[str, Any]:
    return {
        "message": clean(what.message[:SEARCHED_CHARS], redact)[:MESSAGE_CHARS],
        "service": clean(what.service, redact),
        "instance": clean(what.instance, redact),
        "evidence": _excerpt(what.evidence, redact),
        "attrs": _attrs(what.attrs, redact),
    }


def _excerpt(text: str, redact: Callable[[str], str]) -> str:
    if len(text) > 2 * SEARCHED_CHARS:
        head, tail = clean(text[:SEARCHED_CHARS], redact), clean(text[-SEARCHED_CHARS:], redact)
    else:
        head = tail = str(clean(text, redact))
        if len(head) <= HEAD_CHARS + TAIL_CHARS:
            return head
    return f"{head[:HEAD_CHARS]}\n…\n{tail[-TAIL_CHARS:]}"


def _attrs(attrs: dict[str, Any], redact: Callable[[str], str]) -> dict[str, Any]:
    cleaned: dict[str, Any] = clean(attrs, redact)
    return cleaned if len(msgspec.json.encode(cleaned)) <= ATTRS_BYTES else {"truncated": True}


def pack(alert: Alert) -> bytes:
    """A sealed alert as the outbox keeps it."""
    return msgspec.json.encode(alert)


def unpack(data: bytes) -> Alert:
    """The alert that `pack` packed; fields that it lacks take their defaults. Raises ValueError."""
    return msgspec.json.decode(data, type=Alert)


def hold(match: Match, redact: Callable[[str], str]) -> bytes:
    """A match that is decided later, sealed as an alert is."""
    return msgspec.json.encode(msgspec.structs.replace(match, **_sealed(match, redact)))


def unhold(data: bytes) -> Match | None:
    """The match that `hold` kept; None for one that another version of us kept in another form."""
    try:
        return msgspec.json.decode(data, type=Match)
    except msgspec.DecodeError:
        return None
