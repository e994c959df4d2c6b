"""A small HTTP server in a thread of its own, whose answers may come late, wrong, slowly or never.

Ordinary servers are built to answer well. A double of somebody else's service must also park a request,
answer it after its client has died, or drop the connection, and know the client by its port.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from concurrent.futures import Future
from email.message import Message
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from logrules.testing.ports import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: closing sends RST


class File(NamedTuple):
    """A file of a multipart form."""

    name: str
    data: bytes


class HttpRequest(NamedTuple):
    """One request, read to its end."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes
    port: int
    """The client's: tells one connection from another."""

    def form(self) -> tuple[dict[str, str], dict[str, File]]:
        """Parameters, from the query and a body of any kind, as text (JSON values as JSON), and files."""
        params = dict(parse_qsl(self.query, keep_blank_values=True))
        kind = self.headers.get("content-type", "")
        if kind.startswith("application/json"):
            return params | _json_form(self.body), {}
        if kind.startswith("multipart/form-data"):
            fields, files = _multipart_form(kind, self.body)
            return params | fields, files
        return params | dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)), {}


class Exchange:
    """A request and the way to answer it, now or later. Lives on the server's loop."""

    def __init__(self, request: HttpRequest, connection: Connection) -> None:
        self.request = request
        self.answered = False
        self.on_gone: Callable[[], None] | None = None
        """Called if the client hangs up before it has its answer."""
        self._connection = connection

    def answer(
        self,
        status: int,
        body: bytes,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send the answer; into the void, if the client is gone."""
        head = {
            "Date": formatdate(usegmt=True),
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
        }
        head |= headers or {}
        self.answered = True
        self._connection.send(_head(status, head) + body)
        self._connection.done()

    def trickle(self, interval: float) -> None:
        """Begin an answer and send one byte of it each `interval` seconds: no read timeout ever fires."""
        self._connection.send(_head(200, {"Content-Type": "application/json", "Content-Length": "1000000"}))
        self._connection.drip(interval)

    def close(self) -> None:
        """Hang up without an answer."""
        self.answered = True
        self._connection.hang_up()

    def reset(self) -> None:
        """Hang up with a TCP reset."""
        self.answered = True
        self._connection.hang_up(reset=True)


class Connection(asyncio.Protocol):
    """One client's connection: requests one after the other."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._current: Exchange | None = None
        self._transport: asyncio.Transport | None = None
        self._port = 0
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._port = transport.get_extra_info("peername")[1]
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._buffer += data
        self._advance()

    def connection_lost(self, _: Exception | None) -> None:
        """Tell whoever still holds a request of this client."""
        self._transport = None
        self._server.connections.discard(self)
        self.lost.set()
        current, self._current = self._current, None
        if current is not None and not current.answered and current.on_gone is not None:
            current.on_gone()

    def send(self, data: bytes) -> None:
        """Write, if there is still somebody."""
        if self._transport is not None:
            self._transport.write(data)

    def done(self) -> None:
        """The current request is answered: on to the next."""
        current, self._current = self._current, None
        if current is not None and current.request.headers.get("connection", "").lower() == "close":
            self.hang_up()
        self._advance()

    def drip(self, interval: float) -> None:
        """One byte now and at each interval, until the client has had enough."""
        if self._transport is not None:
            self.send(b" ")
            self._server.loop.call_later(interval, self.drip, interval)

    def hang_up(self, *, reset: bool = False) -> None:
        """Close the connection; with a TCP reset if wanted."""
        if self._transport is None:
            return
        if not reset:
            self._transport.close()
            return
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def _advance(self) -> None:
        if self._current is not None or self._transport is None or self._transport.is_closing():
            return
        try:
            request = _take_request(self._buffer, self._port)
        except ValueError:  # not HTTP
            self.send(_head(400, {"Content-Length": "0", "Connection": "close"}))
            self.hang_up()
            return
        if request is not None:
            self._current = Exchange(request, self)
            self._server.handle(self._current)


class HttpServer:
    """Serves `handle` on 127.0.0.1 from a thread with its own event loop.

    `handle` and everything an Exchange does run on that loop; `call` brings others' work there.
    """

    def __init__(self, handle: Callable[[Exchange], None]) -> None:
        self.handle = handle
        self.port = free_port()
        self.loop = asyncio.new_event_loop()
        self.connections: set[Connection] = set()
        self._thread = threading.Thread(target=self.loop.run_forever, name=f"http:{self.port}", daemon=True)
        self._listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, the same for the server's whole life."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Start the thread and listen."""
        self._thread.start()
        self.up()

    def up(self) -> None:
        """Listen again after `down`."""
        asyncio.run_coroutine_threadsafe(self._listen(), self.loop).result()

    def down(self) -> None:
        """Refuse new connections and drop those that are open, as when the service is gone."""
        asyncio.run_coroutine_threadsafe(self._deafen(), self.loop).result()

    def close(self) -> None:
        """Stop for good. Safe to call twice."""
        if self.loop.is_closed():
            return
        if self._thread.is_alive():
            self.down()
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
        self.loop.close()

    def call(self, work: Callable[[], T]) -> T:
        """Run `work` on the server's loop and give its result, from any other thread."""
        if threading.current_thread() is self._thread:
            return work()
        if not self._thread.is_alive():
            raise RuntimeError("the server is not running: use it in a `with` block")
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - handed to the caller, whose it is
                done.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return done.result()

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await self.loop.create_server(lambda: Connection(self), HOST, self.port)

    async def _deafen(self) -> None:
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        # asyncio leaks a socket that it has accepted when the listener closes before it has a transport.
        while accepting := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.gather(*accepting, return_exceptions=True)
        listener.close()
        for connection in list(self.connections):
            connection.hang_up(reset=True)
            await connection.lost.wait()


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _take_request(buffer: bytearray, port: int) -> HttpRequest | None:
    """The first whole request, taken out of the buffer."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *rest = bytes(buffer[:end]).decode("latin-1").split("\r\n")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)
    }
    found = _take_body(buffer, end + 4, headers)
    if found is None:
        return None
    body, consumed = found
    del buffer[:consumed]
    method, target, _ = first.split(" ", 2)
    parts = urlsplit(target)
    return HttpRequest(method, unquote(parts.path), parts.query, headers, body, port)


def _take_body(buffer: bytearray, start: int, headers: Mapping[str, str]) -> tuple[bytes, int] | None:
    """The body that begins at `start`, and where it ends; None while it is not all there."""
    if headers.get("transfer-encoding", "").lower() != "chunked":
        end = start + int(headers.get("content-length", "0"))
        return (bytes(buffer[start:end]), end) if len(buffer) >= end else None
    body = bytearray()
    while (line := buffer.find(b"\r\n", start)) >= 0:
        size = int(bytes(buffer[start:line]).split(b";")[0], 16)
        start = line + 2 + size + 2
        if len(buffer) < start:
            return None
        if size == 0:
            return bytes(body), start
        body += buffer[line + 2 : line + 2 + size]
    return None


def _json_form(body: bytes) -> dict[str, str]:
    values: dict[str, Any] = json.loads(body or b"{}")
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items() if v is not None}


def _multipart_form(kind: str, body: bytes) -> tuple[dict[str, str], dict[str, File]]:
    content = Message()
    content["content-type"] = kind
    boundary = f"--{content.get_param('boundary')}".encode()
    fields: dict[str, str] = {}
    files: dict[str, File] = {}
    for part in body.split(boundary)[1:-1]:
        head, _, data = part.removeprefix(b"\r\n").removesuffix(b"\r\n").partition(b"\r\n\r\n")
        disposition = _disposition(head)
        name = str(disposition.get_param("name", header="content-disposition"))
        if (filename := disposition.get_filename()) is None:
            fields[name] = data.decode("utf-8", "replace")
        else:
            files[name] = File(filename, data)
    return fields, files


def _disposition(head: bytes) -> Message:
    message = Message()
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-disposition":
            message["content-disposition"] = value.strip()
    return message
