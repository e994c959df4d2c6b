"""Files on their way to an answer: a bounded queue, so that nobody's file is everybody's delay."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bot import worker
from bot.archives import RefusedError, is_archive
from bot.reading import read_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from bot.reading import Reading
    from bot.worker import Tell

LARGEST = 20_000_000
"""Bytes: https://core.telegram.org/bots/api#getfile"""
SMALL = 256_000
"""Bytes of plain text that are read at once, in a thread: a process would take longer to start."""
WAITING = 32
"""Files that wait for their turn, of all people together; further ones are asked to come again.

Each is an update in hand, and of those Telegram hands out a hundred at once.
"""
OF_ONE = 10
"""Of one person: as many as an album has."""


class BusyError(Exception):
    """Too many files wait already."""


class Queue:
    """Small files do not wait for large ones, of which one at a time is in memory; nor people for people.

    Of everybody one file at a time is read, or whoever sends ten would have the others wait for all ten.
    """

    def __init__(self) -> None:
        self._lanes = {True: asyncio.Semaphore(2), False: asyncio.Semaphore(1)}
        self._waiting: Counter[int] = Counter()
        self._one: dict[int, asyncio.Lock] = {}

    @asynccontextmanager
    async def turn(self, who: int, size: int) -> AsyncIterator[None]:
        """Wait for it. Raises BusyError."""
        if self._waiting[who] >= OF_ONE or self._waiting.total() >= WAITING:
            raise BusyError
        self._waiting[who] += 1
        try:
            async with self._one.setdefault(who, asyncio.Lock()), self._lanes[size <= SMALL]:
                yield
        finally:
            self._waiting[who] -= 1
            if not self._waiting[who]:
                del self._waiting[who], self._one[who]


async def read(
    download: Callable[[], Awaitable[bytearray]], size: int, tell: Tell = lambda _share, _reading: None
) -> Reading:
    """Fetch a file and say what is in it. Raises RefusedError.

    Args:
        download: Fetches it.
        size: In bytes, as it is said to be; 0 if nobody knows.
        tell: Hears which share of a large one is read, and what was found by then.
    """

    async def fetched() -> bytearray:
        data = await download()
        if len(data) > LARGEST:
            raise RefusedError("gone")
        return data

    if size > SMALL:
        return await worker.read(fetched, tell)
    data = await fetched()
    if len(data) <= SMALL and not is_archive(data):
        return await asyncio.to_thread(read_file, bytes(data))

    async def here() -> bytearray:
        return data

    return await worker.read(here, tell)
