"""The lock's state table: (state, event) → state, code, action.

The table is the machine: `TABLE` has one row per cell, and a reader can check it by eye. Whoever drives it
does what `action` says and comes back with the event that came of it. An event that the state does not expect
is an error and changes nothing.

What it does not promise: the lock is no fencing token for Telegram, which takes none. It rests on the *rate*
of clocks, never on what time they show.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple, Protocol

from logrules.core import faults
from logrules.core.model import LogrulesError

if TYPE_CHECKING:
    from collections.abc import Callable


class State(StrEnum):
    """Where the lock stands."""

    NEW = "new"
    CONNECTING = "connecting"
    TRYING = "trying"
    WAITING = "waiting"
    PROVING = "proving"
    GRACE = "grace"
    HOLDING = "holding"
    LOST = "lost"
    RELEASING = "releasing"
    RELEASED = "released"
    FAILED = "failed"

    @property
    def holds(self) -> bool:
        """Whether the lock is ours, settled or not."""
        return self in {State.GRACE, State.HOLDING}


class Event(StrEnum):
    """What came of an action, or befell the lock meanwhile."""

    START = "start"
    CONNECTED = "connected"
    UNREACHABLE = "unreachable"
    FULL = "full"
    UNREACHABLE_TOO_LONG = "unreachable too long"
    FULL_TOO_LONG = "full too long"
    REFUSED = "refused"
    MISCONFIGURED = "misconfigured"
    POOLED = "pooled"
    GRANTED = "granted"
    BUSY = "busy"
    PROVED = "proved"
    BROKEN = "broken"
    SETTLED = "settled"
    REGAINED = "regained"
    DENIED = "denied"
    FENCED = "fenced"
    STOP = "stop"
    UNLOCKED = "unlocked"


class Action(StrEnum):
    """What to do next."""

    CONNECT = "connect"  # until connected; comes back whenever the trouble is worth a line
    TRY = "try"
    WAIT = "wait"  # until granted; comes back whenever the waiting is worth a line
    PROVE = "prove"
    KEEP = "keep"  # alive, with proof after proof
    REACQUIRE = "reacquire"  # one bounded attempt
    UNLOCK = "unlock"
    END = "end"


class Step(NamedTuple):
    """One cell of the table."""

    state: State
    code: str | None
    action: Action

    @property
    def fatal(self) -> bool:
        """Whether the process is to end for it."""
        return self.state is State.FAILED


TABLE: dict[tuple[State, Event], Step] = {
    (State.NEW, Event.START): Step(State.CONNECTING, None, Action.CONNECT),
    (State.NEW, Event.STOP): Step(State.RELEASED, None, Action.END),
    (State.CONNECTING, Event.CONNECTED): Step(State.TRYING, None, Action.TRY),
    (State.CONNECTING, Event.UNREACHABLE): Step(State.CONNECTING, "DB_UNREACHABLE", Action.CONNECT),
    (State.CONNECTING, Event.FULL): Step(State.CONNECTING, "DB_TOO_MANY_CONNECTIONS", Action.CONNECT),
    (State.CONNECTING, Event.UNREACHABLE_TOO_LONG): Step(State.FAILED, "DB_UNREACHABLE", Action.END),
    (State.CONNECTING, Event.FULL_TOO_LONG): Step(State.FAILED, "DB_TOO_MANY_CONNECTIONS", Action.END),
    (State.CONNECTING, Event.REFUSED): Step(State.FAILED, "DB_AUTH_FAILED", Action.END),
    (State.CONNECTING, Event.MISCONFIGURED): Step(State.FAILED, "CONFIG_INVALID", Action.END),
    (State.CONNECTING, Event.POOLED): Step(State.FAILED, "LOCK_POOLER", Action.END),
    (State.CONNECTING, Event.STOP): Step(State.RELEASED, None, Action.END),
    (State.TRYING, Event.GRANTED): Step(State.PROVING, None, Action.PROVE),
    (State.TRYING, Event.BUSY): Step(State.WAITING, "LOCK_WAITING", Action.WAIT),
    (State.TRYING, Event.BROKEN): Step(State.CONNECTING, "DB_CONNECTION_LOST", Action.CONNECT),
    (State.TRYING, Event.STOP): Step(State.RELEASED, None, Action.END),
    (State.WAITING, Event.GRANTED): Step(State.PROVING, None, Action.PROVE),
    (State.WAITING, Event.BUSY): Step(State.WAITING, "LOCK_WAITING", Action.WAIT),
    (State.WAITING, Event.BROKEN): Step(State.CONNECTING, "DB_CONNECTION_LOST", Action.CONNECT),
    (State.WAITING, Event.STOP): Step(State.RELEASED, None, Action.END),
    # A grant may be read long after it was given: nothing rests on it before a fresh proof.
    (State.PROVING, Event.PROVED): Step(State.GRACE, "LOCK_ACQUIRED", Action.KEEP),
    (State.PROVING, Event.BROKEN): Step(State.CONNECTING, "DB_CONNECTION_LOST", Action.CONNECT),
    (State.PROVING, Event.STOP): Step(State.RELEASED, None, Action.END),
    (State.GRACE, Event.SETTLED): Step(State.HOLDING, "KEEPALIVE_STARTED", Action.KEEP),
    (State.GRACE, Event.BROKEN): Step(State.LOST, "LOCK_LOST", Action.REACQUIRE),
    (State.GRACE, Event.STOP): Step(State.RELEASING, None, Action.UNLOCK),
    (State.HOLDING, Event.BROKEN): Step(State.LOST, "LOCK_LOST", Action.REACQUIRE),
    (State.HOLDING, Event.STOP): Step(State.RELEASING, None, Action.UNLOCK),
    # No proof came in time, nor any word from whoever asks for them: the kernel is about to end the process.
    (State.HOLDING, Event.FENCED): Step(State.FAILED, "LOCK_FENCED", Action.END),
    (State.LOST, Event.REGAINED): Step(State.HOLDING, "LOCK_REACQUIRED", Action.KEEP),
    (State.LOST, Event.DENIED): Step(State.FAILED, "LOCK_REACQUIRE_FAILED", Action.END),
    (State.LOST, Event.BROKEN): Step(State.FAILED, "LOCK_REACQUIRE_FAILED", Action.END),
    (State.LOST, Event.STOP): Step(State.RELEASED, None, Action.END),
    (State.LOST, Event.FENCED): Step(State.FAILED, "LOCK_FENCED", Action.END),
    # A connection that breaks while unlocking has let the lock go all the same: the server frees it.
    (State.RELEASING, Event.UNLOCKED): Step(State.RELEASED, "LOCK_RELEASED", Action.END),
    (State.RELEASING, Event.BROKEN): Step(State.RELEASED, "LOCK_RELEASED", Action.END),
    (State.RELEASING, Event.FENCED): Step(State.FAILED, "LOCK_FENCED", Action.END),
}


class UnexpectedEventError(LogrulesError):
    """The lock's state expects no such event; nothing has changed."""


