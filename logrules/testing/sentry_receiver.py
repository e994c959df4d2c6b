"""A Sentry on loopback: takes envelopes, keeps what was in them, and fails in every way a real one does."""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Self, TypeVar, overload
from urllib.parse import parse_qs, quote, urlsplit

from logrules.testing.http_server import Exchange, HttpRequest, HttpServer
from logrules.testing.waiting import Bell

T = TypeVar("T")

KEY: Final = "0123456789abcdef" * 2
"""The public key of every receiver's DSN."""
PROJECT: Final = 1


class Item(NamedTuple):
    """One item of an envelope."""

    type: str
    payload: bytes
    content: Any
    """The payload as JSON; None for an attachment or whatever else is no JSON."""


class Attempt(NamedTuple):
    """One request of a client."""

    when: float
    """On time.monotonic()."""
    status: int | None
    """What was answered; None for a connection that was reset."""
    event_ids: tuple[str, ...]
    """Of the events in it, whether or not they were kept."""
    port: int
    """The client's port: tells one connection from another."""


class Fault(NamedTuple):
    """How requests are treated for a while."""

    status: int | None = 200
    """None resets the connection."""
    headers: Mapping[str, str] = {}
    delay: float = 0.0
    keeps: bool = True


OK: Final = Fault()


class SentryReceiver:
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

    def __init__(self) -> None:
        self._http = HttpServer(self._handle)
        self._bell = Bell()
        self._fault = OK
        self._times: int | None = None
        self._items: list[Item] = []
        self._attempts: list[Attempt] = []
        self._raw: list[bytes] = []

    def __enter__(self) -> Self:
        self._http.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop receiving, for good."""
        self._http.close()

    @property
    def dsn(self) -> str:
        """The DSN to configure."""
        return f"http://{KEY}@{urlsplit(self._http.url).netloc}/{PROJECT}"

    @property
    def items(self) -> list[Item]:
        """Everything that was kept, in order of arrival, repeats included."""
        return list(self._items)

    @property
    def events(self) -> dict[str, dict[str, Any]]:
        """The events by event_id, each as it first came."""
        events: dict[str, dict[str, Any]] = {}
        for item in self._items_of("event"):
            events.setdefault(item["event_id"], item)
        return events

    @property
    def received(self) -> Counter[str]:
        """How often each event_id was kept: more than once for a repeat."""
        return Counter(item["event_id"] for item in self._items_of("event"))

    @property
    def check_ins(self) -> list[dict[str, Any]]:
        """The check-ins of monitors, in order of arrival."""
        return self._items_of("check_in")

    @property
    def attempts(self) -> list[Attempt]:
        """Every request, kept or refused."""
        return list(self._attempts)

    def holds(self, secret: str) -> bool:
        """Whether this text stands anywhere in what clients have sent, plain, escaped or percent-encoded.

        Looks through request lines, headers and unpacked bodies of all requests, refused ones too; only the
        header X-Sentry-Auth is left out, which must carry the DSN's key.
        """
        escaped = (json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
        forms = {secret, quote(secret, safe=""), *escaped}
        return any(form.encode() in raw for raw in list(self._raw) for form in forms)

    @overload
    def wait_for(self, what: int, timeout: float = 20.0) -> list[dict[str, Any]]: ...
    @overload
    def wait_for(self, what: Callable[[], T], timeout: float = 20.0) -> T: ...
    def wait_for(self, what: int | Callable[[], T], timeout: float = 20.0) -> list[dict[str, Any]] | T:
        """Block until so many different events are there, and give all, or until a condition is true.

        Raises:
            TimeoutError: not within `timeout` seconds; the message shows the last attempts.
        """

        def enough() -> list[dict[str, Any]] | None:
            events = list(self.events.values())
            return events if isinstance(what, int) and len(events) >= what else None

        condition: Callable[[], Any] = enough if isinstance(what, int) else what
        result: list[dict[str, Any]] | T = self._bell.wait_for(condition, timeout, self._explain)
        return result

    async def wait_for_async(self, condition: Callable[[], T], timeout: float = 20.0) -> T:  # noqa: ASYNC109
        """`wait_for` a condition, in a test in whose event loop the client runs."""
        return await asyncio.to_thread(self.wait_for, condition, timeout)

    def ok(self) -> None:
        """Take everything again."""
        self._treat(OK, None)
        self._http.up()

    def slow(self, seconds: float, *, times: int | None = None) -> None:
        """Keep what comes, and say so only after some seconds."""
        self._treat(Fault(delay=seconds), times)

    def status(
        self, code: int, headers: Mapping[str, str] | None = None, *, times: int | None = None
    ) -> None:
        """Refuse with an HTTP status, such as 429 with Retry-After or X-Sentry-Rate-Limits, or 503."""
        self._treat(Fault(code, headers or {}, keeps=False), times)

    def reset(self, *, times: int | None = None) -> None:
        """Reset the connection, keeping nothing."""
        self._treat(Fault(None, keeps=False), times)

    def ack_lost(self, *, times: int | None = None) -> None:
        """Keep what comes, then reset the connection: the client cannot know."""
        self._treat(Fault(None), times)

    def down(self) -> None:
        """Close the port, until `ok`."""
        self._http.down()

    def _treat(self, fault: Fault, times: int | None) -> None:
        def work() -> None:
            self._fault, self._times = fault, times

        self._http.call(work)

    def _handle(self, exchange: Exchange) -> None:
        request = exchange.request
        refusal, items = _open(request)
        fault = refusal or self._next_fault()
        self._raw.append(_raw(request))
        if fault.keeps:
            self._items += items
        ids = tuple(item.content["event_id"] for item in items if item.type == "event")
        self._attempts.append(Attempt(time.monotonic(), fault.status, ids, request.port))
        body = json.dumps({"id": ids[0]} if ids and fault.keeps else {}).encode()
        self._http.loop.call_later(fault.delay, _answer, exchange, fault, body)
        self._bell.ring()

    def _next_fault(self) -> Fault:
        fault = self._fault
        if self._times is not None:
            self._times -= 1
            if self._times <= 0:
                self._fault, self._times = OK, None
        return fault

    def _items_of(self, kind: str) -> list[dict[str, Any]]:
        return [item.content for item in self.items if item.type == kind]

    def _explain(self) -> str:
        return f"{len(self.events)} events; the last attempts: {self._attempts[-5:]}"


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


def _open(request: HttpRequest) -> tuple[Fault | None, list[Item]]:
    """The items of a request, or how to refuse it."""
    if request.path != f"/api/{PROJECT}/envelope/":
        return Fault(404 if "/envelope" not in request.path else 403, keeps=False), []
    if _key(request) != KEY:
        return Fault(403, keeps=False), []
    try:
        return None, parse_envelope(_unpacked(request))
    except (ValueError, KeyError, zlib.error):
        return Fault(400, keeps=False), []


def _key(request: HttpRequest) -> str | None:
    """The public key, from X-Sentry-Auth or the query."""
    parts = request.headers.get("x-sentry-auth", "").removeprefix("Sentry ").split(",")
    fields = dict(part.strip().partition("=")[::2] for part in parts)
    return fields.get("sentry_key") or parse_qs(request.query).get("sentry_key", [None])[0]


def _unpacked(request: HttpRequest) -> bytes:
    if request.headers.get("content-encoding", "identity") == "identity":
        return request.body
    return zlib.decompress(request.body, wbits=zlib.MAX_WBITS | 32)  # gzip or zlib, by its own head


def _raw(request: HttpRequest) -> bytes:
    """All that the client sent, unpacked."""
    headers = [f"{name}: {value}" for name, value in request.headers.items() if name != "x-sentry-auth"]
    try:
        body = _unpacked(request)
    except zlib.error:
        body = request.body
    return "\n".join([request.method, request.path, request.query, *headers, ""]).encode() + body


def _answer(exchange: Exchange, fault: Fault, body: bytes) -> None:
    if fault.status is None:
        exchange.reset()
    else:
        exchange.answer(fault.status, body, headers=fault.headers)
