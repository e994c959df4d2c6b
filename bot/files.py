"""Files on their way to an answer: a bounded queue, so that nobody's file is everybody's delay."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bot import worker
from bot.archives import RefusedError
from bot.reading import read_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from bot.reading import Reading

LARGEST = 20_000_000
"""Bytes: https://core.telegram.org/bots/api#getfile"""
SMALL = 256_000
"""Bytes of plain text that are read at once, in a thread: a process would take longer to start."""
WAITING = 16
"""Files that wait for their turn, of all people together; further ones are asked to come again."""

_ARCHIVES = (b"\x1f\x8b", b"PK")


class BusyError(Exception):
    """Too many files wait already."""


class Queue:
    """Small files do not wait for large ones, and of those one at a time is in memory."""

    def __init__(self) -> None:
        self._lanes = {True: asyncio.Semaphore(2), False: asyncio.Semaphore(1)}
        self._waiting = 0

    @asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Wait for it. Raises BusyError."""
        if self._waiting >= WAITING:
            raise BusyError
        self._waiting += 1
        try:
            async with self._lanes[size <= SMALL]:
                yield
        finally:
            self._waiting -= 1


async def read(
    download: Callable[[], Awaitable[bytearray]], tell: Callable[[float], None] = lambda _: None
) -> Reading:
    """Fetch a file and say what is in it. Raises RefusedError."""
    data = await download()
    if len(data) > LARGEST:
        raise RefusedError("gone")
    if len(data) <= SMALL and not data.startswith(_ARCHIVES):
        return await asyncio.to_thread(read_file, bytes(data))
    return await worker.read(data, tell)
