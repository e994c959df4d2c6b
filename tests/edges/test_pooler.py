"""A lock behind a connection pooler: recognised before it is trusted, whatever the pool's size."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
import time
from contextlib import asynccontextmanager, closing

import pytest

from logrules.core.alerting.silences import Silence
from logrules.core.guarding.database_url import parse
from logrules.core.guarding.lease import PooledError, Timers, lock_key
from logrules.doctor.database import database, mirror
from logrules.doctor.patient import Patient
from logrules.guards.postgres import PostgresSession
from logrules.rules import rules
from logrules.stores.postgres import Mirror, MirrorDesk
from logrules.stores.sqlite.store import Store
from logrules.testing.ports import free_port

KEY = lock_key("123456")
SSL_REQUEST = 80877103
READY, PARAMETER = b"Z", b"S"


def _session(port):
    url = parse(f"postgresql://postgres@127.0.0.1:{port}/postgres")
    assert url is not None
    return PostgresSession(url, KEY, "logrules/bot/a/", Timers())


async def _message(reader):
    kind = await reader.readexactly(1)
    length = await reader.readexactly(4)
    return kind, kind + length + await reader.readexactly(struct.unpack("!i", length)[0] - 4)


async def _greeting(reader):
    """A client's start-up packet, or a server's messages up to its first ReadyForQuery."""
    while True:
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        body = await reader.readexactly(length - 4)
        if struct.unpack("!i", body[:4])[0] != SSL_REQUEST:
            return
        yield b"N"


class FakePooler:
    """PgBouncer's essence: clients greeted by the pooler itself, backends dealt out last in, first out."""

    def __init__(self, server_port, size, mode):
        self.server_port = server_port
        self.mode = mode
        self.idle = []
        self.size = size
        self.free = asyncio.Semaphore(size)
        self.parameters = b""
        self.clients = 0

    async def backend(self):
        """A connection to the server, greeted; what the server says of itself is kept for the clients."""
        await self.free.acquire()
        if self.idle:
            return self.idle.pop()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        body = struct.pack("!i", 196608) + b"user\0postgres\0database\0postgres\0\0"
        writer.write(struct.pack("!i", len(body) + 4) + body)
        parameters = b""
        while True:
            kind, message = await _message(reader)
            if kind == PARAMETER:
                parameters += message
            if kind == READY:
                self.parameters = self.parameters or parameters
                return reader, writer

    def give_back(self, backend):
        self.idle.append(backend)
        self.free.release()

    async def serve(self, reader, writer):
        """One client, until it leaves."""
        held = None
        try:
            async for answer in _greeting(reader):
                writer.write(answer)
            self.clients += 1
            key = struct.pack("!ii", 900_000 + self.clients, 0)
            hello = b"R" + struct.pack("!ii", 8, 0) + self.parameters
            writer.write(hello + b"K" + struct.pack("!i", 12) + key + b"Z" + struct.pack("!i", 5) + b"I")
            while True:
                kind, message = await _message(reader)
                if kind == b"X":
                    return
                if held is None:
                    backend = await self.backend()
                    held = backend, asyncio.ensure_future(_answer(backend[0], writer))
                backend, answered = held
                backend[1].write(message)
                if kind in b"QS":
                    is_idle = await answered
                    held = backend, asyncio.ensure_future(_answer(backend[0], writer))
                    if is_idle and self.mode == "transaction":
                        held[1].cancel()
                        self.give_back(backend)
                        held = None
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            if held:
                held[1].cancel()
                held[0][1].close()  # with whatever its client had begun
                self.free.release()
            writer.close()


async def _answer(backend, writer):
    """Hand on what the server says, up to ReadyForQuery: whether the transaction is over."""
    while True:
        kind, message = await _message(backend)
        writer.write(message)
        if kind == READY:
            return message[-1:] == b"I"


