"""The opt-in mirror in PostgreSQL: what survives a platform that throws the disk away.

    local file ──── ledger, fold ────▶ one transaction ◀──── other instances, `logrules silence`

The local store decides and sends; this one only carries. A thread of its own, with its own event loop and one
connection, brings both to agree at the start, soon after each change, and now and then: rows of incidents and
silences in both directions, alerts that nobody has taken yet to whoever lives. An alert belongs to the keeper
that holds it for as long as that one says so at least every `LEASE` seconds; what a killed process leaves is
the next one's after that. Every clock in it is the server's.

A mirror that cannot be used is said once, and costs nothing else. It works through a pooler, too.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

import asyncpg

from logrules.core.alerting.ledger import ALERT, REFUSED, Ledger, Row, of_rows, rows
from logrules.core.guarding.lease import UnavailableError
from logrules.core.model import LogrulesError
from logrules.trust import with_system_roots

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    from logrules.core.alerting.ledger import Keeper
    from logrules.core.alerting.silences import Silence
    from logrules.core.guarding.database_url import DatabaseUrl

T = TypeVar("T")

BEAT = 10.0
"""Seconds between two looks while nothing changes: so late a bot hears of a silence."""
LEASE = 30.0
"""Seconds for which an alert belongs to a keeper that says nothing."""
TOGETHER = 0.05
"""Seconds in which changes gather."""
CONNECT, ANSWER = 5.0, 5.0
"""Seconds for one attempt to connect, and for one round."""
STAND = 4.0
"""Seconds after which the server ends a round of which it hears nothing more: the others wait for it."""
LONGEST_PAUSE = 60.0
REMEMBERED = 30 * 86400.0
"""Seconds for which an alert that its receiver has refused is shown."""
LEFT = 120.0
"""Seconds after which the server may end a session of ours that has gone silent."""
NAME_BYTES = 63

# In two halves, which look like no bot's lock. Whoever is stopped while it has it does not stop the others.
_LOCK = """set local lock_timeout = '{wait}ms'; set local idle_in_transaction_session_timeout = '{stand}ms';
 select pg_advisory_xact_lock(1819240306, 1)"""
_SCHEMA = """
create table logrules.state (
 kind text, service text, key text, data bytea not null, owner text not null, until timestamptz not null,
 primary key (kind, service, key))"""
_READ = f"""select kind, service, key, owner, until < now() as free, sha256(data) as digest,
  case when kind in ('incident', 'silence')
    or (kind = '{ALERT}' and owner <> $3 and until < now() and split_part(key, '/', 2) = any($2))
   then data end as data
 from logrules.state where service = any($1)"""  # noqa: S608  # our own words
_ALL = "select kind, service, key, data from logrules.state"
_WRITE = """insert into logrules.state (kind, service, key, data, owner, until)
 values ($1, $2, $3, $4, $5, now() + $6 * interval '1 second')
 on conflict (kind, service, key)
 do update set data = excluded.data, owner = excluded.owner, until = excluded.until"""
_DROP = "delete from logrules.state where kind = $1 and service = $2 and key = $3"
_BEAT = f"""update logrules.state set until = now() + $2 * interval '1 second'
 where kind = '{ALERT}' and owner = $1"""  # noqa: S608
_SWEEP = f"delete from logrules.state where kind = '{REFUSED}' and until < now()"  # noqa: S608


class MirrorError(LogrulesError):
    """There is no mirror at that address."""


class Mirror:
    """Keeps a local store and the database in agreement. Thread-safe; never raises.

    Args:
        url: Where.
        keeper: The local store.
        on_agreed: Called in the mirror's thread after the first round, and after each that brought anything.
        on_failure: Called with a text for the operator, once for each time that the mirror goes away.
        name: Who we are, as other sessions see it.
        service: Ours; those that the local store knows come along.
        sinks: Receivers that we can send to: what waits for others is left to others.
    """

    def __init__(
        self,
        url: DatabaseUrl,
        keeper: Keeper,
        on_agreed: Callable[[], object],
        on_failure: Callable[[str], None],
        *,
        name: str,
        service: str,
        sinks: Sequence[str],
    ) -> None:
        self._url = url
        self._keeper = keeper
        self._name = name
        self._service = service
        self._sinks = list(sinks)
        self._on_agreed = on_agreed
        self._on_failure = on_failure
        self._news = threading.Condition()
        self._asked, self._done = 1, 0
        self._failures = 0
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="logrules-mirror", daemon=True)

    def start(self) -> None:
        """Begin: the first round reads what survived."""
        self._thread.start()

    def wake(self) -> None:
        """Something has changed in the local store."""
        with self._news:
            self._asked += 1
        self._nudge()

    def settle(self, seconds: float) -> bool:
        """Wait until both agree, at most so long, and not at all for one that is away; whether they do."""
        with self._news:
            self._news.wait_for(
                lambda: self._done >= self._asked or self._failures or self._stopping, seconds
            )
            return self._done >= self._asked

    def close(self, seconds: float) -> None:
        """A last round, which leaves our alerts to whoever comes next; then let go."""
        self._stopping = True
        self._nudge()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _nudge(self) -> None:
        loop = self._loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(self._woken.set)
            except RuntimeError:
                pass  # it has ended

    # In the mirror's thread from here on

    def _run(self) -> None:
        asyncio.run(self._drive())

    async def _drive(self) -> None:
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        while not self._stopping:
            try:
                async with await _Session.opened(self._url, self._name, make=True) as session:
                    await self._keep(session)
            except Exception as error:  # noqa: BLE001  # whatever it is, alerts go on without the mirror
                self._failed(error)
                await self._rest(min(LONGEST_PAUSE, 2.0 ** min(self._failures - 1, 10)))

    async def _keep(self, session: _Session) -> None:
        while not self._stopping:
            self._woken.clear()
            await self._round(session, LEASE)
            await self._wait(BEAT)
            await asyncio.sleep(TOGETHER)
        await self._round(session, 0.0)

    async def _rest(self, seconds: float) -> None:
        """Leave a database alone that is away, whatever changes here meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stopping:
            self._woken.clear()
            await self._wait(left)

    async def _wait(self, seconds: float) -> None:
        if not self._stopping:
            try:
                async with asyncio.timeout(seconds):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def _round(self, session: _Session, lease: float) -> None:
        asked, is_first = self._asked, not self._done
        brought = await session.bounded(session.agree(self._keeper, self._service, self._sinks, lease))
        with self._news:
            self._done, self._failures = asked, 0
            self._news.notify_all()
        if brought or is_first:
            self._on_agreed()

    def _failed(self, error: Exception) -> None:
        with self._news:
            self._failures += 1
            is_new = self._failures == 1
            self._news.notify_all()
        if is_new:
            self._on_failure(_told(error, self._url))


