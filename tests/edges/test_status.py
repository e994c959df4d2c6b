"""`logrules status` on a real database with real holders, waiters and strangers."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import asynccontextmanager

import asyncpg
import pytest

from logrules.commands.status import _of_seat
from logrules.core.guarding.database_url import parse
from logrules.core.guarding.lease import Seat, Timers, lock_key
from logrules.core.match import Match
from logrules.guards.postgres import PostgresSession, application_name
from logrules.rules import rules
from logrules.stores.sqlite.store import Store
from logrules.testing import PostgresServer
from logrules.testing.ports import free_port
from tests import warm

PASSWORD = "s3cr3t-of-the-db"
ENVIRON = {name: os.environ[name] for name in ("PATH", "XDG_CACHE_HOME")} | {
    "LANG": "C.UTF-8",
    "PYTHONWARNINGS": "error",
}


@pytest.fixture(scope="module")
def database():
    with PostgresServer(password=PASSWORD) as server:
        yield server


@asynccontextmanager
async def bot(database, service, instance, *, token="1", waits=False, release="abcdef0123"):
    """A session at the lock, as the guard has it."""
    url = parse(database.url)
    assert url is not None
    name = application_name(service, instance, release)
    session = PostgresSession(url, lock_key(token), name, Timers())
    await session.connect(lambda why: None)
    waiting = None
    try:
        if waits:
            waiting = asyncio.create_task(session.wait_lock(60))
            await asyncio.to_thread(wait_for, lambda: is_waited_for(database))
        else:
            assert await session.try_lock()
            await session.granted()
        yield session
    finally:
        session.terminate()
        if waiting is not None:
            await asyncio.gather(waiting, return_exceptions=True)


@asynccontextmanager
async def alive(session):
    """A holder that proves itself on and on, as the guard does: not stalled, however slow the machine."""

    async def prove():
        while True:
            await session.prove()
            await asyncio.sleep(0.5)

    proving = asyncio.create_task(prove())
    try:
        yield
    finally:
        proving.cancel()
        await asyncio.gather(proving, return_exceptions=True)


def wait_for(fact):
    until = time.monotonic() + 30
    while not fact():
        assert time.monotonic() < until
        time.sleep(0.01)


def is_waited_for(database):
    return database.query("select count(*) from pg_locks where not granted") != ["0"]


COMMAND = [sys.executable, "-m", "logrules", "status"]


async def run(database, *arguments, **environ):
    """The command, while this loop goes on."""
    environ = {**ENVIRON, "DATABASE_URL": database.url, "LOGRULES_STATE": ":memory:", **environ}
    return await asyncio.to_thread(warm.run, [*COMMAND, *arguments], env=environ)


def lines(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_every_bot_and_who_waits(database):
    """Each bot of the database: who holds its lock and who waits, with instance, commit and last proof."""
    async with (
        bot(database, "shop", "old", release="1111111aaa"),
        bot(database, "shop", "new", waits=True, release="2222222bbb"),
        bot(database, "other", "x", token="2") as other,
        alive(other),
    ):
        found = lines(await run(database))
    by_lock = {key: [row for row in found if row["key"] == key] for key in {row["key"] for row in found}}
    holder, waiter = by_lock[lock_key("1")]
    (single,) = by_lock[lock_key("2")]

    assert (holder["state"], holder["service"], holder["instance"]) == ("holds", "shop", "old")
    assert (waiter["state"], waiter["instance"], waiter["release"]) == ("waits", "new", "2222222")
    assert (single["service"], single["stalled"], single["foreign"]) == ("other", False, False)
    assert 0 <= holder["held"] <= 60
    assert holder["connected"] >= 0
    assert waiter["held"] is None
    assert single["last_proof"] >= 0
    assert waiter["last_proof"] is None


@pytest.mark.parametrize(
    ("changes", "stalled"),
    [
        ({}, True),
        ({"silent": 14.0}, False),
        ({"silent": None}, False),
        ({"holds": False}, False),
        ({"foreign": True}, False),
    ],
    ids=["silent for too long", "between two proofs", "of another role", "waits", "none of ours"],
)
def test_silent_holder_is_called_stalled(changes, stalled):
    """A holder that has proved nothing for longer than its keep-alive may take is marked, and nobody else."""
    seat = Seat(1, True, "shop", "old", "", 7, 30.0, 60.0, 16.0, False)

    assert _of_seat(seat._replace(**changes), Timers())["stalled"] is stalled


async def test_stranger_in_the_way_is_shown(database):
    """A program that is none of ours and holds a bot's lock is named; other locks are nobody's business."""
    stranger = await asyncpg.connect(database.url, server_settings={"application_name": "cron job"})
    try:
        await stranger.fetchval("select pg_advisory_lock($1::int8)", lock_key("1"))
        await stranger.fetchval("select pg_advisory_lock(77)")
        async with bot(database, "shop", "new", waits=True):
            holder, waiter = lines(await run(database))
    finally:
        await stranger.close()

    assert (holder["state"], holder["instance"], holder["foreign"]) == ("holds", "cron job", True)
    assert (waiter["state"], waiter["instance"]) == ("waits", "new")


async def test_another_role_sees_who_and_since_when(database):
    """A role that may not see others' sessions still learns who holds the lock, and for how long."""
    database.query("drop role if exists looker; create role looker login password 'looks'")
    url = database.url.replace(f"postgres:{PASSWORD}@", "looker:looks@")
    async with bot(database, "shop", "old"):
        (seat,) = lines(await run(database, DATABASE_URL=url))

    assert (seat["instance"], seat["connected"], seat["last_proof"]) == ("old", None, None)
    assert 0 <= seat["held"] <= 60


