"""Loopback ports that stay ours while nobody listens on them."""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"
_BELOW_EPHEMERAL = range(16_000, 32_000)
"""Systems hand out higher ports to outgoing connections: one of those could take the port of a server that is
down for a moment, or, on loopback, connect to itself and answer in its place."""


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on and no outgoing connection will be given."""
    for port in random.sample(_BELOW_EPHEMERAL, k=200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port on {HOST} between {_BELOW_EPHEMERAL[0]} and {_BELOW_EPHEMERAL[-1]}")
