"""The lock against a real PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
import time
from contextlib import contextmanager

import pytest

from logrules.core.guarding.database_url import parse
from logrules.core.guarding.lease import (
    BrokenError,
    FullError,
    MisconfiguredError,
    RefusedError,
    State,
    Timers,
    UnavailableError,
    lock_key,
)
from logrules.guards.keeper import Keeper
from logrules.guards.postgres import PostgresSession, application_name
from logrules.testing import PostgresServer
from tests.edges.test_doctor import untrusted

KEY = lock_key("123456")
QUICK = Timers(
    lease=6, dropped=6, keepalive=0.2, answer=1, fence=4.5, chunk=0.4, check=0.2, grace=0.3, patience=2
)
SECRET = "sup3r/s3cret"
IMPATIENT = """alter role postgres set statement_timeout = '0.8s';
do $$ begin
 alter role postgres set transaction_timeout = '0.8s';
exception when undefined_object then null; -- before PostgreSQL 17
end $$"""


@pytest.fixture(scope="module")
def postgres():
    with PostgresServer(password=SECRET, settings={"max_connections": "20"}) as server:
        yield server


class Log:
    """A Report that keeps what was said, and lets a test wait for it."""

    def __init__(self):
        self.said = []
        self._times = {}
        self._news = threading.Condition()

    def __call__(self, code, message, **more):
        with self._news:
            self.said.append((code, message, more))
            self._times.setdefault(code, time.monotonic())
            self._news.notify_all()

    def when(self, code):
        return self._times[code]

    def codes(self):
        return [code for code, _, _ in self.said]

    def wait(self, code, count=1, seconds=20):
        with self._news:
            assert self._news.wait_for(lambda: self.codes().count(code) >= count, seconds), self.said
            return [entry for entry in self.said if entry[0] == code][count - 1]


class States:
    """What the keeper tells the bot's side, with the time."""

    def __init__(self):
        self.seen = []

    def __call__(self, step):
        self.seen.append((time.monotonic(), step.state))

    def when(self, state):
        return next(at for at, seen in self.seen if seen is state)


def url_of(text):
    url = parse(text)
    assert url is not None
    return url


def session_for(server, instance="a", timers=QUICK, cls=PostgresSession, key=KEY):
    return cls(url_of(server.url), key, application_name("bot", instance, "0123456789"), timers)


class Watched(Keeper):
    """A keeper with what it says and tells at hand."""

    def __init__(self, session, timers):
        self.log, self.states = Log(), States()
        super().__init__(session, timers, self.log, self.states)


@contextmanager
def keeper_for(server, instance="a", timers=QUICK, **more):
    keeper = Watched(session_for(server, instance, timers, **more), timers)
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.release()
        assert keeper.join(20)


def holders(server):
    return server.query(
        "select application_name from pg_stat_activity a join pg_locks l using (pid)"
        " where l.locktype = 'advisory' and granted"
    )


def test_first_comer_holds_it_leased_and_proves_it(postgres):
    """A free lock is taken, leased by the server, proved on request, and released with an announcement."""
    with keeper_for(postgres) as keeper:
        _, message, more = keeper.log.wait("LOCK_ACQUIRED")
        _, keeping, _ = keeper.log.wait("KEEPALIVE_STARTED")
        (name,) = postgres.query(
            "select application_name from pg_stat_activity where application_name like 'logrules/%'"
        )
        (now,) = postgres.query("select extract(epoch from clock_timestamp())::int8")

        assert message == "PostgreSQL advisory lock acquired"
        assert keeping.startswith("Advisory lock keep-alive task started: ")
        assert more["attrs"]["key"] == KEY
        assert more["attrs"]["database"] == "postgres"
        assert more["epoch"] > 0
        assert keeper.prove().result(5) is True
        assert 0 < keeper.remaining() <= QUICK.fence
        name, _, granted = name.partition("@")
        assert name == "logrules/bot/a/0123456"
        assert 0 <= int(now) - int(granted, 16) <= 60

    assert keeper.log.codes()[-1] == "LOCK_RELEASED"
    assert keeper.remaining() == 0
    assert keeper.prove().result(5) is False
    assert holders(postgres) == []


