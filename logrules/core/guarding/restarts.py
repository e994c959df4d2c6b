"""How long a start waits after its own fatal end: a platform that restarts at once would restart for ever."""

from __future__ import annotations

from typing import NamedTuple

SOON = 600.0
"""Seconds between a fatal end and the next one within which they belong together."""
FREE = 1
"""So many fatal ends in a row delay nothing: most of them are cured by the restart."""
FIRST, LONGEST = 5.0, 300.0
"""Seconds that the first start waits which is delayed, and the most that any waits."""


class Fatal(NamedTuple):
    """The last fatal end of a bot."""

    code: str
    at: float
    """Seconds since the epoch."""
    row: int = 1
    """How many there have been in a row."""


def next_fatal(last: Fatal | None, code: str, now: float) -> Fatal:
    """What to remember of a fatal end with `code`."""
    in_a_row = last is not None and 0 <= now - last.at <= SOON + delay(last, last.at)
    return Fatal(code, now, last.row + 1 if last is not None and in_a_row else 1)


def spread(seconds: float, share: float) -> float:
    """The delay, up to a quarter longer: bots that fell together must not all come back at once.

    Args:
        seconds: what is waited at least.
        share: from 0 to 1, by chance.
    """
    return seconds * (1.0 + share / 4.0)


def delay(last: Fatal | None, now: float) -> float:
    """Seconds that a start at `now` waits."""
    if last is None or last.row <= FREE:
        return 0.0
    doublings = min(last.row - FREE - 1, 10)
    whole: float = min(LONGEST, FIRST * 2.0**doublings)
    passed = now - last.at
    return max(0.0, whole - passed) if passed >= 0 else whole  # a clock that was set back proves nothing