@pytest.mark.parametrize("instance", ["i" * 24, "i" * 30, "i" * 36, "i" * 80], ids=len)
async def test_long_name_leaves_out_since_when(database, instance):
    """Where a name leaves no room for it, nothing wrong is said of since when, nor of the commit."""
    async with bot(database, "my-bot", instance):
        (seat,) = lines(await run(database))

    assert seat["held"] is None or 0 <= seat["held"] <= 60
    assert (seat["held"] is None) == (len(instance) > 30)
    assert seat["release"] == "abcdef0"
    assert instance.startswith(seat["instance"])


async def test_open_incidents_stand_below(database, tmp_path):
    """Incidents of the store that the bot uses are shown with the locks; without one the locks are."""
    path = tmp_path / "bot.sqlite3"
    store = Store(path, rules.specs, (), redact=str, on_failure=pytest.fail)
    code = rules.specs["CONFLICT_409"]
    match = Match(
        code="CONFLICT_409",
        fatal=True,
        level=code.severity,
        message="m",
        service="shop",
        instance="a",
        time=time.time(),
        proved=True,
    )
    store.take(match)
    store.close()
    (incident,) = lines(await run(database, LOGRULES_STATE=str(path)))
    without = await run(database)

    assert (incident["kind"], incident["code"]) == ("incident", "CONFLICT_409")
    assert lines(without) == []
    assert "open incidents are not shown" in without.stderr


async def test_mirror_gives_the_incidents(database):
    """With LOGRULES_STATE_URL they come from there; that nothing is there yet hides no lock."""
    done = await run(database, LOGRULES_STATE_URL=database.url)

    assert done.returncode == 0
    assert "no bot has kept anything there" in done.stderr


@pytest.mark.parametrize(
    ("lang", "words"),
    [("en", ("holds", "No incident is open")), ("ru", ("держит", "Открытых инцидентов нет"))],
    ids=["en", "ru"],
)
async def test_people_get_a_table(database, tmp_path, lang, words):
    """At a terminal it is a table in the operator's language, and nothing in it acts on the terminal."""
    store = tmp_path / "bot.sqlite3"
    Store(store, rules.specs, (), redact=str, on_failure=pytest.fail).close()
    environ = {**ENVIRON, "TERM": "dumb", "COLUMNS": "100", "DATABASE_URL": database.url}
    environ |= {"LOGRULES_STATE": str(store), "LOGRULES_LANG": lang}
    async with bot(database, "my shop", "old"):
        shown = await asyncio.to_thread(warm.at_terminal, COMMAND, env=environ)

    assert all(word in shown for word in (*words, "my shop", "old", "abcdef0"))
    assert "\x1b" not in shown


async def test_leaves_no_connection(database):
    """The command's own connection is gone when it has ended."""
    lines(await run(database))
    names = database.query(
        "select application_name from pg_stat_activity where application_name like 'logrules%'"
    )

    assert names == []


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("", 78),
        ("sqlite:///bot.db", 78),
        (f"postgresql://bot:{PASSWORD}@127.0.0.1:{free_port()}/x", 69),
    ],
    ids=["none", "of another kind", "away"],
)
async def test_no_database_is_said(database, url, status):
    """Without a database that answers there is one clear line, and no password in it."""
    done = await run(database, DATABASE_URL=url)

    assert (done.returncode, done.stdout) == (status, "")
    assert "database" in done.stderr
    assert PASSWORD not in done.stderr


async def test_refused_password_is_said_without_it(database):
    """Neither the wrong password nor the right one is in the answer."""
    done = await run(database, DATABASE_URL=database.url.replace(PASSWORD, "wr0ng-passw0rd"))

    assert (done.returncode, done.stdout) == (78, "")
    assert "password authentication failed" in done.stderr
    assert "wr0ng-passw0rd" not in done.stderr
    assert PASSWORD not in done.stderr
