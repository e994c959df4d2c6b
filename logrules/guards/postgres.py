"""The lock in PostgreSQL: a session advisory lock on a connection of its own, leased by the server.

`idle_session_timeout` (PostgreSQL 14+) is the lease: the server ends a session that stays silent, and its
lock with it, whether the holder was stopped, frozen or cut off. A proof is one statement in autocommit, since
neither inside a transaction nor while a statement runs does that clock tick. Nor does it between the messages
of a statement that is parsed, flushed and then bound, as the driver does it: a holder or a waiter that is cut
off just there would be left alone for ever. So whatever is asked while the lock is held or waited for is one
message: a simple query, or a statement prepared before.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import socket
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import asyncpg

from logrules.core.guarding.lease import (
    BrokenError,
    FullError,
    Grant,
    Holder,
    MisconfiguredError,
    PooledError,
    RefusedError,
    Seat,
    Timers,
    UnavailableError,
)
from logrules.forks import empty, in_children
from logrules.trust import with_system_roots

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from datetime import datetime

    from logrules.core.guarding.database_url import DatabaseUrl

STEALS = 3
"""Rounds of the search for a pooler; each of them was enough with every one that was tried."""
STEAL = 1.0
"""Seconds for an answer that comes at once, or, from a pool of one that is taken, not at all."""
REMEMBERED = 20
"""Former sessions of ours that may still be alive on the server."""
NAME_BYTES = 63
"""PostgreSQL cuts application_name there."""

# The key as pg_locks shows it: high half, low half, and 1 for a single 64-bit key.
_ROW = """locktype = 'advisory' and objsubid = 1
 and database = (select oid from pg_database where datname = current_database())
 and classid = (({key} >> 32) & 4294967295)::oid and objid = ({key} & 4294967295)::oid"""

_PROOF = f"""select where pg_backend_pid() = {{pid}} and current_setting('logrules.nonce', true) = '{{nonce}}'
 and not pg_is_in_recovery()
 and exists(select from pg_locks where {_ROW}
   and pid = pg_backend_pid() and granted and mode = 'ExclusiveLock')"""  # noqa: S608 - numbers and a nonce

_THIS_ROW = _ROW.format(key="$1::int8")
_FORMER = "(l.pid, a.backend_start) in (select * from unnest($2::int4[], $3::timestamptz[]))"
"""A process id may be dealt out again; together with its start it is one session for ever."""

_HOLDER = f"""select l.pid, a.application_name, l.granted, coalesce({_FORMER}, false) as former,
   extract(epoch from clock_timestamp() - a.backend_start)::float8 as since,
   extract(epoch from clock_timestamp() - a.state_change)::float8 as silent
 from pg_locks l left join pg_stat_activity a using (pid) where {_THIS_ROW}"""  # noqa: S608 - a constant

_SEATS = """with seat as (
 select (l.classid::int8 << 32) | l.objid::int8 as key, l.granted, l.pid,
  coalesce(a.application_name, '') as name,
  extract(epoch from clock_timestamp())::float8 as now,
  extract(epoch from clock_timestamp() - a.backend_start)::float8 as connected,
  extract(epoch from clock_timestamp() - a.state_change)::float8 as silent
 from pg_locks l left join pg_stat_activity a using (pid)
 where locktype = 'advisory' and objsubid = 1
  and database = (select oid from pg_database where datname = current_database()))
select * from seat where key in (select key from seat where name like 'logrules/%') or key = $1::int8
order by key, granted desc, connected desc"""

_SERVER = """select split_part(current_setting('server_version'), ' ', 1) as version,
 pg_is_in_recovery() as replica, extract(epoch from clock_timestamp())::float8 as now,
 current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
  - coalesce(current_setting('reserved_connections', true)::int, 0) as of_all, r.rolconnlimit as of_role,
 d.datconnlimit as of_database,
 (select count(*) from pg_stat_activity where datid is not null)::int as by_all,
 (select count(*) from pg_stat_activity where usename = current_user)::int as by_role,
 (select count(*) from pg_stat_activity where datname = current_database())::int as by_database
