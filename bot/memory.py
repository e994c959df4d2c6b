"""What the bot remembers, in memory only and never much: its latest answers, and who writes how fast."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")

ANSWERS = 1000
"""Answers whose buttons work."""
DAY = 86400.0
USERS = 4096
"""People whose pace is known."""


class Recent(Generic[T]):
    """The latest things by their keys; older ones are forgotten.

    Args:
        size: How many.
        lasts: Seconds, each.
        clock: In seconds.
    """

    def __init__(self, size: int, lasts: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._lasts = lasts
        self._clock = clock
        self._items: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def keep(self, key: Hashable, item: T) -> None:
        """Remember it, for a while."""
        self._items[key] = self._clock() + self._lasts, item
        self._items.move_to_end(key)
        while len(self._items) > self._size or next(iter(self._items.values()))[0] < self._clock():
            self._items.popitem(last=False)

    def get(self, key: Hashable) -> T | None:
        """What was kept; None if that was too long ago."""
        until, item = self._items.get(key, (0.0, None))
        return item if until >= self._clock() else None


class Pace:
    """How fast each person may go: some at once, then so many a second.

    Args:
        burst: Messages at once.
        rate: Messages a second after that.
        clock: In seconds.
    """

    NOTICE = 30.0
    """Seconds between two words to somebody who is too fast."""

    def __init__(self, burst: int, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._rate = rate
        self._clock = clock
        self._left: Recent[tuple[float, float]] = Recent(USERS, DAY, clock)
        self._told: Recent[bool] = Recent(USERS, self.NOTICE, clock)

    def admits(self, who: int) -> bool:
        """Whether one more message is taken now."""
        now = self._clock()
        left, since = self._left.get(who) or (float(self._burst), now)
        left = min(self._burst, left + (now - since) * self._rate)
        self._left.keep(who, (left - 1 if left >= 1 else left, now))
        return left >= 1

    def tells(self, who: int) -> bool:
        """Whether somebody who is too fast is to be told so: once in a while, or we would be as fast."""
        if self._told.get(who):
            return False
        self._told.keep(who, True)  # noqa: FBT003 - all there is to know
        return True
