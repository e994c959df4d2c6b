"""The lock across a network that breaks: a real PostgreSQL behind a stretch of network that forgets bytes."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from logrules.core.guarding.database_url import parse
from logrules.core.guarding.lease import State, Timers, UnavailableError, lock_key, strict
from logrules.guards.keeper import Keeper, steady
from logrules.guards.postgres import PostgresSession, application_name
from logrules.testing import TcpProxy

KEY = lock_key("123456")
QUICK = Timers(
    lease=7, dropped=7, keepalive=0.2, answer=1, fence=6, chunk=0.6, check=0.2, grace=0.3, patience=30
)


class Recorder:
    """Report and fence in one: what was said and when the kernel would come, in their order."""

    def __init__(self):
        self.said = []
        self.deadline = None
        self.disarmed = 0
        self._news = threading.Condition()

    def __call__(self, code, message, **more):
        with self._news:
            self.said.append((code, message, more))
            self._news.notify_all()

    def extend(self, deadline):
        self.deadline = deadline

    def disarm(self):
        with self._news:
            self.deadline = None
            self.disarmed += 1
            self._news.notify_all()

    def wait(self, code, count=1):
        with self._news:
            assert self._news.wait_for(lambda: len(self.of(code)) >= count, 30), self.said
            return self.of(code)[count - 1]

    def of(self, code):
        return [entry for entry in self.said if entry[0] == code]


def session(port, instance, key=KEY):
    url = parse(f"postgresql://postgres@127.0.0.1:{port}/postgres")
    assert url is not None
    return PostgresSession(url, key, application_name("bot", instance, None), QUICK)


class Watched(Keeper):
    """A keeper with what it says, and its fence, at hand."""

    def __init__(self, session):
        self.log = Recorder()
        super().__init__(session, QUICK, self.log, lambda step: None)


@contextmanager
def keeper_for(port, instance="a"):
    keeper = Watched(session(port, instance))
    keeper.start(keeper.log)
    try:
        yield keeper
    finally:
        keeper.release()
        assert keeper.join(30)


@pytest.fixture
def proxy(postgres):
    with TcpProxy(postgres.port) as proxy:
        yield proxy


def backends(server, instance):
    sql = f"select pid from pg_stat_activity where application_name like 'logrules/bot/{instance}/%'"
    return server.query(sql)


def test_own_former_session_is_ended_not_taken_for_a_rival(postgres, proxy):
    """The old connection is swallowed, a new one goes through: our own ghost holds the lock, and is ended."""
    with keeper_for(proxy.port) as keeper:
        keeper.log.wait("KEEPALIVE_STARTED")
        (ghost,) = backends(postgres, "a")
        proxy.cut()
        _, message, _ = keeper.log.wait("LOCK_LOST")
        keeper.log.wait("LOCK_REACQUIRED")

        assert "no answer within 1 s" in message
        assert ghost not in backends(postgres, "a")
        assert keeper.prove().result(5) is True
        assert keeper.epoch is not None


class Powerless(PostgresSession):
    """A session whose server does not let it end another one of its role."""

    async def evict(self):
        return False


def test_own_former_session_that_cannot_be_ended_is_called_by_its_name(proxy):
    """Where our ghost keeps the lock, LOCK_REACQUIRE_FAILED says that it is ourselves, and which backend."""
    log = Recorder()
    ghostly = session(proxy.port, "a")
    ghostly.__class__ = Powerless
    keeper = Keeper(ghostly, QUICK, log, lambda step: None)
    keeper.start(log)
    log.wait("KEEPALIVE_STARTED")
    proxy.cut()
    _, message, more = log.wait("LOCK_REACQUIRE_FAILED")
    assert keeper.join(30)

    assert "our own former session (backend " in message
    assert more["fatal"] is True


async def test_only_own_sessions_are_ended(postgres, proxy):
    """Another instance's session, or our own without the lock's number, is left alone."""
    mine, other = session(proxy.port, "a"), session(postgres.port, "b")
    elsewhere = session(postgres.port, "a", key=lock_key("654321"))
    try:
        for one in (mine, other, elsewhere):
            await one.connect(print)
        assert await other.try_lock()
        assert await elsewhere.try_lock()
        await mine.connect(print)
        assert not await mine.evict()
        holder = await mine.holder()

        assert await other.prove()
        assert await elsewhere.prove()
        assert holder is not None
        assert not holder.former
    finally:
        for one in (mine, other, elsewhere):
            one.terminate()


@pytest.mark.long
def test_cut_off_holder_is_silent_long_before_another_may_poll(postgres, proxy):
    """Nothing gets through: no permission long before the server frees the lock; then the standby has it."""
    with keeper_for(proxy.port, "old") as old:
        old.log.wait("KEEPALIVE_STARTED")
        with keeper_for(postgres.port, "new") as new:
            new.log.wait("LOCK_WAITING")
            proxy.cut(new=True)
            last = old._proved
            old.log.wait("LOCK_REACQUIRE_FAILED")
            silent = steady()
            new.log.wait("LOCK_ACQUIRED")

            assert old.remaining() == old.begin() == 0
            assert silent - last < QUICK.fence
            assert new.log.of("LOCK_ACQUIRED")[0][2]["attrs"]["clean"] is False
            assert new._acquired - last > QUICK.fence


async def _until(condition):
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(condition):
            pass


async def test_ghost_waiter_leaves_the_queue_by_itself(postgres, proxy):
    """A waiter that is cut off does not stand in the queue for ever: the server's own limit ends its wait."""
    holder, ghost, live = session(postgres.port, "h"), session(proxy.port, "g"), session(postgres.port, "l")
    queue = "select 1 from pg_locks where locktype = 'advisory' and not granted"
    try:
        for one in (holder, ghost, live):
            await one.connect(print)
        assert await holder.try_lock()
        waiting = asyncio.ensure_future(ghost.wait_lock(QUICK.chunk))
        await _until(lambda: postgres.query(queue))
        proxy.cut()
        await _until(lambda: not postgres.query(queue))
        await holder.unlock()

        assert await live.try_lock()
        assert not waiting.done()  # and the ghost has heard nothing of all that
    finally:
        for one in (holder, ghost, live):
            one.terminate()
        await asyncio.gather(waiting, return_exceptions=True)