from pg_roles r, pg_database d where r.rolname = current_user and d.datname = current_database()"""
"""A limit of -1 is none."""

_EVICT = f"""select pg_terminate_backend(l.pid)
 from pg_locks l join pg_stat_activity a using (pid) where {_THIS_ROW} and {_FORMER}"""  # noqa: S608 - a constant

_GRANT = """select txid_current(),
   extract(epoch from clock_timestamp() - pg_postmaster_start_time())::float8,
   set_config('application_name', $1 || '@' || to_hex(extract(epoch from clock_timestamp())::int8), false)"""

_NAME = re.compile(r"logrules/([^/]*)/([^/]*)/([^/@]*)(?:@(?:([0-9a-f]{8})|.*))?")
"""What `application_name` makes, with what a grant adds to it if there is room."""

_POOLERS_SAY = ("unsupported startup parameter", "transaction blocks not allowed")
"""PgBouncer, of a setting in the greeting, and of a BEGIN in statement mode."""
_NO_TLS = "rejected SSL upgrade"
"""The driver, of a server that has none."""
_MARK = "select current_setting('logrules.nonce', true)"

_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
_ENDED = "the database ended the lock's connection"
_ENDS = (  # what a question in flight gets where it does
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.InternalClientError,  # asked between the server's last word and its hanging up
)
_NO_ENTRY = (
    asyncpg.InvalidAuthorizationSpecificationError,  # and the wrong password
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)
_NOT_HERE = (  # what a server says of a setting that it does not have
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidParameterValueError,
    asyncpg.FeatureNotSupportedError,
    asyncpg.InsufficientPrivilegeError,
)
_ENDS_OF_A_WAIT = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)
"""The server's `lock_timeout`, or an operator who cancels a query that seems to hang."""
_CANCELS = 3
"""A proof that an operator cancels is asked again so often: pg_cancel_backend takes no lock away."""