def test_second_waits_and_names_the_holder_then_takes_over_at_once(postgres):
    """LOCK_WAITING says who holds it; an announced handover needs no grace, and the epoch grows."""
    with keeper_for(postgres, "first") as first:
        first.log.wait("KEEPALIVE_STARTED")
        with keeper_for(postgres, "second") as second:
            _, message, more = second.log.wait("LOCK_WAITING")
            first.release()
            _, _, taken = second.log.wait("LOCK_ACQUIRED")

        assert more["attrs"]["holder"]["instance"] == "first"
        assert re.match(
            r"Waiting for the lock: first holds it, connected for \d+ s, last proof \d+ s ago", message
        )
        assert taken["attrs"]["clean"] is True
        assert second.waited
        assert taken["epoch"] > first.epoch


def test_waiting_is_told_at_once_and_then_rarely(postgres):
    """Chunks of the wait are no news: the second line about it comes after ten seconds."""
    with keeper_for(postgres, "holder") as holder:
        holder.log.wait("LOCK_ACQUIRED")
        with keeper_for(postgres, "waiter") as waiter:
            waiter.log.wait("LOCK_WAITING")
            backend = "select query_start from pg_stat_activity where application_name like '%/waiter/%'"
            starts = {tuple(postgres.query(backend))}
            while len(starts) < 4:
                starts.add(tuple(postgres.query(backend)))

            assert waiter.log.codes() == ["LOCK_WAITING"]


def test_killed_backend_is_noticed_at_once_and_taken_again(postgres):
    """A terminated backend stops polling within milliseconds, before any line; the lock is taken again."""
    with keeper_for(postgres) as keeper:
        keeper.log.wait("KEEPALIVE_STARTED")
        epoch = keeper.epoch
        postgres.terminate_backends("logrules/%")
        _, message, more = keeper.log.wait("LOCK_LOST")
        _, _, again = keeper.log.wait("LOCK_REACQUIRED")

        assert "ended the lock's connection" in message
        assert more["fatal"] is False
        assert again["epoch"] > epoch
        assert keeper.states.when(State.LOST) < keeper.log.when("LOCK_LOST")
        assert keeper.remaining() > 0
        assert keeper.prove().result(5) is True


async def test_a_killed_backend_is_named_to_a_question_in_flight(postgres):
    """Whichever notices first, the question or the connection: what is said is that the database ended it."""
    with keeper_for(postgres) as keeper:
        keeper.log.wait("LOCK_ACQUIRED")
        session = session_for(postgres, "b")
        await session.connect(lambda why: None)
        waiting = asyncio.create_task(session.wait_lock(60))
        waits = "select pid from pg_stat_activity where wait_event = 'advisory'"
        while not await asyncio.to_thread(postgres.query, waits):
            pass
        await asyncio.to_thread(postgres.terminate_backends, "logrules/bot/b/%")

        with pytest.raises(BrokenError, match=r"ended the lock's connection .*terminating connection"):
            await waiting
        session.terminate()


def test_standby_that_is_faster_keeps_it(postgres):
    """Where a standby takes the freed lock first, reacquiring fails and names it; the standby waits first."""
    with keeper_for(postgres, "old") as old:
        old.log.wait("KEEPALIVE_STARTED")
        with keeper_for(postgres, "new") as new:
            new.log.wait("LOCK_WAITING")
            postgres.terminate_backends("logrules/bot/old/%")
            _, message, more = old.log.wait("LOCK_REACQUIRE_FAILED")
            _, _, taken = new.log.wait("LOCK_ACQUIRED")

            assert message.startswith("Error reacquiring lock: ")
            assert "new" in message
            assert more["fatal"] is True
            assert taken["attrs"]["clean"] is False
            assert taken["attrs"]["grace"] == pytest.approx(QUICK.grace, abs=0.05)


