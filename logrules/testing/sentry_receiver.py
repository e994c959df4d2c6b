"""A Sentry on loopback: takes envelopes, keeps what was in them, and fails in every way a real one does."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from logrules.testing.receiver import Fault, Receiver, refused, unpacked

if TYPE_CHECKING:
    from logrules.testing.http_server import HttpRequest

KEY: Final = "0123456789abcdef" * 2
"""The public key of every receiver's DSN."""
PROJECT: Final = 1


class Item(NamedTuple):
    """One item of an envelope."""

    type: str
    payload: bytes
    content: Any
    """The payload as JSON; None for an attachment or whatever else is no JSON."""


class SentryReceiver(Receiver[Item]):
    """A receiver of Sentry's envelope protocol on 127.0.0.1, in a thread of its own.

        with SentryReceiver() as sentry:
            start_bot(SENTRY_DSN=sentry.dsn)
            [event] = sentry.wait_for(1)
            assert event["tags"]["code"] == "CONFLICT_409"
            assert not sentry.holds(token)
            sentry.status(429, {"Retry-After": "60"}, times=1)      # the next request only
            sentry.down()                                           # until sentry.ok()

    A wrong key or project is refused with 403, a malformed envelope with 400, as Sentry does. Nothing is
    grouped or normalised.
    """

    AUTH: ClassVar[frozenset[str]] = frozenset({"x-sentry-auth"})

    @property
    def dsn(self) -> str:
        """The DSN to configure."""
        return f"http://{KEY}@{urlsplit(self._http.url).netloc}/{PROJECT}"

    @property
    def check_ins(self) -> list[dict[str, Any]]:
        """The check-ins of monitors, in order of arrival."""
        return [item.content for item in self.items if item.type == "check_in"]

    def _read(self, request: HttpRequest) -> tuple[Fault | None, list[Item]]:
        if request.path != f"/api/{PROJECT}/envelope/":
            return refused(404 if "/envelope" not in request.path else 403), []
        if _key(request) != KEY:
            return refused(403), []
        try:
            return None, parse_envelope(unpacked(request))
        except (ValueError, KeyError, zlib.error):
            return refused(400), []

    def _event_of(self, item: Item) -> tuple[str, dict[str, Any]] | None:
        return (item.content["event_id"], item.content) if item.type == "event" else None


def parse_envelope(body: bytes) -> list[Item]:
    """The items of an envelope.

    The format: a line of JSON for the envelope; for each item a line of JSON with its type, then as many
    bytes as its `length` says, or, without one, up to the next newline.

    Raises:
        ValueError: it is malformed.
    """
    head, _, rest = body.partition(b"\n")
    _header(head)
    items = []
    while rest := rest.removeprefix(b"\n"):
        line, _, rest = rest.partition(b"\n")
        header = _header(line)
        length = header.get("length", rest.find(b"\n") if b"\n" in rest else len(rest))
        if len(rest) < length:
            raise ValueError(f"an item of {length} bytes has only {len(rest)}")
        items.append(_item(header["type"], rest[:length]))
        rest = rest[length:]
    return items


def _item(kind: str, payload: bytes) -> Item:
    try:
        content = json.loads(payload)
    except ValueError:
        content = None
    if kind == "event" and "event_id" not in (content or {}):
        raise ValueError("an event that is no JSON or has no event_id")
    return Item(kind, payload, content)


def _header(line: bytes) -> dict[str, Any]:
    header = json.loads(line)
    if not isinstance(header, dict):
        raise ValueError(f"a header that is no object: {line!r}")  # noqa: TRY004 - the input is wrong, not a call
    return header


def _key(request: HttpRequest) -> str | None:
    """The public key, from X-Sentry-Auth or the query."""
    parts = request.headers.get("x-sentry-auth", "").removeprefix("Sentry ").split(",")
    fields = dict(part.strip().partition("=")[::2] for part in parts)
    return fields.get("sentry_key") or parse_qs(request.query).get("sentry_key", [None])[0]