class Lease:
    """The lock's state, moved by events only."""

    def __init__(self) -> None:
        self.state = State.NEW

    def on(self, event: Event) -> Step:
        """Move on. Raises UnexpectedEventError where the table has no such cell."""
        step = TABLE.get((self.state, event))
        if step is None:
            raise UnexpectedEventError(f"the lock is {self.state} and cannot be told {event!r}")
        self.state = step.state
        return step


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """Every duration of the lock, in seconds; its inequalities are checked when it is built.

    Raises:
        ConfigError: two of them contradict each other; names both, and the settings that they come from.
    """

    lease: float = 30.0
    """The server frees the lock of a session that has been silent for so long (`idle_session_timeout`)."""
    dropped: float = 30.0
    """The server's TCP gives a silent connection up: as soon as the lease, never before the fence."""
    keepalive: float = 5.0
    """Between two proofs."""
    answer: float = 10.0
    """A proof that takes longer counts as a loss."""
    fence: float = 20.0
    """After its last proof a holder does not live: early enough that nobody else holds the lock yet."""
    chunk: float = 10.0
    """The server lets go of a waiter so often (`lock_timeout`): bounds the life of a dead one's place."""
    check: float = 2.0
    """How often the server looks whether a waiter's connection still lives."""
    grace: float = 2.0
    """After a takeover that nobody announced; strict is `fence` + 1."""
    connect: float = 5.0
    """For one attempt to connect."""
    patience: float = 300.0
    """A database that stays away so long at the start is given up."""
    drain: float = 15.0
    """For the handlers' last work on the way out: below a platform's 30 s between TERM and KILL."""
    blocked: float = 5.0
    """A handler that holds the bot's event loop for so long is warned about."""

    @classmethod
    def scaled(cls, lease: float, **given: float) -> Timers:
        """The usual ones in proportion to the lease, but for those that are given.

        Raises ConfigError as the class itself does.
        """
        usual = cls()
        names = ("lease", "dropped", "keepalive", "answer", "fence", "chunk")
        shares = {name: getattr(usual, name) / usual.lease for name in names}
        return cls(**{**{name: lease * share for name, share in shares.items()}, **given})

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not (value > 0 or (name == "grace" and value == 0)):
                said = f"{name} (LOGRULES_{name.upper()})" if name in OPERATORS else name
                raise faults.TIMER_ZERO.error(timer=said, value=value)
        soft = self.fence - SOFT
        least = max(self.answer, POLL)
        must = (
            (self.keepalive + least < soft, "keepalive + answer", f"fence - {SOFT:g}", faults.LEASE_OR_FENCE),
            (self.fence + MARGIN <= self.lease, f"fence + {MARGIN:g}", "lease", faults.LEASE_OR_FENCE),
            (self.fence + MARGIN <= self.dropped, f"fence + {MARGIN:g}", "dropped", faults.LEASE_OR_FENCE),
            (2 * self.check <= self.chunk, "2 x check", "chunk", faults.LEASE),
        )
        for holds, less, more, settings in must:
            if not holds:
                raise faults.TIMERS_CROSSED.error(less=less, more=more, settings=settings)