def application_name(service: str, instance: str, release: str | None) -> str:
    """What other sessions see of us: `logrules/service/instance/commit`, in 63 bytes of ASCII.

    A grant adds when it was, by the server's clock, if that fits: `@` and the seconds as eight hex digits.
    """
    parts = [part.encode("ascii", "replace").decode().replace("/", "_") for part in (service, instance)]
    commit = (release or "")[:7].encode("ascii", "replace").decode().replace("/", "_")
    room = NAME_BYTES - len("logrules///") - len(commit)
    service, instance = parts
    service = service[: max(room // 2, room - len(instance))]
    return f"logrules/{service}/{instance[: room - len(service)]}/{commit}"


class PostgresSession:
    """One connection, and the advisory lock that lives and dies with it.

    Args:
        url: where.
        key: the lock's 64-bit key.
        name: application_name, see above.
        timers: the lease, and what else the server is told.
    """

    kind = "postgres"
    provable = True
    LEASE: ClassVar = "idle_session_timeout"

    def __init__(self, url: DatabaseUrl, key: int, name: str, timers: Timers) -> None:
        self.url = url
        self.key = key
        self._key = f"'{key}'::int8"
        self.name = name
        self.timers = timers
        self.announced = False
        self._dsn = with_system_roots(url.dsn)
        self._channel = f"logrules_{key & (1 << 64) - 1:016x}"
        self._nonce = ""
        self._pid = 0
        self._prepared: dict[str, Any] = {}
        self._sessions: list[tuple[int, datetime]] = []
        """Of this process, the newest last: process ids and starts of backends."""
        self._lock_timeout = 0.0
        self._connection: Any = None
        in_children(self._leave_to_parent)

    def facts(self) -> dict[str, object]:
        """Which lock, and where."""
        return {"kind": self.kind, "key": self.key, "database": self.url.database, "host": self.url.host}

    async def connect(self, lost: Callable[[str], None]) -> tuple[str, ...]:
        """A new session, leased. See `core.guarding.lease.Session`."""
        self.terminate()
        limit = min(self.url.connect_timeout or self.timers.connect, self.timers.connect)
        try:
            with _opening(self.url):
                _look_for_certificates(self.url)
                async with asyncio.timeout(limit):
                    return await self._open(lost)
        except BaseException:
            self.terminate()
            raise

    async def _open(self, lost: Callable[[str], None]) -> tuple[str, ...]:
        connection = await asyncpg.connect(
            self._dsn,
            timeout=self.timers.connect,
            statement_cache_size=0,  # a prepared statement does not survive a pooler
            server_settings={"application_name": self.name},
        )
        self._connection = connection
        connection.add_termination_listener(lambda _: self._ended(connection, lost))
        await _refuse_pooler(connection, self._dsn, self.url, self.timers)
        if await connection.fetchval("select pg_is_in_recovery()"):
            raise UnavailableError(
                f"The lock's database {self.url.database!r} at {self.url.host} is a read-only replica",
                "replica",
            )
        lacking = await self._lease(connection)
        self._nonce = secrets.token_hex(8)
        self._pid, start = await connection.fetchrow(
            "select pid, backend_start from pg_stat_activity, set_config('logrules.nonce', $1, false)"
            " where pid = pg_backend_pid()",
            self._nonce,
        )
        self._sessions = [*self._sessions[-REMEMBERED:], (self._pid, start)]
        self.announced = False
        self._prepared = {query: await connection.prepare(query) for query in (_HOLDER, _EVICT, _GRANT)}
        await connection.add_listener(self._channel, self._heard)
        return lacking

    async def _lease(self, connection: Any) -> tuple[str, ...]:
        """Tell the server its duties; the name of the one that it does not take, if any."""
        timers = self.timers
        self._lock_timeout = timers.chunk
        settings = {
            self.LEASE: _ms(timers.lease),
            "lock_timeout": _ms(timers.chunk),
            "statement_timeout": "0",  # a role's own would end our wait,
            "transaction_timeout": "0",  # and this one, from PostgreSQL 17 on, our session
            "client_connection_check_interval": _ms(timers.check),
            "tcp_keepalives_idle": str(max(1, int(timers.dropped / 2))),
            "tcp_keepalives_interval": str(max(1, int(timers.dropped / 6))),
            "tcp_keepalives_count": "3",
            "tcp_user_timeout": _ms(timers.dropped),
        }
        for name, value in settings.items():
            try:
                await connection.execute(f"select set_config('{name}', '{value}', false)")
            except _NOT_HERE:
                pass  # read back below
        taken = await connection.fetchval("select setting from pg_settings where name = $1", self.LEASE)
        return () if taken == str(int(timers.lease * 1000)) else (self.LEASE,)

    def _ended(self, connection: Any, lost: Callable[[str], None]) -> None:
        if connection is self._connection:
            lost(_ENDED)

    def _heard(self, _connection: Any, pid: int, _channel: str, said: object) -> None:
        if pid != self._pid:
            self.announced = said == "clean"  # a grant to somebody else takes the announcement back

    async def try_lock(self) -> bool:
        """See `core.guarding.lease.Session`."""
        return await self._rows(f"select where pg_try_advisory_lock({self._key})") > 0

    async def wait_lock(self, seconds: float) -> bool:
        """See `core.guarding.lease.Session`. The server ends the wait: a cancelled one can leak the lock."""
        try:
            if seconds != self._lock_timeout:
                await self._rows(f"select set_config('lock_timeout', '{_ms(seconds)}', false)")
                self._lock_timeout = seconds
            await self._rows(f"select pg_advisory_lock({self._key})", *_ENDS_OF_A_WAIT)
        except _ENDS_OF_A_WAIT:
            return False
        return True

    async def holder(self) -> Holder | None:
        """See `core.guarding.lease.Session`."""
        with _while_open():
            rows = await self._statement(_HOLDER).fetch(self.key, *self._former())
        held = [row for row in rows if row["granted"]]
        if not held:
            return None
        row = held[0]
        name = row["application_name"]
        # Another role's session shows neither its start nor its state.
        return Holder(
            _instance(name, row["pid"]),
            _rounded(row["since"]),
            _rounded(row["silent"]),
            row["pid"],
            len(rows) - len(held),
            foreign=name is not None and not name.startswith("logrules/"),
            former=row["former"],
        )

    async def evict(self) -> bool:
        """See `core.guarding.lease.Session`. A partition leaves them behind; every role may end its own."""
        with _while_open():
            return bool(await self._statement(_EVICT).fetch(self.key, *self._former()))

    def _former(self) -> tuple[list[int], list[datetime]]:
        former = self._sessions[:-1]
        return [pid for pid, _ in former], [start for _, start in former]

    async def prove(self) -> bool:
        """Whether this backend is ours, no replica, and holds the lock: one statement, 0.1 ms on loopback."""
        proof = _PROOF.format(pid=self._pid, nonce=self._nonce, key=self._key)
        for _ in range(_CANCELS):
            try:
                return await self._rows(proof, asyncpg.QueryCanceledError) > 0
            except asyncpg.QueryCanceledError:
                continue
        return False

    async def granted(self) -> Grant:
        """See `core.guarding.lease.Session`. The transaction id needs no table and grows with every grant."""
        with _while_open():
            epoch, age, _ = await self._statement(_GRANT).fetchrow(self.name)
        await self._rows(f"select pg_notify('{self._channel}', 'held')")
        return Grant(epoch, age)

    async def unlock(self) -> None:
        """Announce, then let go: two statements, for a NOTIFY is heard only after its own commit."""
        await self._rows(f"select pg_notify('{self._channel}', 'clean')")
        await self._rows(f"select pg_advisory_unlock({self._key})")

    def terminate(self) -> None:
        """See `core.guarding.lease.Session`. Never `close()`, which can wait for ever."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    def _leave_to_parent(self) -> None:
        """In a child made by fork: else the server would not notice the parent's death before the lease ends.

        Not by the driver's own means, which would take the connection out of the loop that both share.
        """
        if self._connection is not None:
            transport = self._connection._transport  # noqa: SLF001 - asyncpg has no other way to its socket
            found = transport.get_extra_info("socket")
            if found is not None and found.fileno() >= 0:
                empty(found.fileno())

    @property
    def _open_connection(self) -> Any:
        if self._connection is None:
            raise BrokenError("the lock's connection is closed")
        return self._connection

    def _statement(self, query: str) -> Any:
        if self._connection is None:
            raise BrokenError("the lock's connection is closed")
        return self._prepared[query]

    async def _rows(self, query: str, *harmless: type[Exception]) -> int:
        """Run it in one message; how many rows came of it."""
        with _while_open(*harmless):
            tag: str = await self._open_connection.execute(query)
        return int(tag.rpartition(" ")[2])


async def seats(url: DatabaseUrl) -> list[Seat]:
    """Who holds and who waits for the lock of each bot in this database, holders first.

    Raises UnavailableError or RefusedError.
    """
    with _opening(url):
        _look_for_certificates(url)
        connection = await asyncpg.connect(
            with_system_roots(url.dsn),
            timeout=url.connect_timeout or Timers().connect,
            statement_cache_size=0,
            server_settings={"application_name": "logrules-status"},
        )
        try:
            async with asyncio.timeout(Timers().answer):
                return [_seat(row) for row in await connection.fetch(_SEATS, None)]
        finally:
            connection.terminate()


async def _refuse_pooler(connection: Any, dsn: str, url: DatabaseUrl, timers: Timers) -> bool:
    """Tell a pooler that deals sessions out by the transaction, before anything rests on this one.

    Behind a pooler the process id of the greeting is not the backend's. That alone is no fault: in
    session mode the backend stays ours. So a second connection opens a transaction, which makes a pooler
    of the other kind give it the backend that we had, and we look for what we left there.

    Returns whether there is a pooler at all. Raises PooledError.
    """
    if await connection.fetchval("select pg_backend_pid()") == connection.get_server_pid():
        return False
    thief = await asyncpg.connect(dsn, timeout=timers.connect, statement_cache_size=0)
    try:
        for _ in range(STEALS):
            mark = secrets.token_hex(8)
            await connection.fetchval("select set_config('logrules.nonce', $1, false)", mark)
            await thief.execute("begin; select 1")
            if await _within(STEAL, connection.fetchval(_MARK)) != mark:
                raise PooledError(
                    f"Behind {url.host} a pooler gives every transaction another session: "
                    "the lock would be nobody's. Set DATABASE_URL to the direct address"
                )
            await thief.execute("rollback")
    finally:
        thief.terminate()
    return True


class Server(NamedTuple):
    """A database server, as somebody sees it who is about to keep a lock there."""

    version: str
    replica: bool
    now: float
    """Its clock, in seconds since the epoch, when the question came."""
    used: int
    most: int
    """Connections that there are and may be: of the server, the role or the database, whichever has the
    fewest left."""
    leases: bool
    """Whether it ends sessions that fall silent, if it is told to."""
    pooled: bool
    """Whether something stands in between; it keeps sessions, or there would be no answer."""
    seats: list[Seat]
    """Who holds this bot's lock and who waits for it, and those of other bots."""


async def examine(url: DatabaseUrl, key: int | None, timers: Timers) -> Server:
    """Look at the database, and at who has the lock with this key; take nothing, leave nothing.

    One connection, closed at once; two where a pooler stands in between, for that is how its kind is told.

    Raises UnavailableError or RefusedError.
    """
    with _opening(url):
        _look_for_certificates(url)
        dsn = with_system_roots(url.dsn)
        connection = await asyncpg.connect(
            dsn,
            timeout=min(url.connect_timeout or timers.connect, timers.connect),
            statement_cache_size=0,
            server_settings={"application_name": "logrules-doctor"},
        )
        try:
            async with asyncio.timeout(timers.answer):
                pooled = await _refuse_pooler(connection, dsn, url, timers)
                row = await connection.fetchrow(_SERVER)
                seats = [_seat(row) for row in await connection.fetch(_SEATS, key)]
                leases = await _takes(connection, PostgresSession.LEASE, timers.lease)
                return Server(
                    row["version"], row["replica"], row["now"], *_tightest(row), leases, pooled, seats
                )
        finally:
            connection.terminate()


def _tightest(row: Any) -> tuple[int, int]:
    """Of the limits that there are, the one that is nearest."""
    limits = [(row[f"by_{whose}"], row[f"of_{whose}"]) for whose in ("all", "role", "database")]
    return min((each for each in limits if each[1] >= 0), key=lambda each: int(each[1] - each[0]))


async def _takes(connection: Any, name: str, seconds: float) -> bool:
    """Whether the server takes this setting; it is gone again with the statement's own transaction."""
    try:
        await connection.fetchval(f"select set_config('{name}', '{_ms(seconds)}', true)")
    except _NOT_HERE:
        return False
    return True


def _seat(row: Any) -> Seat:
    ours = _parsed(row["name"])
    granted = ours.granted if ours and row["granted"] else None
    return Seat(
        key=row["key"],
        holds=row["granted"],
        service=ours.service if ours else "",
        instance=_instance(row["name"], row["pid"]),
        release=ours.release if ours else "",
        pid=row["pid"],
        held=None if granted is None else _rounded(row["now"] - granted),
        connected=_rounded(row["connected"]),
        silent=_rounded(row["silent"]),
        foreign=ours is None,
    )


def _look_for_certificates(url: DatabaseUrl) -> None:
    """The driver's own error for a missing file is that of a server whose socket is not there yet."""
    for option, file in url.certificates:
        if not os.access(file, os.R_OK):
            raise MisconfiguredError(
                f"DATABASE_URL: {option} names a file that is not there, or not readable"
            )


async def _within(seconds: float, query: Awaitable[Any]) -> Any:
    """What the query gives, or None if it takes longer; its connection is of no more use then."""
    task = asyncio.ensure_future(query)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.wait({task}, timeout=seconds)
    return task.result() if task.done() else None


@contextmanager
def _opening(url: DatabaseUrl) -> Iterator[None]:
    """What goes wrong on connecting, as what it means. The server's texts name no password."""
    where = f"The lock's database {url.database!r} at {url.host}"
    try:
        yield
    except ssl.SSLCertVerificationError as error:  # a ValueError, too; it may be renewed, or our clock be set
        why = error.verify_message or _text(error)
        raise UnavailableError(f"{where} shows a certificate that is not trusted: {why}") from error
    except ValueError as error:  # asyncpg.ClientConfigurationError, or a host name that is none
        raise MisconfiguredError(f"DATABASE_URL: the driver does not take it: {error}") from error
    except _NO_ENTRY as error:
        missing = isinstance(error, asyncpg.InvalidCatalogNameError)
        reason = "database_missing" if missing else None
        raise RefusedError(f"{where} refuses us: {error}", reason) from error
    except asyncpg.TooManyConnectionsError as error:
        raise FullError(f"{where} has no connection to spare: {error}") from error
    except TimeoutError as error:
        raise UnavailableError(f"{where} did not answer in time") from error
    except socket.gaierror as error:
        raise UnavailableError(f"{where}: its name cannot be resolved: {error.strerror}", "dns") from error
    except _LOST as error:
        text = _text(error)
        if any(said in text for said in _POOLERS_SAY):
            raise PooledError(
                f"{where} is a pooler: {text}. Set DATABASE_URL to the direct address"
            ) from error
        if _NO_TLS in text:
            raise MisconfiguredError(
                f"{where} has no TLS, which DATABASE_URL asks for: leave sslmode out of it, "
                "or take the address that has TLS"
            ) from error
        raise UnavailableError(f"{where} cannot be reached: {text}") from error


@contextmanager
def _while_open(*harmless: type[Exception]) -> Iterator[None]:
    """An error means that the connection is of no use any more, but for the harmless ones."""
    try:
        yield
    except harmless:
        raise
    except _ENDS as error:
        raise BrokenError(f"{_ENDED} ({_text(error)})") from error
    except _LOST as error:
        raise BrokenError(_text(error)) from error


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _ms(seconds: float) -> str:
    return str(int(seconds * 1000))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(max(0.0, seconds), 1)


class _Name(NamedTuple):
    """An application_name of ours, taken apart."""

    service: str
    instance: str
    release: str
    granted: int | None
    """When it was given the lock, in seconds since the epoch."""


def _parsed(name: str) -> _Name | None:
    """None for one of somebody else's."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return _Name(found[1], found[2], found[3], int(found[4], 16) if found[4] else None)


def _instance(name: str | None, pid: int) -> str:
    """The instance in an application_name of ours, else what there is."""
    ours = _parsed(name or "")
    return ours.instance if ours else name or f"backend {pid}"
