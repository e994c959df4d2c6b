"""The probes' port, over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time

import pytest

from logrules.core.guarding.health import Health, Phase
from logrules.sinks.health import MOST, HealthPort
from logrules.testing.ports import free_port


def how() -> Health:
    return Health(phase=Phase.POLLING, service="shop", instance="one", version="1", since=0.0)


@pytest.fixture
def number():
    return free_port()


@pytest.fixture
def port(number):
    opened = HealthPort(number, how, patience=0.0)
    yield opened
    opened.let_go()


def ask(port, method="GET", path="/healthz", host="127.0.0.1"):
    """The answer, as soon as anybody listens."""
    until = time.monotonic() + 10
    while True:
        connection = http.client.HTTPConnection(host, port, timeout=10)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except ConnectionRefusedError:
            assert time.monotonic() < until
            time.sleep(0.01)
        finally:
            connection.close()


def test_answers(port, number):
    """GET and HEAD by IPv4, and a client that says nothing keeps nobody from it."""
    port.take()
    port.take()
    ask(number)
    with socket.create_connection(("127.0.0.1", number)):
        status, body = ask(number)

    assert (status, b'"polling"' in body) == (200, True)
    assert ask(number, "HEAD") == (200, b"")
    assert ask(number, "POST")[0] == 501
    if socket.has_dualstack_ipv6():
        assert ask(number, host="::1")[0] == 200


def test_clients_that_say_little(port, number, monkeypatch):
    """However many there are, and however long each takes, they cost few threads and keep nobody out."""
    monkeypatch.setattr("logrules.sinks.health._Handler.timeout", 600.0)
    port.take()
    ask(number)
    before = threading.active_count()
    with contextlib.ExitStack() as clients:
        slow = [
            clients.enter_context(socket.create_connection(("127.0.0.1", number))) for _ in range(3 * MOST)
        ]
        slow[0].settimeout(10)
        closed = slow[0].recv(1)  # the oldest has made room
        status, _ = ask(number)
        until = time.monotonic() + 10
        while threading.active_count() - before > MOST and time.monotonic() < until:
            time.sleep(0.01)

        assert (closed, status) == (b"", 200)
        assert threading.active_count() - before <= MOST


def test_let_go_and_taken_again(port, number):
    """After `let_go` the bot's own code can listen at once; `take` then leaves the port to it."""
    port.take()
    ask(number)
    port.let_go()
    with socket.create_server(("0.0.0.0", number)) as owner:
        port.take()
        port.let_go()
        port._open()
        owner.settimeout(10)
        with socket.create_connection(("127.0.0.1", number)):
            owner.accept()[0].close()
    port.take()

    assert ask(number)[0] == 200


def test_somebody_elses_port(port, number, caplog):
    """It is left to whoever has it, and said in one line."""
    caplog.set_level("INFO", "logrules.sinks.health")
    with socket.create_server(("127.0.0.1", number)):
        port.take()
        until = time.monotonic() + 10
        while not caplog.messages and time.monotonic() < until:
            time.sleep(0.01)

    assert len(caplog.messages) == 1
    assert f"Port {number} is left to whoever has it" in caplog.messages[0]