OPERATORS = ("lease", "fence", "grace", "drain", "patience")
"""The timers that an operator may set, as `LOGRULES_<NAME>`; what else depends on the lease follows it."""
SOFT = 2.0
"""Seconds before the fence from which on a holder does not poll."""
LAST_WORD = 1.5
"""Seconds before the fence at which LOCK_FENCED is said: time to write it, and its alert."""
POLL = 2.0
"""Seconds that a proof must allow for at least: a shorter poll is not worth while."""
MARGIN = 1.0
"""Seconds by which the server's patience outlasts the fence."""


def strict(timers: Timers) -> float:
    """The grace after which no holder lives, whatever became of it: what `LOGRULES_GRACE=strict` means."""
    return timers.fence + MARGIN


def is_clean(timers: Timers, *, announced: bool, waited: bool, server_age: float) -> bool:
    """Whether a grant needs no grace: the last holder has said that it is done, or there was none.

    Nobody there when we came proves little: a server that has started since the last possible fence has
    forgotten a holder that may still be polling, and so has one where somebody ended the session of a holder
    that is cut off. Strict timers take the holder's own word alone. That word is enough everywhere: who gives
    it has waited itself for whoever was before.
    """
    return announced or (not waited and server_age >= timers.fence and timers.grace < strict(timers))


def notice(count: int) -> float:
    """Seconds after which the line number `count` about a wait is due: at once, 10, 30, 60, then every 60."""
    return (0.0, 10.0, 30.0, 60.0)[count] if count < 4 else 60.0 * (count - 2)  # noqa: PLR2004 - the row's length


def bot_id(token: str) -> str:
    """The public part of a bot token. Raises ConfigError for what is no token."""
    head, colon, _ = token.strip().partition(":")
    if not (colon and head.isascii() and head.isdigit()):
        raise faults.TOKEN_MALFORMED.error()
    return head


def lock_key(bot: str) -> int:
    """The advisory lock of a bot, from its public id: 64 bits, signed, the same on every machine."""
    digest = blake2b(bot.encode(), digest_size=8, person=b"logrules-poll-1").digest()
    return int.from_bytes(digest, "big", signed=True)


class Holder(NamedTuple):
    """Who holds the lock, as far as the world can tell."""

    instance: str
    since: float | None
    """Seconds that it has been connected."""
    silent: float | None
    """Seconds since its last proof."""
    pid: int | None = None
    waiters: int = 0
    foreign: bool = False
    """Whether it is none of ours: some other program has taken a lock with the same number."""
    former: bool = False
    """Whether it is the session that we had before this one: the server does not know yet that it is dead."""


class Seat(NamedTuple):
    """One session at a lock, as anybody can see it who asks the server."""

    key: int
    holds: bool
    """Else it waits."""
    service: str
    instance: str
    release: str
    """Its commit; empty if it did not say."""
    pid: int
    held: float | None
    """Seconds since it was given the lock; None if it waits, or did not say."""
    connected: float | None
    """Seconds; None where its role is not ours."""
    silent: float | None
    """Seconds since it last spoke: of a holder, since its last proof. None where its role is not ours."""
    foreign: bool
    """Whether it is none of ours, and stands in the way of one."""