def test_stopped_server_ends_it_with_the_error():
    """No server, no lock: one attempt, then LOCK_REACQUIRE_FAILED with the error itself."""
    with PostgresServer() as server, keeper_for(server) as keeper:
        keeper.log.wait("KEEPALIVE_STARTED")
        server.stop()
        _, message, more = keeper.log.wait("LOCK_REACQUIRE_FAILED")

        assert keeper.log.codes()[-2:] == ["LOCK_LOST", "LOCK_REACQUIRE_FAILED"]
        assert "cannot be reached" in message
        assert more["error"].__cause__ is not None  # with its traceback
        assert keeper.remaining() == 0


def test_silent_server_is_a_loss():
    """A connection that stays open but answers nothing is given up after the bound, well before the lease."""
    with PostgresServer() as server, keeper_for(server) as keeper:
        keeper.log.wait("KEEPALIVE_STARTED")
        server.pause()
        _, message, _ = keeper.log.wait("LOCK_LOST")
        keeper.log.wait("LOCK_REACQUIRE_FAILED")
        server.resume()

        assert "no answer within 1 s" in message
        assert keeper.states.when(State.LOST) - keeper.states.when(State.HOLDING) < QUICK.fence + 5


async def until(server, sql):
    """Return when `sql` gives a row."""
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(server.query, sql):
            pass


class FastLease:
    """What a session asks of the timers, too quick for a keeper."""

    lease, dropped, chunk, check, connect = 0.7, 30.0, 5.0, 1.0, 5.0


async def test_silent_holder_loses_it_when_the_lease_is_over(postgres):
    """A session that proves nothing any more is ended by the server when its lease is over, not before."""
    lost = asyncio.get_running_loop().create_future()
    session = session_for(postgres, timers=FastLease)
    await session.connect(lost.set_result)
    try:
        assert await session.try_lock()
        assert await session.prove()
        proved = time.monotonic()
        await asyncio.wait_for(lost, 20)
    finally:
        session.terminate()

    assert time.monotonic() - proved >= FastLease.lease - 0.1


async def test_child_made_by_fork_does_not_keep_it(postgres):
    """A process that `multiprocessing` has made outlives its parent: the lock ends with the parent."""
    holder, waiter = session_for(postgres, "h", Timers()), session_for(postgres, "w", Timers())
    await holder.connect(print)
    await waiter.connect(print)
    assert await holder.try_lock()
    forked = os.fork()
    if forked == 0:
        signal.pause()
    try:
        holder._leave_to_parent()  # what a kill does to the connection: not a word to the server

        assert await waiter.wait_lock(20)
    finally:
        os.kill(forked, signal.SIGKILL)
        await asyncio.to_thread(os.waitpid, forked, 0)
        holder.terminate()
        waiter.terminate()


async def test_waiter_outlives_the_lease(postgres):
    """The lease ends silent sessions, not those that wait: a waiter is there when the lock becomes free.

    Nor do the limits end it that a role has for its queries.
    """
    holder, waiter = session_for(postgres, "h"), session_for(postgres, "w", FastLease)
    postgres.query(IMPATIENT)
    try:
        await holder.connect(print)
        await waiter.connect(print)
        assert await holder.try_lock()
        assert not await waiter.wait_lock(1.0)
        waiting = asyncio.ensure_future(waiter.wait_lock(5.0))
        await until(postgres, "select 1 from pg_locks where locktype = 'advisory' and not granted")
        await holder.unlock()

        assert await waiting
        assert await waiter.prove()
        assert waiter.announced
    finally:
        holder.terminate()
        waiter.terminate()
        postgres.query("alter role postgres reset all")


async def test_proof_is_of_this_lock_alone(postgres):
    """Another advisory lock of the same session proves nothing, nor does the session without the lock."""
    session, other = session_for(postgres), session_for(postgres, key=lock_key("654321"))
    try:
        await session.connect(print)
        await other.connect(print)
        assert not await session.prove()
        assert await other.try_lock()
        assert await session.try_lock()  # two bots in one database do not meet
        await session.unlock()
        assert not await session.prove()
        assert await other.prove()
    finally:
        session.terminate()
        other.terminate()


