"""What the watch has still to read: bounded, and never waited for longer than the command can afford.

One thread puts, another takes. Where reading does not keep up, the oldest bytes are let go unread, and
counted: what a command said last says most about its end. Their line goes with them, so that nobody's words
come to stand at the start of a line where they did not stand.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from logrules.core.model import EVENTS, Chunk, Origin
from logrules.sources.child import READ

if TYPE_CHECKING:
    from collections.abc import Callable

    Item = Chunk | Callable[[], None]

LIMIT = 1024 * 1024
"""Bytes that wait at most."""
LAST_WORDS = 256 * 1024
"""Bytes of these that are still read once the command has ended."""
PACE, OVER = 280e6, 0.05
"""Bytes a second to which a full inbox holds the command, and to no less: beyond that they go unread.

Over so many seconds: who reads fast enough, but was kept from the processor for a moment, can make up for it.
"""


class Inbox:
    """Chunks and calls, in their order."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._size = 0
        self._torn: set[Origin] = set()
        """Streams whose next chunk does not follow upon the one before it."""
        self._unread = 0
        self._due = 0.0
        """When what was put would all be here at that pace."""
        self.is_pressed = False
        """The command prints faster than it can be read, and than it is passed on: it would be held up."""

    def put(self, chunk: Chunk) -> None:
        """Take in what was read, and wait a little where there is no room."""
        with self._changed:
            is_full = self._size >= LIMIT
            self.is_pressed = is_full and len(chunk.data) >= READ
            now = time.monotonic()
            if is_full and self._due > now:
                self._changed.wait_for(lambda: self._size < LIMIT, self._due - now)
                now = time.monotonic()
            self._due = min(max(self._due, now) + len(chunk.data) / PACE, now + OVER)
            self._items.append(chunk)
            self._size += len(chunk.data)
            self._make_room(LIMIT)
            self._changed.notify()

    def call(self, run: Callable[[], None]) -> None:
        """Have `run` called after all that was put before."""
        with self._changed:
            self._items.append(run)
            self._changed.notify()

    def hurry(self) -> None:
        """The command has ended: only its last words are still waited for."""
        with self._changed:
            self._make_room(LAST_WORDS)

    def take(self) -> Item:
        """The next one; waits for it."""
        with self._changed:
            while (item := self._next()) is None:
                self._changed.wait()
            return item

    def take_now(self) -> Item | None:
        """The next one; None if there is none yet."""
        with self._changed:
            return self._next()

    def _next(self) -> Item | None:
        while self._items:
            item = self._items.popleft()
            if not isinstance(item, Chunk):
                return item
            self._size -= len(item.data)
            self._changed.notify()
            whole = item if item.origin not in self._torn else self._mended(item)
            if whole is not None:
                return whole
        return None

    def unread(self) -> int:
        """How many bytes were let go since this was last asked."""
        with self._changed:
            count, self._unread = self._unread, 0
            return count

    def _make_room(self, limit: int) -> None:
        """Let go of the oldest bytes; a guarded bot's own events are no output, and stay."""
        kept: list[Item] = []
        while self._size > limit and len(self._items) > 1:
            item = self._items.popleft()
            if not isinstance(item, Chunk) or item.origin.stream == EVENTS:
                kept.append(item)
                continue
            self._size -= len(item.data)
            self._unread += len(item.data)
            self._torn.add(item.origin)
        self._items.extendleft(reversed(kept))

    def _mended(self, chunk: Chunk) -> Chunk | None:
        """`chunk` from its first whole line on; None if it holds no line's end, or nothing behind one."""
        _, end, rest = chunk.data.partition(b"\n")
        self._unread += len(chunk.data) - len(rest)
        if not end:
            return None
        self._torn.discard(chunk.origin)
        return chunk._replace(data=b"\n" + rest)
