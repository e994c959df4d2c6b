"""What a 409 from getUpdates leads to: wait, yield, or end.

Telegram lets the newest poller win and gives the older one the 409, at once or three seconds late, perhaps
after its rival has gone. So one conflict proves nothing; two of them do, if they lie far enough apart, while
a lock that was proved each time says that it is nobody of ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from logrules.core import faults

if TYPE_CHECKING:
    from collections.abc import Iterator

DELAY = 3.0
"""Seconds by which the Bot API server may delay a 409: two within it may stem from one rival poll."""
PAUSES = (4.0, 8.0, 16.0, 30.0)
"""Seconds without polling after the first, second, … conflict of an incident; each exceeds `DELAY`."""
YIELDS = 3
"""The so-manieth yield within `Policy.yields_within` is a conflict."""

OTHER, WEBHOOK = "other_getupdates", "webhook_active"

_REASONS = (
    (WEBHOOK, re.compile(r"\bConflict: can't use getUpdates method while webhook is active")),
    (WEBHOOK, re.compile(r"\bConflict: terminated by (?:other )?setWebhook")),
    (OTHER, re.compile(r"\bConflict: terminated by other (?:getUpdates|long poll)")),
)
_TYPES = {"Conflict", "TelegramConflictError"}


def conflict(error: BaseException) -> str | None:
    """The reason of the conflict that `error` is or carries as its cause; None if it is none.

    Told by its type or by Telegram's own words, in an exception of any type; never by the digits 409.
    """
    for link in _chain(error):
        words = str(link)
        for reason, pattern in _REASONS:
            if pattern.search(words):
                return reason
        if type(link).__name__ in _TYPES and type(link).__module__.split(".")[0] in {"telegram", "aiogram"}:
            return OTHER
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How patient to be with a conflict; seconds.

    Raises:
        ConfigError: two settings contradict each other; names both.
    """

    window: float = 60.0
    """LOGRULES_CONFLICT_GRACE: two conflicts so close together are one rival. 0: the first one is enough."""
    overlap: float = 0.0
    """LOGRULES_OVERLAP: conflicts so soon after LOCK_ACQUIRED are the deploy's, and nobody's fault."""
    yield_for: float = 120.0
    """How long an instance without a proved lock steps back."""
    yields_within: float = 600.0

    def __post_init__(self) -> None:
        if min(self.window, self.overlap) < 0:
            raise faults.CONFLICT_NEGATIVE.error()
        if 0 < self.window <= PAUSES[0] + DELAY:
            raise faults.CONFLICT_SHORT.error(least=PAUSES[0] + DELAY)
        if self.window + PAUSES[-1] + DELAY >= self.yield_for:
            most = self.yield_for - PAUSES[-1] - DELAY
            raise faults.CONFLICT_LONG.error(most=most, seconds=self.yield_for)

    @property
    def budget(self) -> float:
        """Seconds after LOCK_ACQUIRED in which no conflict counts; below 0 without a grace."""
        return self.overlap if self.window else -1.0


class Verdict(StrEnum):
    """What a conflict is; each but `PAUSE` is said."""

    SUSPECTED = "CONFLICT_SUSPECTED"
    YIELDED = "CONFLICT_YIELDED"
    PROVED = "CONFLICT_409"
    PAUSE = ""


class Decision(NamedTuple):
    """What to do about a conflict."""

    verdict: Verdict
    pause: float
    """Seconds without polling."""


class Conflicts:
    """The conflicts of one process, and what they add up to. Times are seconds on one steady clock."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._last: float | None = None
        """Of the open incident, if one is open."""
        self._pauses = 0
        self._counted: list[float] = []
        self._yields: list[float] = []

    def seen(self, now: float, *, proved: bool, held_for: float) -> Decision:
        """A conflict at `now`, `held_for` seconds after the lock was acquired."""
        fresh = self.over(now) or self._last is None
        self._last = now
        if not proved:
            return self._yielded(now)
        if held_for > self.policy.budget and self._second(now):
            return Decision(Verdict.PROVED, 0.0)
        self._pauses = 1 if fresh else self._pauses + 1
        pause = PAUSES[min(self._pauses, len(PAUSES)) - 1]
        return Decision(Verdict.SUSPECTED if fresh else Verdict.PAUSE, pause)

    def over(self, now: float) -> bool:
        """Whether the open incident has come to its end by now; says so once."""
        # Within one incident lie at most the longest pause, a long poll and the server's delay.
        if self._last is None or now - self._last <= max(self.policy.window, 2 * PAUSES[-1]):
            return False
        self._last = None
        return True

    def _second(self, now: float) -> bool:
        """Whether this conflict completes a pair; it is remembered for the next one."""
        if not self.policy.window:
            return True
        self._counted = [time for time in self._counted if now - time <= self.policy.window]
        completes = any(now - time > DELAY for time in self._counted)
        self._counted.append(now)
        return completes

    def _yielded(self, now: float) -> Decision:
        self._yields = [time for time in self._yields if now - time <= self.policy.yields_within]
        self._yields.append(now)
        if len(self._yields) >= YIELDS:
            return Decision(Verdict.PROVED, 0.0)
        return Decision(Verdict.YIELDED, self.policy.yield_for)