async def test_cancelled_statement_is_no_loss(postgres):
    """`pg_cancel_backend` takes no lock away: the session goes on."""
    session = session_for(postgres)
    try:
        await session.connect(print)
        assert await session.try_lock()
        postgres.query(
            "select pg_cancel_backend(pid) from pg_stat_activity where application_name like 'logrules/%'"
        )

        assert await session.prove()
    finally:
        session.terminate()


async def test_cancelled_wait_is_only_its_end(postgres):
    """An operator who cancels the query that seems to hang ends one chunk of the wait, nothing more."""
    holder, waiter = session_for(postgres, "h"), session_for(postgres, "w")
    try:
        await holder.connect(print)
        await waiter.connect(print)
        assert await holder.try_lock()
        waiting = asyncio.ensure_future(waiter.wait_lock(20))
        await until(postgres, "select 1 from pg_locks where locktype = 'advisory' and not granted")
        postgres.query(
            "select pg_cancel_backend(pid) from pg_locks where locktype = 'advisory' and not granted"
        )

        assert await waiting is False
        await holder.unlock()
        assert await waiter.wait_lock(20)
    finally:
        holder.terminate()
        waiter.terminate()


class OldServer(PostgresSession):
    """A session of a server that does not know the setting, as PostgreSQL 13 does not."""

    LEASE = "no_such_session_timeout"


class Wire:
    """A network that notes the kinds of the client's messages, once the talk has begun."""

    def __init__(self, port):
        self._port = port
        self.kinds = []
        self.noting = False
        self._talks = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await asyncio.gather(*self._talks)

    async def _pass(self, reader, writer):
        self._talks.append(asyncio.current_task())
        there_reader, there = await asyncio.open_connection("127.0.0.1", self._port)
        back = asyncio.create_task(self._back(there_reader, writer))
        try:
            while data := await reader.read(1 << 16):
                rest = data if self.noting else b""
                while rest:
                    self.kinds.append(chr(rest[0]))
                    rest = rest[1 + int.from_bytes(rest[1:5], "big") :]
                there.write(data)
        finally:
            there.close()
            await back

    async def _back(self, reader, writer):
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()


async def test_everything_is_one_message(postgres):
    """The lease's clock stands still between a statement's parsing and its binding: nothing is cut there."""
    async with Wire(postgres.port) as wire:
        session = PostgresSession(
            url_of(postgres.url.replace(str(postgres.port), str(wire.port))), KEY, "logrules/bot/a/", QUICK
        )
        await session.connect(print)
        wire.noting = True
        assert await session.try_lock()
        assert await session.prove()
        await session.granted()
        assert (await session.holder()).instance == "a"
        assert not await session.evict()
        await session.unlock()
        assert await session.wait_lock(0.3)
        await session.unlock()
        session.terminate()

    assert "H" not in wire.kinds  # Flush: the server waits for more, and is not idle
    assert wire.kinds.count("Q") + wire.kinds.count("S") >= 8


def test_old_server_is_told_of_and_used(postgres):
    """Without a lease the lock still works, and LOCK_LEASE_UNSUPPORTED says what is missing."""
    with keeper_for(postgres, cls=OldServer) as keeper:
        keeper.log.wait("KEEPALIVE_STARTED")

        assert keeper.log.codes()[0] == "LOCK_LEASE_UNSUPPORTED"
        assert keeper.log.said[0][2]["attrs"]["lacking"] == ["no_such_session_timeout"]


def test_stop_while_waiting_leaves_no_ghost(postgres):
    """A waiter that is told to stop ends at once, says nothing of a release, and gets no lock later."""
    with keeper_for(postgres, "holder") as holder:
        holder.log.wait("LOCK_ACQUIRED")
        with keeper_for(postgres, "waiter") as waiter:
            waiter.log.wait("LOCK_WAITING")
        assert waiter.states.seen[-1][1] is State.RELEASED
        assert "LOCK_RELEASED" not in waiter.log.codes()
    deadline = time.monotonic() + 20
    while postgres.query("select 1 from pg_stat_activity where application_name like 'logrules/%'"):
        assert time.monotonic() < deadline


