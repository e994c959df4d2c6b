"""A stretch of network that can break: TCP through a process that forgets to pass it on.

What `cut` leaves is what a partition leaves: both ends believe in their connection, and no byte, no end and
no reset comes through any more. A server keeps the session of a client that has long gone.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self

from logrules.testing.ports import HOST

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

_BYTES = 1 << 16


class TcpProxy:
    """Listens on 127.0.0.1 and passes connections on to a port there.

        with TcpProxy(postgres.port) as proxy:
            connection = await asyncpg.connect(host="127.0.0.1", port=proxy.port)
            proxy.cut()             # a partition, for the connections that are open
            proxy.cut(new=True)     # and for those to come
            proxy.heal()            # new connections come through again; what was cut stays cut

    Args:
        target: the port to pass connections on to.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.accepted = 0
        """How many connections there were."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._open: set[asyncio.Event] = set()
        self._new_are_cut = False

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self, *, new: bool = False) -> None:
        """Every open connection goes silent for good; with `new`, so does each one to come."""
        self._run(self._cut(new=new))

    def heal(self) -> None:
        """Connections to come are passed on again."""
        self._new_are_cut = False

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _cut(self, *, new: bool) -> None:
        self._new_are_cut = new
        for silenced in self._open:
            silenced.set()

    async def _close(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        silenced = asyncio.Event()
        self._open.add(silenced)
        if self._new_are_cut:
            return
        try:
            there_reader, there = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(there)
        await asyncio.gather(_pass(reader, there, silenced), _pass(there_reader, writer, silenced))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silenced: asyncio.Event) -> None:
    """Bytes and their end from here to there, until silenced; then neither."""
    try:
        while data := await reader.read(_BYTES):
            if not silenced.is_set():
                writer.write(data)
    except OSError:
        pass
    if not silenced.is_set():
        writer.close()
