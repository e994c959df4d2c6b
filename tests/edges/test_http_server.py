"""The server that the doubles are made of leaves nothing behind."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import closing

import pytest

from logrules.testing.http_server import HttpServer
from logrules.testing.ports import HOST


def test_who_is_just_let_in_is_dropped_with_the_others() -> None:
    """A client that connects while the server goes down is not forgotten with its connection open."""
    with closing(HttpServer(lambda exchange: None)) as server:
        server.start()
        busy, go_on = threading.Event(), threading.Event()

        def work() -> None:
            busy.set()
            go_on.wait()

        server.loop.call_soon_threadsafe(work)
        assert busy.wait(30)
        with socket.create_connection((HOST, server.port), 30) as client:
            down = asyncio.run_coroutine_threadsafe(server._deafen(), server.loop)
            go_on.set()
            down.result(30)

            with pytest.raises(ConnectionResetError):
                client.recv(1)
