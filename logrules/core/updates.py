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
    work: int = 1
    """Pieces of work not done: being handled in line, and each task begun for it."""
    in_line: bool = True
    """Whether its turn has not come, or is not over."""


class Slow(NamedTuple):
    """An update that took too long, and counts as handled from now on."""

    id: int
    seconds: float


class Updates:
    """The updates of one poller. Times are seconds on one steady clock.

    Args:
        patience: Seconds after which an update counts as handled although it is not; 0: when it is fetched.

    Raises:
        ConfigError: `patience`, people's `ack_wait`, is below 0 or no number.
    """

    def __init__(self, patience: float) -> None:
        if not 0 <= patience < math.inf:
            raise ConfigError(f"ack_wait must be 0 or more seconds, and is {patience:g}: 60 is usual")
        self._patience = patience
        self._in_hand: dict[int, _Update] = {}
        self._known: set[int] = set()
        """All ids that would come again with the offset of the oldest in hand."""
        self._next: int | None = None

    def __len__(self) -> int:
        return len(self._in_hand)

    @property
    def in_line(self) -> int:
        """How many of them wait for their turn or have it; the others go on in tasks of their own."""
        return sum(update.in_line for update in self._in_hand.values())

    def offset(self, asked: int | None) -> int | None:
        """What to ask for next, which acknowledges all before it; `asked` as long as nothing was fetched."""
        if self._in_hand:
            return min(self._in_hand)
        return asked if self._next is None else self._next

    def fetched(self, ids: Iterable[int], now: float) -> set[int]:
        """These have come; returns those that are new."""
        ids = list(ids)
        new = {id_ for id_ in ids if id_ not in self._known}
        if new:
            self._next = max(new) + 1
        if self._patience:
            self._known |= new
            self._in_hand.update((id_, _Update(now)) for id_ in sorted(new))
        return new

    def begun(self, id_: int) -> None:
        """Another piece of work is done for this update, beside its turn."""
        if id_ in self._in_hand:
            self._in_hand[id_].work += 1

    def turn_over(self, id_: int) -> None:
        """It was handled in line."""
        if id_ in self._in_hand:
            self._in_hand[id_].in_line = False
            self.done(id_)

    def done(self, id_: int) -> None:
        """A piece of its work is done."""
        update = self._in_hand.get(id_)
        if update is not None:
            update.work -= 1
            if update.work <= 0:
                self._forget(id_)

    def forget(self, id_: int) -> None:
        """It counts as handled, whatever becomes of it."""
        if id_ in self._in_hand:
            self._forget(id_)

    def slow(self, now: float) -> list[Slow]:
        """Those whose patience is over; they count as handled."""
        late = [
            Slow(id_, now - update.fetched)
            for id_, update in self._in_hand.items()
            if now - update.fetched >= self._patience
        ]
        for update in late:
            self._forget(update.id)
        return late

    def due(self) -> float | None:
        """When the first of them will be slow."""
        fetched = [update.fetched for update in self._in_hand.values()]
        return min(fetched) + self._patience if fetched else None

    def _forget(self, id_: int) -> None:
        del self._in_hand[id_]
        oldest = self.offset(None)
        if not self._in_hand:
            self._known.clear()
        elif oldest is not None:
            self._known = {known for known in self._known if known >= oldest}