class MirrorDesk:
    """The same database for a person with a command: all that it holds, of every bot.

    Raises:
        MirrorError: No bot has one there.
        UnavailableError: It cannot be used; by each method, too.
    """

    def __init__(self, url: DatabaseUrl) -> None:
        self._url = url
        self._runner = asyncio.Runner()
        try:
            self._session = self._run(_Session.opened(url, "logrules-state/command", make=False))
        except BaseException:
            self._runner.close()
            raise

    def ledger(self) -> Ledger:
        """All that it holds."""
        return of_rows(Row(*record) for record in self._run(self._session.fetch(_ALL)))

    def silence(self, silence: Silence) -> None:
        """Keep nobody, or again somebody, from being told; running bots hear of it within `BEAT` seconds."""
        (row,) = rows(Ledger([], [], [silence], []))
        self._run(self._session.fetch(_WRITE, *row, "", 0.0))

    def close(self) -> None:
        """Let go of the connection."""
        self._session.connection.terminate()
        self._runner.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._runner.run(work)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
            raise UnavailableError(_told(error, self._url)) from error


class _Theirs(NamedTuple):
    """What the database says of one row."""

    owner: str
    free: bool
    digest: bytes


class _Session:
    """One connection, and the rounds over it."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    @classmethod
    async def opened(cls, url: DatabaseUrl, name: str, *, make: bool) -> Self:
        connection = await asyncpg.connect(
            with_system_roots(url.dsn),
            timeout=min(url.connect_timeout or CONNECT, CONNECT),
            statement_cache_size=0,  # a prepared statement does not survive a pooler
            server_settings={"application_name": name.encode("ascii", "replace").decode()[:NAME_BYTES]},
        )
        session = cls(connection)
        try:
            await session.bounded(session._begin(make=make))
        except BaseException:
            connection.terminate()
            raise
        return session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.connection.terminate()

    async def bounded(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of `work` in time. Else the connection is dropped: a rollback could wait for ever."""
        task = asyncio.ensure_future(work)
        await asyncio.wait({task}, timeout=ANSWER)
        if not task.done():
            self.connection.terminate()
            task.cancel()
            await asyncio.wait({task})
            raise TimeoutError
        return task.result()

    async def _begin(self, *, make: bool) -> None:
        """See to it that the session does not outlive us for long, and make what is missing, if we may."""
        connection = self.connection
        async with (
            connection.transaction()
        ):  # or a pooler would deal out another session between two messages
            if await connection.fetchval("select pg_backend_pid()") == connection.get_server_pid():
                await self._limit()
            if await connection.fetchval("select to_regclass('logrules.state') is not null"):
                return
            if not make:
                raise MirrorError(
                    "no bot has kept anything there yet: LOGRULES_STATE_URL must be the bot's own"
                )
            await self._lock()
            if await connection.fetchval("select to_regnamespace('logrules') is null"):
                await connection.execute("create schema logrules")
            if await connection.fetchval("select to_regclass('logrules.state') is null"):
                await connection.execute(_SCHEMA)

    async def _lock(self) -> None:
        """One round at a time."""
        await self.connection.execute(_LOCK.format(wait=int(ANSWER * 1000), stand=int(STAND * 1000)))

    async def _limit(self) -> None:
        try:
            async with self.connection.transaction():
                await self.connection.execute(f"set idle_session_timeout = '{LEFT:g}s'")
        except asyncpg.PostgresError:
            pass  # a server before version 14

    async def fetch(self, query: str, *values: object) -> Any:
        """The rows that a statement gives."""

        async def work() -> Any:
            async with self.connection.transaction():
                return await self.connection.fetch(query, *values)

        return await self.bounded(work())

    async def agree(self, keeper: Keeper, service: str, sinks: Sequence[str], lease: float) -> bool:
        """One round: theirs into ours, then what is new with us into theirs; whether theirs brought anything.

        The local store takes in what it is given before the database hands it over for good.
        """
        before = keeper.ledger()
        services = sorted({"", service, *_services(before)})
        async with self.connection.transaction():
            await self._lock()
            found = await self.connection.fetch(_READ, services, list(sinks), before.keeper)
            theirs = {
                (record["kind"], record["service"], record["key"]): _Theirs(
                    record["owner"], record["free"], record["digest"]
                )
                for record in found
            }
            brought = [
                Row(r["kind"], r["service"], r["key"], r["data"]) for r in found if r["data"] is not None
            ]
            after = keeper.fold(of_rows(brought))
            await self._write(after, theirs, lease)
        return after._replace(resting=before.resting) != before

    async def _write(self, ours: Ledger, theirs: dict[tuple[str, str, str], _Theirs], lease: float) -> None:
        kept = {(row.kind, row.service, row.key): row for row in rows(ours)}
        shelf = {ALERT: lease, REFUSED: REMEMBERED}
        for which, row in kept.items():
            if _is_news(row, theirs.get(which), ours.keeper):
                await self.connection.execute(_WRITE, *row, ours.keeper, shelf.get(row.kind, 0.0))
        for which, known in theirs.items():
            if which[0] in shelf and known.owner == ours.keeper and which not in kept:
                await self.connection.execute(_DROP, *which)
        await self.connection.execute(_BEAT, ours.keeper, lease)
        await self.connection.execute(_SWEEP)


def _services(ledger: Ledger) -> Iterator[str]:
    yield from (row.service for row in ledger.incidents)
    yield from (waiting.alert.service for waiting in ledger.waiting)


def _is_news(row: Row, known: _Theirs | None, keeper: str) -> bool:
    """Whether the database is to take this row: what somebody else holds is left to that one."""
    if known is None:
        return True
    if row.kind == ALERT and known.owner != keeper:
        return known.free
    return known.digest != hashlib.sha256(row.data).digest()


def _told(error: Exception, url: DatabaseUrl) -> str:
    """Why the mirror is of no use, for an operator."""
    where = f"database {url.database!r} at {url.host} (LOGRULES_STATE_URL)"
    if isinstance(error, TimeoutError):
        return f"The {where} did not answer in time"
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return (
            f"The {where} has no schema that we may use: {error}. Have its owner run once, for the user in "
            "that address: CREATE SCHEMA logrules AUTHORIZATION <user>"
        )
    return f"The {where} cannot be used: {str(error) or type(error).__name__}"