def test_unreachable_database_is_waited_for_with_patience_then_given_up():
    """DB_UNREACHABLE at once, not fatal; once the patience is over, fatal, with the error."""
    with PostgresServer() as server:
        server.stop()
        with keeper_for(server) as keeper:
            _, message, first = keeper.log.wait("DB_UNREACHABLE")
            _, _, last = keeper.log.wait("DB_UNREACHABLE", count=2)

    assert "trying again" in message
    assert (first["fatal"], last["fatal"]) == (False, True)
    assert isinstance(last["error"], UnavailableError)


def test_database_that_comes_up_late_is_used():
    """A database that starts after the bot is found within the back-off."""
    with PostgresServer() as server:
        server.stop()
        with keeper_for(server, timers=Timers(patience=60)) as keeper:
            keeper.log.wait("DB_UNREACHABLE")
            server.start()
            keeper.log.wait("LOCK_ACQUIRED")


async def _refusal(url):
    session = PostgresSession(url_of(url), KEY, "logrules/bot/a/", QUICK)
    try:
        await session.connect(print)
    finally:
        session.terminate()


async def test_refusals_say_whose_fault_it_is(postgres):
    """A wrong password and a missing database are refused for good; no text of theirs holds the password."""
    wrong = postgres.url.replace("sup3r%2Fs3cret", "wr0ng-s3cret")
    with pytest.raises(RefusedError) as password:
        await _refusal(wrong)
    with pytest.raises(RefusedError) as database:
        await _refusal(postgres.url.replace("/postgres?", "/nowhere?").removesuffix("/postgres") + "/nowhere")

    assert password.value.reason is None
    assert database.value.reason == "database_missing"
    assert "password authentication failed" in str(password.value)
    assert '"nowhere" does not exist' in str(database.value)
    assert "s3cret" not in str(password.value) + str(database.value)


async def test_full_server_is_waited_for(postgres):
    """No connection to spare is trouble that passes, with a code of its own."""
    taken = []
    try:
        with pytest.raises(FullError):  # noqa: PT012 - which of them fails is the server's choice
            for number in range(30):
                taken.append(session_for(postgres, str(number), Timers()))  # longer than 30 connections take
                await taken[-1].connect(print)
    finally:
        for session in taken:
            session.terminate()


def test_full_server_is_given_up_with_its_own_code():
    """No connection to spare until our patience is over: told once, then fatal, under its own code."""
    with PostgresServer(settings={"max_connections": "5", "superuser_reserved_connections": "0"}) as server:
        taken = [session_for(server, str(number), Timers()) for number in range(5)]
        loop = asyncio.new_event_loop()
        for session in taken:
            loop.run_until_complete(session.connect(print))
        with keeper_for(server) as keeper:
            keeper.log.wait("DB_TOO_MANY_CONNECTIONS", count=2)
        for session in taken:
            session.terminate()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    assert keeper.log.codes() == ["DB_TOO_MANY_CONNECTIONS"] * 2
    assert [more["fatal"] for _, _, more in keeper.log.said] == [False, True]


def test_replica_is_waited_for_and_called_by_its_name():
    """A server in recovery keeps no lock that others see; once it is promoted, it does."""
    with PostgresServer(settings={"wal_level": "replica"}) as server:
        server.stop()
        standby = server._data / "standby.signal"
        standby.touch()
        server.start()
        with keeper_for(server, timers=Timers(patience=60)) as keeper:
            _, message, more = keeper.log.wait("DB_UNREACHABLE")
            server.query("select pg_promote()")
            keeper.log.wait("LOCK_ACQUIRED")

    assert "is a read-only replica" in message
    assert (more["reason"], more["fatal"]) == ("replica", False)
    assert keeper.log.codes().count("DB_UNREACHABLE") == 1


