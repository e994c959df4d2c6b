"""A receiver of alerts on loopback that fails in every way a real one does: the base of those that speak
a protocol.
"""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Generic, NamedTuple, Self, TypeVar, overload
from urllib.parse import quote

from logrules.testing.http_server import Exchange, HttpRequest, HttpServer
from logrules.testing.waiting import Bell

T = TypeVar("T")
Item = TypeVar("Item")


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


def refused(status: int) -> Fault:
    """What is not even read is not kept."""
    return Fault(status, keeps=False)


class Receiver(Generic[Item]):
    """Takes POSTs on 127.0.0.1, in a thread of its own, and keeps what is in them unless told to fail."""

    AUTH: ClassVar[frozenset[str]] = frozenset()
    """Headers, in lower case, that carry what authenticates a client."""

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
    def items(self) -> list[Item]:
        """Everything that was kept, in order of arrival, repeats included."""
        return list(self._items)

    @property
    def received(self) -> Counter[str]:
        """How often each event was kept, by its id: more than once for a repeat."""
        return Counter(event[0] for event in map(self._event_of, self.items) if event)

    @property
    def events(self) -> dict[str, dict[str, Any]]:
        """The events by their ids, each as it first came."""
        events: dict[str, dict[str, Any]] = {}
        for event in filter(None, map(self._event_of, self.items)):
            events.setdefault(*event)
        return events

    @property
    def attempts(self) -> list[Attempt]:
        """Every request, kept or refused."""
        return list(self._attempts)

    def holds(self, secret: str) -> bool:
        """Whether this text stands anywhere in what clients have sent, plain, escaped or percent-encoded.

        Looks through request lines, headers and unpacked bodies of all requests, refused ones too; only the
        headers that must carry a secret are left out.
        """
        escaped = (json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
        forms = {secret, quote(secret, safe=""), *escaped}
        return any(form.encode() in raw for raw in list(self._raw) for form in forms)

    @overload
    def wait_for(self, what: int, timeout: float = 60.0) -> list[dict[str, Any]]: ...
    @overload
    def wait_for(self, what: Callable[[], T], timeout: float = 60.0) -> T: ...
    def wait_for(self, what: int | Callable[[], T], timeout: float = 60.0) -> list[dict[str, Any]] | T:
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

    async def wait_for_async(self, condition: Callable[[], T], timeout: float = 60.0) -> T:  # noqa: ASYNC109
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

    # What a protocol says

    def _read(self, request: HttpRequest) -> tuple[Fault | None, list[Item]]:
        """What is in a request, or how to refuse it."""
        raise NotImplementedError

    def _event_of(self, item: Item) -> tuple[str, dict[str, Any]] | None:
        """The id and the content of the event that this is, if it is one."""
        raise NotImplementedError

    def _treat(self, fault: Fault, times: int | None) -> None:
        def work() -> None:
            self._fault, self._times = fault, times

        self._http.call(work)

    def _handle(self, exchange: Exchange) -> None:
        request = exchange.request
        refusal, items = self._read(request)
        fault = refusal or self._next_fault()
        self._raw.append(self._told(request))
        if fault.keeps:
            self._items += items
        ids = tuple(event[0] for event in map(self._event_of, items) if event)
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

    def _told(self, request: HttpRequest) -> bytes:
        """All that the client sent, unpacked."""
        headers = [f"{name}: {value}" for name, value in request.headers.items() if name not in self.AUTH]
        try:
            body = unpacked(request)
        except zlib.error:
            body = request.body
        return "\n".join([request.method, request.path, request.query, *headers, ""]).encode() + body

    def _explain(self) -> str:
        return f"{len(self.events)} events; the last attempts: {self._attempts[-5:]}"


def unpacked(request: HttpRequest) -> bytes:
    """The body of a request. Raises zlib.error."""
    if request.headers.get("content-encoding", "identity") == "identity":
        return request.body
    return zlib.decompress(request.body, wbits=zlib.MAX_WBITS | 32)  # gzip or zlib, by its own head


def _answer(exchange: Exchange, fault: Fault, body: bytes) -> None:
    if fault.status is None:
        exchange.reset()
    else:
        exchange.answer(fault.status, body, headers=fault.headers)
