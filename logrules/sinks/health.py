"""Answers a platform's probes on its port, for as long as nobody else wants the port.

Many bots on a free web service bind PORT themselves. So it is taken only if nobody listens on it after a
while, and let go before the bot's own code runs.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from logrules.core.guarding.health import Health, page

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that the bot's own code has for taking the port first."""
ANSWER = 5.0
"""Seconds without a word after which a client's connection is closed."""
MOST = 32
"""Clients at once, each with a thread. The port is open to the world: the next takes the oldest's place."""


class HealthPort:
    """One port.

    Args:
        port: its number.
        health: asked at each request, in threads of this port's own.
        patience: seconds between `take` and the port's being taken; `PATIENCE` if not given.
    """

    def __init__(self, port: int, health: Callable[[], Health], *, patience: float | None = None) -> None:
        self._port = port
        self._health = health
        self._patience = PATIENCE if patience is None else patience
        self._mutex = threading.Lock()
        self._server: _Server | None = None
        self._timer: threading.Timer | None = None

    def take(self) -> None:
        """Answer from soon on, unless somebody else listens by then."""
        with self._mutex:
            if self._server is None and self._timer is None:
                self._timer = threading.Timer(self._patience, self._open)
                self._timer.name = "logrules-health"
                self._timer.daemon = True
                self._timer.start()

    def let_go(self) -> None:
        """The port is free when this returns."""
        with self._mutex:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._server is not None:
                self._server.close()
                self._server = None

    def _open(self) -> None:
        with self._mutex:
            if self._timer is None:
                return  # let go meanwhile
            self._timer = None
            try:
                self._server = _Server(self._port, self._health)
            except OSError as error:
                # Most often it is the bot itself that listens, and answers the probes in its own way.
                words = "Port %d is left to whoever has it: %s"
                logger.info(words, self._port, error.strerror or type(error).__name__)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that says nothing keeps nobody

    def __init__(self, port: int, health: Callable[[], Health]) -> None:
        super().__init__(("", port), _Handler, bind_and_activate=False)
        self.health = health
        self._clients: deque[Any] = deque()
        self.socket.close()
        # Railway and Fly.io reach their services by IPv6, Render by IPv4.
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        self.socket = socket.create_server(("", port), family=family, dualstack_ipv6=both)
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.05,), name="logrules-health", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # where that is nothing to do with a listener, it takes 50 ms
            self.socket.shutdown(socket.SHUT_RDWR)
        self.shutdown()
        self.server_close()
        self._thread.join()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._clients.append(request)
        if len(self._clients) > MOST:
            with contextlib.suppress(OSError, IndexError):  # it has just gone by itself
                self._clients.popleft().shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with contextlib.suppress(ValueError):
            self._clients.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no news."""


class _Handler(BaseHTTPRequestHandler):
    timeout = ANSWER
    server: _Server

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        status, kind, body = page(self.path.partition("?")[0], self.server.health())
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def version_string(self) -> str:
        return "logrules"

    def log_message(self, *_: Any) -> None:
        """A probe every few seconds is no news."""