def test_foreign_holder_is_named_as_such(postgres):
    """A program that is none of ours and has the lock's number: LOCK_WAITING says so, with its name."""
    foreign = PostgresSession(url_of(postgres.url), KEY, "their report", QUICK)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(foreign.connect(print))
    assert loop.run_until_complete(foreign.try_lock())
    with keeper_for(postgres) as keeper:
        _, message, more = keeper.log.wait("LOCK_WAITING")
        foreign.terminate()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        keeper.log.wait("LOCK_ACQUIRED")

    assert more["reason"] == "foreign"
    assert message.startswith("Waiting for the lock: their report holds it, which is no bot of logrules, ")
    assert "proof" not in message  # it proves nothing, and no lease ends it
    assert more["attrs"]["holder"]["foreign"] is True


async def test_certificate_that_is_missing_is_a_mistake_not_an_outage(postgres):
    """A file that the address names and that is not there: no waiting helps, and the option is named."""
    for option in ("sslrootcert", "sslkey"):
        with pytest.raises(MisconfiguredError, match=option):
            await _refusal(f"{postgres.url}?sslmode=verify-ca&{option}=/no/such/file.pem")


async def test_server_without_tls_is_a_mistake_not_an_outage(postgres):
    """An address that asks for TLS where there is none: no waiting helps."""
    with pytest.raises(MisconfiguredError, match="no TLS"):
        await _refusal(f"{postgres.url}?sslmode=require")


async def test_untrusted_certificate_is_an_outage_not_a_mistake(tmp_path):
    """It may be renewed: waiting helps, and what is said names the certificate, not the address's form."""
    with (
        untrusted(tmp_path, b"S") as port,
        pytest.raises(UnavailableError, match=r"not trusted: self.signed"),
    ):
        await _refusal(f"postgresql://bot:x@localhost:{port}/x?sslrootcert=system")


class Faulty(PostgresSession):
    """A session with a fault of ours in it."""

    async def prove(self):
        if self.faulty:
            raise ZeroDivisionError("our own fault")
        return await super().prove()

    faulty = False


def test_fault_of_our_own_is_a_loss(postgres):
    """If the keeper itself fails, nobody polls on: the lock counts as lost for good."""
    with keeper_for(postgres, cls=Faulty) as keeper:
        keeper.log.wait("KEEPALIVE_STARTED")
        keeper.session.faulty = True
        _, _, more = keeper.log.wait("LOCK_LOST")

        assert more["fatal"] is True
        assert isinstance(more["error"], ZeroDivisionError)
        assert keeper.remaining() == 0
        assert keeper.join(20)
        assert keeper.prove().result(5) is False


def test_no_secret_is_said(postgres):
    """Neither the lines nor the errors beside them hold the database's password."""
    wrong = url_of(postgres.url.replace("sup3r%2Fs3cret", "wr0ng-s3cret"))
    log = Log()
    keeper = Keeper(PostgresSession(wrong, KEY, "logrules/bot/a/", QUICK), QUICK, log, lambda step: None)
    keeper.start()
    log.wait("DB_AUTH_FAILED")
    assert keeper.join(20)

    assert "s3cret" not in repr(log.said) + repr(wrong)


@pytest.mark.parametrize(
    ("service", "instance", "release", "expected"),
    [
        ("bot", "srv-1-abc", "0123456789", "logrules/bot/srv-1-abc/0123456"),
        ("a/b", "ж", None, "logrules/a_b/?/"),
        ("s" * 80, "i" * 80, "0123456789", f"logrules/{'s' * 22}/{'i' * 23}/0123456"),
        ("s", "i" * 80, None, f"logrules/s/{'i' * 51}/"),
    ],
)
def test_name_fits(service, instance, release, expected):
    """The name keeps its four parts within PostgreSQL's 63 bytes."""
    assert application_name(service, instance, release) == expected
    assert len(expected) <= 63
