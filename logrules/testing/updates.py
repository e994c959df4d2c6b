"""getUpdates as the official Bot API server does it: the queue, the one parked poll, and who gets the 409.

Follows tdlib/telegram-bot-api (`Client.cpp`: process_get_updates_query, do_get_updates, abort_long_poll,
fail_query_conflict, long_poll_wakeup) and tdlib/td (`TQueue.cpp`). What surprises most:

- The *older* of two polls gets the conflict, and only if the newcomer parks, that is, has nothing to fetch.
- The second conflict within 3 s is told 3 s late: perhaps after the rival has died.
- A client that hangs up leaves its poll parked.
- An offset acknowledges on arrival, whether or not the answer is ever read.

All times are seconds of the server, see `Timing.second`.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

GET_UPDATES_CONFLICT: Final = (
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
)
SET_WEBHOOK_CONFLICT: Final = "Conflict: terminated by setWebhook request"
OTHER_SET_WEBHOOK_CONFLICT: Final = "Conflict: terminated by other setWebhook"
WEBHOOK_CONFLICT: Final = (
    "Conflict: can't use getUpdates method while webhook is active; "
    "use deleteWebhook to delete the webhook first"
)

_MAX_QUEUE: Final = 1_000_000
_FIRST_IDS: Final = range(2 * _MAX_QUEUE + 1, 1_000_000_000)
_MAX_BODY: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class Timing:
    """The server's time constants, in its own seconds; the defaults are the official server's.

    A test that waits for them sets `second` to, say, 0.02: then everything, the clients' own `timeout`
    included, passes fifty times as fast.
    """

    second: float = 1.0
    """How long one second of the server lasts, in real seconds."""
    conflict_window: float = 3.0
    """After a 409 that was answered at once, each further one within this time is delayed."""
    conflict_delay: float = 3.0
    """By how much."""
    short_poll: float = 3.0
    """A poll with a lower timeout, sooner than this after another with the same offset, gets this timeout."""
    hasty_poll: float = 0.5
    """A poll sooner than this after another with the same offset gets one update at most."""
    max_timeout: float = 50.0
    """The longest poll."""
    wait_after: float = 0.001
    """A parked poll is answered after this much quiet since the last update ..."""
    max_delay: float = 0.002
    """... and at the latest this long after the first."""
    keep: float = 86_400.0
    """An update that nobody fetches for this long is gone."""
    webhook_change: float = 0.0
    """How long it takes to verify a new webhook or to close an old one; meanwhile getUpdates conflicts."""
    set_webhook_every: float = 1.0
    """A second setWebhook within this time is answered 429."""


class Alarm(Protocol):
    """Something that will happen unless it is cancelled."""

    def cancel(self) -> None:
        """Let it not happen."""


class Clock(Protocol):
    """The server's clock."""

    def now(self) -> float:
        """Seconds of the server."""

    def later(self, delay: float, work: Callable[[], None]) -> Alarm:
        """Do `work` in `delay` seconds of the server."""


class LoopClock:
    """An event loop's clock, as fast as `Timing.second` wants it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timing: Timing) -> None:
        self._loop = loop
        self._second = timing.second

    def now(self) -> float:
        """Seconds of the server."""
        return self._loop.time() / self._second

    def later(self, delay: float, work: Callable[[], None]) -> Alarm:
        """Do `work` in `delay` seconds of the server."""
        return self._loop.call_later(delay * self._second, work)


class Reply(Protocol):
    """The way to answer one call."""

    def ok(self, result: Any, description: str | None = None) -> None:
        """Answer `result`."""

    def fail(self, code: int, description: str, retry_after: int | None = None) -> None:
        """Answer an error."""


class Update(NamedTuple):
    """An update that waits to be fetched and acknowledged."""

    id: int
    content: Mapping[str, Any]
    expires: float

    def as_json(self) -> dict[str, Any]:
        """As a client gets it."""
        return {"update_id": self.id, **self.content}


class UpdateQueue:
    """A bot's updates, oldest first."""

    def __init__(self, clock: Clock, keep: float) -> None:
        self.acknowledged: list[int] = []
        """Ids that a client's offset has confirmed."""
        self.dropped: list[int] = []
        """Ids that a negative offset, drop_pending_updates or logOut has destroyed, or that grew too old."""
        self._clock = clock
        self._keep = keep
        self._updates: list[Update] = []
        self._next = secrets.choice(_FIRST_IDS)

    @property
    def pending(self) -> list[Update]:
        """What nobody has acknowledged."""
        return list(self._updates)

    def push(self, content: Mapping[str, Any]) -> int:
        """Append an update; its id."""
        if len(self._updates) >= _MAX_QUEUE:
            raise OverflowError(f"the server keeps no more than {_MAX_QUEUE} updates")
        self._updates.append(Update(self._next, content, self._clock.now() + self._keep))
        self._next += 1
        return self._updates[-1].id

    def clear(self, keep: int = 0) -> None:
        """Destroy all but the last `keep`."""
        cut = max(len(self._updates) - keep, 0)
        self.dropped += [update.id for update in self._updates[:cut]]
        self._updates = self._updates[cut:]

    def get(self, offset: int, limit: int) -> list[Update]:
        """At most `limit` from `offset` on; those before it are acknowledged.

        An offset that is not positive, or more than 10 beyond the next id, means the oldest update.
        """
        self._expire()
        if 0 < offset <= self._next + 10:
            self.acknowledged += [update.id for update in self._updates if update.id < offset]
            self._updates = [update for update in self._updates if update.id >= offset]
        return self._updates[:limit]

    def _expire(self) -> None:
        now = self._clock.now()
        self.dropped += [update.id for update in self._updates if update.expires < now]
        self._updates = [update for update in self._updates if update.expires >= now]