def test_fence_stays_up_while_a_poll_is_in_flight(postgres):
    """The lock goes, a poll is still out: the fence stays until the poll is over, and not a moment longer."""
    with keeper_for(postgres.port) as keeper:
        log = keeper.log
        log.wait("KEEPALIVE_STARTED")
        assert QUICK.fence - 3 < keeper.begin() <= QUICK.fence - 2
        postgres.stop()
        log.wait("LOCK_REACQUIRE_FAILED")
        deadline = log.deadline
        assert keeper.begin() == 0
        keeper.end()

        assert deadline is not None
        assert deadline - keeper._proved == pytest.approx(QUICK.fence)
        assert log.deadline is None


def test_fence_goes_with_the_lock_when_nothing_is_in_flight(postgres):
    """A release in order takes the fence down: a process may live on after its lock."""
    with keeper_for(postgres.port) as keeper:
        keeper.log.wait("KEEPALIVE_STARTED")
        assert keeper.log.deadline is not None

    assert keeper.log.of("LOCK_RELEASED")
    assert keeper.log.deadline is None
    assert keeper.log.disarmed == 1


@pytest.mark.long
def test_unreachable_network_is_one_line(proxy):
    """An address that swallows everything is told once, and waited for until it answers."""
    proxy.cut(new=True)
    with keeper_for(proxy.port) as keeper:
        _, message, more = keeper.log.wait("DB_UNREACHABLE")
        reached = proxy.accepted
        while proxy.accepted < reached + 1:
            time.sleep(0.01)
        proxy.heal()
        keeper.log.wait("LOCK_ACQUIRED")

        assert "did not answer in time" in message
        assert "for up to 30 s" in message
        assert more["fatal"] is False
        assert len(keeper.log.of("DB_UNREACHABLE")) == 1


class Refused(Recorder):
    """A fence that the kernel refuses, as it does in a process that was forked."""

    def extend(self, deadline):
        raise OSError(22, "Invalid argument")

    def disarm(self):
        self.extend(0.0)


def test_without_its_fence_nobody_polls(postgres):
    """A fence that cannot be raised is a lock that cannot be trusted: LOCK_LOST, fatal, and no permission."""
    log = Refused()
    states = []
    keeper = Keeper(session(postgres.port, "a"), QUICK, log, lambda step: states.append(step.state))
    keeper.start(log)
    _, message, more = log.wait("LOCK_LOST")
    assert keeper.join(30)

    assert "Invalid argument" in message
    assert more["fatal"] is True
    assert keeper.begin() == 0
    assert State.HOLDING not in states
    assert states[-1] is State.FAILED


def test_strict_takes_the_last_holders_own_word_only(postgres):
    """With a grace that outlasts any fence the first comer waits as well; an announced handover does not."""
    timers = replace(QUICK, grace=strict(QUICK))
    log, second = Recorder(), Recorder()
    young = f"{timers.fence} - extract(epoch from clock_timestamp() - pg_postmaster_start_time())"
    postgres.query(f"select pg_sleep(greatest(0, {young}))")  # a server that knows of any holder there was
    first = Keeper(session(postgres.port, "a"), timers, log, lambda step: None)
    first.start()
    _, _, more = log.wait("LOCK_ACQUIRED")
    successor = Keeper(session(postgres.port, "b"), timers, second, lambda step: None)
    successor.start()
    second.wait("LOCK_WAITING")
    first.release()
    _, _, taken = second.wait("LOCK_ACQUIRED")
    successor.release()

    assert first.join(30)
    assert successor.join(30)
    assert (more["attrs"]["clean"], taken["attrs"]["clean"]) == (False, True)
    assert more["attrs"]["grace"] == pytest.approx(timers.grace, abs=0.1)
    assert taken["attrs"]["grace"] == 0


async def test_name_that_does_not_resolve_has_its_own_reason():
    """A host name that nobody knows is told as such: what mends it is another thing."""
    url = parse("postgresql://u:p@no-such-host.invalid/db")
    assert url is not None
    nowhere = PostgresSession(url, KEY, "logrules/bot/a/", QUICK)
    with pytest.raises(UnavailableError, match=r"no-such-host\.invalid.*cannot be resolved") as error:
        await nowhere.connect(print)

    assert error.value.reason == "dns"


def test_lost_is_lost(postgres):
    """A keeper that has ended permits nothing and keeps no fence, whatever is asked of it afterwards."""
    with keeper_for(postgres.port) as keeper:
        keeper.log.wait("KEEPALIVE_STARTED")
    keeper.fence_off()

    assert keeper.last_word() is None
    assert not keeper.expired()
    assert keeper.begin() == 0
    assert keeper._lease.state is State.RELEASED