@asynccontextmanager
async def _fake(postgres, size, mode):
    pooler = FakePooler(postgres.port, size, mode)
    pooler.give_back(await pooler.backend())
    server = await asyncio.start_server(pooler.serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        if serving := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(serving, timeout=10)  # those whose client has just gone
        for _, writer in pooler.idle:
            writer.close()


@asynccontextmanager
async def _pgbouncer(postgres, size, mode, folder):
    port = free_port()
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\npostgres = host=127.0.0.1 port={postgres.port} dbname=postgres user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = {mode}\ndefault_pool_size = {size}\nlogfile =\nadmin_users = postgres\n"
    )
    account = ["-u", "nobody"] if os.geteuid() == 0 else []  # it refuses to be root
    process = await asyncio.create_subprocess_exec(
        "pgbouncer", *account, str(config), stderr=asyncio.subprocess.PIPE
    )
    try:
        while b"process up" not in await process.stderr.readline():
            assert process.returncode is None
        yield port
    finally:
        process.kill()
        await process.communicate()


@pytest.mark.parametrize("size", [1, 20])
async def test_transaction_pooling_is_refused(postgres, size):
    """Whether the pool has one session or many, the first connection tells, and no lock is left behind."""
    async with _fake(postgres, size, "transaction") as port:
        with pytest.raises(PooledError, match="direct address"):
            await _session(port).connect(print)

    assert postgres.query("select count(*) from pg_locks where locktype = 'advisory'") == ["0"]


@pytest.mark.parametrize("size", [5, 20])
async def test_session_pooling_passes(postgres, size):
    """A pooler whose sessions stay with their client keeps a lock as well as the server itself."""
    async with _fake(postgres, size, "session") as port:
        session = _session(port)
        await session.connect(print)
        assert await session.try_lock()
        assert await session.prove()
        session.terminate()


@pytest.mark.parametrize(
    ("mode", "size", "expected"),
    [
        ("transaction", 1, "database.pooler"),
        ("transaction", 20, "database.pooler"),
        ("session", 5, "database.pooled"),
    ],
)
async def test_doctor_tells_a_pooler(postgres, mode, size, expected):
    """The doctor tells both kinds apart, as the guard does, leaves no lock, and grants the mirror either."""
    async with _fake(postgres, size, mode) as port:
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        patient = Patient.of({"DATABASE_URL": url, "LOGRULES_STATE_URL": url})
        (said, *_) = await asyncio.to_thread(lambda: list(database(patient)))
        (mirrored,) = await asyncio.to_thread(lambda: list(mirror(patient)))

    assert (said.name, mirrored.name) == (expected, "mirror.ok")
    assert postgres.query("select count(*) from pg_locks where locktype = 'advisory'") == ["0"]


def _held(url):
    with closing(MirrorDesk(url)) as desk:
        return desk.ledger()


@pytest.mark.parametrize(("mode", "size"), [("transaction", 1), ("transaction", 20), ("session", 5)])
async def test_mirror_works_through_any_pooler(postgres, size, mode, tmp_path):
    """The mirror rests on no session: behind a pooler it carries what it carries elsewhere."""
    postgres.query("drop schema if exists logrules cascade")
    store = Store(tmp_path / "a.db", rules.specs, ("sentry",), redact=str, on_failure=pytest.fail)
    now = time.time()
    silence = Silence(code="CONFLICT_409", since=now, until=now + 60, why="x")
    store.silence(silence)
    failures: list[str] = []
    async with _fake(postgres, size, mode) as port:
        url = parse(f"postgresql://postgres@127.0.0.1:{port}/postgres")
        assert url is not None
        mirror = Mirror(url, store, str, failures.append, name="n", service="bot", sinks=("sentry",))
        mirror.start()
        settled = await asyncio.to_thread(mirror.settle, 30)
        found = await asyncio.to_thread(_held, url)
        await asyncio.to_thread(mirror.close, 30)
    store.close()

    assert settled, failures
    assert failures == []
    assert found.silences == [silence]


@pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="PgBouncer is not installed")
@pytest.mark.parametrize(("mode", "size"), [("transaction", 1), ("transaction", 20), ("statement", 20)])
async def test_real_pgbouncer_is_refused(postgres, mode, size, tmp_path):
    """What the fake shows holds for PgBouncer."""
    async with _pgbouncer(postgres, size, mode, tmp_path) as port:
        with pytest.raises(PooledError):
            await _session(port).connect(print)


@pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="PgBouncer is not installed")
async def test_real_pgbouncer_in_session_mode_passes(postgres, tmp_path):
    """In session mode PgBouncer keeps the lock."""
    async with _pgbouncer(postgres, 5, "session", tmp_path) as port:
        session = _session(port)
        await session.connect(print)
        assert await session.try_lock()
        assert await session.prove()
        session.terminate()