class Parked(NamedTuple):
    """The poll that waits for an update."""

    reply: Reply
    offset: int
    limit: int
    hard_timeout: float
    woken: bool = False


class Polling:
    """The long polls of one bot: at most one is parked."""

    def __init__(self, queue: UpdateQueue, clock: Clock, timing: Timing) -> None:
        self.parked: Parked | None = None
        self._queue = queue
        self._clock = clock
        self._timing = timing
        self._alarm: Alarm | None = None
        self._last_offset = -1
        self._last_start = float("-inf")
        self._next_conflict = float("-inf")

    def get_updates(self, reply: Reply, *, offset: int = 0, limit: int = 100, timeout: float = 0) -> None:
        """Answer, or park."""
        limit = min(max(limit, 1), 100)
        timeout = min(max(timeout, 0), self._timing.max_timeout)
        now = self._clock.now()
        since = now - self._last_start if offset == self._last_offset else float("inf")
        if timeout < self._timing.short_poll and since < self._timing.short_poll:
            timeout = self._timing.short_poll
        if since < self._timing.hasty_poll:
            limit = 1
        self._last_offset, self._last_start = offset, now
        if offset < 0:
            self._queue.clear(keep=-offset)
        updates = self._queue.get(offset, limit)
        if updates or not timeout:
            _answer(reply, updates)
            return
        self.abort(GET_UPDATES_CONFLICT)
        self._park(Parked(reply, offset, limit, now + timeout))

    def abort(self, conflict: str) -> None:
        """End the parked poll, if there is one, with this conflict."""
        if self.parked is not None:
            self.conflict(self._unpark().reply, conflict)

    def conflict(self, reply: Reply, description: str) -> None:
        """Answer 409: at once, or late if another was answered just now."""
        now = self._clock.now()
        if now >= self._next_conflict:
            self._next_conflict = now + self._timing.conflict_window
            reply.fail(409, description)
        else:
            self._clock.later(self._timing.conflict_delay, lambda: reply.fail(409, description))

    def wake(self) -> None:
        """There is an update: answer the parked poll soon, after a moment for more of them."""
        if self.parked is None:
            return
        now = self._clock.now()
        if not self.parked.woken:
            hard = min(now + self._timing.max_delay, self.parked.hard_timeout)
            self.parked = self.parked._replace(hard_timeout=hard, woken=True)
        self._ring_at(min(now + self._timing.wait_after, self.parked.hard_timeout))

    def release(self) -> None:
        """Answer the parked poll now, with what there is: its time is up, or the bot is closed."""
        if self.parked is not None:
            poll = self._unpark()
            _answer(poll.reply, self._queue.get(poll.offset, poll.limit))

    def _park(self, poll: Parked) -> None:
        self.parked = poll
        self._ring_at(poll.hard_timeout)

    def _unpark(self) -> Parked:
        assert self.parked is not None
        poll, self.parked = self.parked, None
        self._silence()
        return poll

    def _ring_at(self, time: float) -> None:
        self._silence()
        self._alarm = self._clock.later(max(time - self._clock.now(), 0), self.release)

    def _silence(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


def _answer(reply: Reply, updates: list[Update]) -> None:
    """What fits into an answer of 4 MiB."""
    room = _MAX_BODY
    fitting = []
    for update in updates:
        room -= 50 + len(json.dumps(update.content, ensure_ascii=False).encode())
        if room <= 0:
            break
        fitting.append(update.as_json())
    reply.ok(fitting)