class Held(NamedTuple):
    """A lock that `logrules run --lock` holds for the bot inside, as it tells it through the environment."""

    provable: bool
    """As of its session: whether nobody else in the world holds it, rather than nobody on this host."""
    key: int
    epoch: int

    def told(self) -> str:
        """In one word, for `heard`."""
        return f"{'world' if self.provable else 'host'}:{self.key}:{self.epoch}"

    @classmethod
    def heard(cls, told: str) -> Held:
        """What was told. Raises ConfigError for what never was."""
        where, *numbers = told.split(":")
        if where not in {"world", "host"} or len(numbers) != len(cls._fields) - 1:
            raise faults.HELD.error()
        try:
            return cls(where == "world", *map(int, numbers))
        except ValueError as error:
            raise faults.HELD.error() from error


class Grant(NamedTuple):
    """What is known right after a grant, freshly asked."""

    epoch: int
    """Grows with every grant: tells two holders apart."""
    server_age: float
    """Seconds that whatever keeps the lock has been up."""


class OpeningError(LogrulesError):
    """What keeps the lock does not take us; its code may tell more than one reason."""

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class UnavailableError(OpeningError):
    """It cannot be reached now; waiting may help."""

    event = Event.UNREACHABLE
    too_long = Event.UNREACHABLE_TOO_LONG


class FullError(UnavailableError):
    """It has no connection to spare."""

    event = Event.FULL
    too_long = Event.FULL_TOO_LONG


class RefusedError(OpeningError):
    """It does not let us in; waiting does not help."""

    event = Event.REFUSED


class MisconfiguredError(RefusedError):
    """Our own setting makes no sense to it."""

    event = Event.MISCONFIGURED


class PooledError(RefusedError):
    """Between us and the server something deals sessions out by the transaction: a lock would be nobody's."""

    event = Event.POOLED


class BrokenError(LogrulesError):
    """The connection that the lock lives on is gone."""


class Session(Protocol):
    """What keeps a lock: one connection to a server, or one open file. Not for use from two threads."""

    kind: str
    """`postgres`, `file`, or `wrapper` where one holds it for us."""
    provable: bool
    """Whether it shows that nobody else in the world holds the lock, rather than nobody on this host."""
    announced: bool
    """Whether the last holder has said that it is done."""

    def facts(self) -> dict[str, object]:
        """What to say of it beside LOCK_ACQUIRED: no secret."""

    async def connect(self, lost: Callable[[str], None]) -> tuple[str, ...]:
        """Open it; `lost` is called with the reason as soon as it breaks.

        Returns the guarantees that it cannot give. Raises UnavailableError or RefusedError.
        """

    async def try_lock(self) -> bool:
        """Take the lock if it is free. Raises BrokenError."""

    async def wait_lock(self, seconds: float) -> bool:
        """Take the lock if it becomes free within `seconds`. Raises BrokenError."""

    async def holder(self) -> Holder | None:
        """Who has it. Raises BrokenError."""

    async def evict(self) -> bool:
        """End what former sessions of ours hold or wait for; whether there was any. Raises BrokenError."""

    async def prove(self) -> bool:
        """Whether this very session holds the lock now. Raises BrokenError."""

    async def granted(self) -> Grant:
        """What to know after a grant; tells the others that it happened. Raises BrokenError."""

    async def unlock(self) -> None:
        """Announce that we are done, then let go. Raises BrokenError."""

    def terminate(self) -> None:
        """Drop everything at once, lock included. Never raises, never blocks."""


class Fence(Protocol):
    """What ends the process at a moment that only a further proof can put off."""

    def extend(self, deadline: float) -> None:
        """The process ends at `deadline`, in seconds on the keeper's clock, and not before."""

    def disarm(self) -> None:
        """It does not end."""


class Run(NamedTuple):
    """A time for which an instance held the lock."""

    instance: str
    pid: int
    since: float
    """When it was granted, in seconds since the epoch."""
    epoch: int


class Runs(Protocol):
    """What a killed process cannot say, its successor says: which runs have begun and not ended."""

    def begin(self, epoch: int) -> list[Run]:
        """Note that ours has begun; gives the earlier ones that ended without a word, each of them once."""

    def end(self) -> None:
        """Ours ends in order. Safe to call twice."""
