"""Which fetched updates are not handled yet: Telegram forgets an update once a later one is asked for.

`getUpdates` with an offset deletes all updates below it (Bot API, getUpdates). Whoever asks for the next ones
as soon as the last ones have arrived, as python-telegram-bot does, loses what is in hand with the process.
So the offset asked for is the oldest update in hand; what then comes a second time is left out here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from logrules.core.model import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(slots=True)
class _Update:
    """An update in hand."""

    fetched: float
    begun: float | None = None
    """When its turn came."""
    turns: int = 0
    """How often it is being handled: a handler may hand it to the application once more."""
    tasks: int = 0
    """Tasks begun for it that are not done."""
    in_line: bool = True
    """Whether its turn has not come, or is not over."""
    told: bool = False
    """Whether Telegram may forget it although it is in hand."""


class Slow(NamedTuple):
    """An update that took too long, and counts as handled from now on."""

    id: int
    seconds: float


class Updates:
    """The updates of one poller. Times are seconds on one steady clock.

    Args:
        patience: Seconds of work after which an update counts as handled although it is not; 0: when it is
            fetched. One that waits in line is not worked on: it counts only where nothing is.

    Raises:
        ConfigError: `patience`, people's `ack_wait`, is below 0 or no number.
    """

    def __init__(self, patience: float) -> None:
        if not 0 <= patience < math.inf:
            raise ConfigError(f"ack_wait must be 0 or more seconds, and is {patience:g}: 60 is usual")
        self._patience = patience
        self._in_hand: dict[int, _Update] = {}
        self._known: set[int] = set()
        """All ids that the latest poll may bring once more: handled while it was away or not."""
        self._next: int | None = None
        self._turns = 0
        """Under way, of updates that count as handled too."""
        self._moved = -math.inf
        """When a turn was last over."""
        self.standstill: float | None = None
        """Since when updates wait and no turn has begun or ended; None while none waits."""

    def __len__(self) -> int:
        return len(self._in_hand)

    @property
    def in_line(self) -> int:
        """How many of them wait for their turn or have it; the others go on in tasks of their own."""
        return sum(update.in_line for update in self._in_hand.values())

    @property
    def waiting(self) -> list[int]:
        """Those that wait for their turn, the first one first."""
        return [id_ for id_, update in self._in_hand.items() if update.in_line and update.begun is None]

    @property
    def bars(self) -> bool:
        """Whether the next poll would bring any of them once more."""
        return any(not update.told for update in self._in_hand.values())

    def poll(self, asked: int | None) -> int | None:
        """The offset of a poll that begins now; the one before it is over."""
        offset = self.offset(asked)
        if offset is not None:
            self._known = {known for known in self._known if known >= offset}
        return offset

    def offset(self, asked: int | None) -> int | None:
        """What to ask for next, which acknowledges all before it; `asked` as long as nothing was fetched."""
        oldest = min((id_ for id_, update in self._in_hand.items() if not update.told), default=self._next)
        return asked if oldest is None else oldest

    def fetched(self, ids: Iterable[int], now: float) -> set[int]:
        """These have come; returns those that are new."""
        ids = list(ids)
        new = {id_ for id_ in ids if id_ not in self._known}
        if new:
            self._next = max(new) + 1
        if self._patience:
            self._known |= new
            self._in_hand.update((id_, _Update(now)) for id_ in sorted(new))
            if new and self.standstill is None:
                self.standstill = now
        return new

    def is_new(self, id_: int) -> bool:
        """Whether it has not come before; with no patience nobody keeps count."""
        return self._patience > 0 and id_ not in self._known

    def turn(self, id_: int, now: float) -> None:
        """It is being handled in line, or once more by its own handler."""
        self._turns += 1
        update = self._in_hand.get(id_)
        if update is not None:
            update.turns += 1
            update.begun = now if update.begun is None else update.begun
        self._moves(now)

    def turn_over(self, id_: int, now: float) -> None:
        """It was handled in line."""
        self._turns -= 1
        self._moved = now
        update = self._in_hand.get(id_)
        if update is not None:
            update.turns -= 1
            self._settle(id_)
        self._moves(now)

    def skipped(self, id_: int, now: float) -> None:
        """Its turn will never come: somebody between Telegram and the handlers has left it out."""
        self._moved = now
        self._settle(id_)
        self._moves(now)

    def _moves(self, now: float) -> None:
        """Those that still wait have waited for nothing until now."""
        self.standstill = now if self.waiting else None

    def begun(self, id_: int) -> None:
        """A task is at work on this update, beside its turn."""
        if id_ in self._in_hand:
            self._in_hand[id_].tasks += 1

    def done(self, id_: int) -> None:
        """A task of it is done."""
        update = self._in_hand.get(id_)
        if update is not None:
            update.tasks -= 1
            if not update.in_line:
                self._settle(id_)

    def told(self, id_: int) -> None:
        """Telegram is to forget it before it is handled."""
        if id_ in self._in_hand:
            self._in_hand[id_].told = True

    def forget(self, id_: int) -> None:
        """It counts as handled, whatever becomes of it."""
        if id_ in self._in_hand:
            self._forget(id_)

    def slow(self, now: float) -> list[Slow]:
        """Those whose patience is over; they count as handled."""
        late = [
            Slow(id_, now - since)
            for id_, since in self._worked_on().items()
            if now - since >= self._patience
        ]
        for update in late:
            self._forget(update.id)
        return late

    def due(self) -> float | None:
        """When the first of them will be slow; None while none can be."""
        since = self._worked_on().values()
        return min(since) + self._patience if since else None

    def _worked_on(self) -> dict[int, float]:
        """Since when each has taken time of its own."""
        return {
            id_: max(update.fetched, self._moved) if update.begun is None else update.begun
            for id_, update in self._in_hand.items()
            if update.begun is not None or not self._turns
        }

    def _settle(self, id_: int) -> None:
        """Its turn is over, if no handler has it any more."""
        update = self._in_hand.get(id_)
        if update is not None and update.turns <= 0:
            update.in_line = False
            if update.tasks <= 0:
                self._forget(id_)

    def _forget(self, id_: int) -> None:
        del self._in_hand[id_]
