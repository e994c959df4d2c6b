"""The lock in a file, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys

import pytest

from logrules.core.guarding.lease import BrokenError, MisconfiguredError, lock_key
from logrules.guards.flock import FileSession, lock_path

HOLDER = """
import asyncio, sys
from pathlib import Path
from logrules.guards.flock import FileSession

async def hold():
    session = FileSession(Path(sys.argv[1]), "the-other")
    await session.connect(print)
    assert await session.try_lock()
    await session.granted()
    print("held", flush=True)
    await asyncio.sleep(60)

asyncio.run(hold())
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bot.lock"


@pytest.fixture
async def session(path):
    session = FileSession(path, "this-one")
    await session.connect(print)
    yield session
    session.terminate()


@pytest.fixture
def other(path):
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


async def test_free_lock_is_taken_and_proved(session):
    """A free file is locked, private to its account, and each grant has a higher epoch than the last."""
    assert await session.try_lock()
    first = await session.granted()
    assert await session.prove()
    await session.unlock()
    await session.connect(print)
    assert await session.try_lock()
    second = await session.granted()

    assert second.epoch > first.epoch
    assert stat.S_IMODE(session.path.stat().st_mode) == 0o600


async def test_other_process_is_waited_for_and_named(session, other):
    """While another process has it there is no lock, and its name is known; its death frees it."""
    assert not await session.try_lock()
    holder = await session.holder()
    waiting = asyncio.ensure_future(session.wait_lock(20))
    other.send_signal(signal.SIGKILL)

    assert holder is not None
    assert (holder.instance, holder.pid) == ("the-other", other.pid)
    assert await waiting


async def test_wait_has_an_end(session, other):
    """A wait for a lock that stays taken comes back."""
    assert not await session.wait_lock(0.05)


async def test_removed_file_is_no_lock_any_more(session):
    """Once the file is gone under its name, others lock another one: no proof."""
    assert await session.try_lock()
    session.path.unlink()
    assert not await session.prove()
    session.path.touch()

    assert not await session.prove()


async def test_file_removed_before_it_was_locked(session):
    """Locking a file that has lost its name is no grant."""
    session.path.unlink()

    with pytest.raises(BrokenError):
        await session.try_lock()


async def test_child_does_not_inherit_it(session, path):
    """A program that the bot starts does not keep the lock, nor does a child made by plain fork."""
    assert await session.try_lock()
    forked = os.fork()
    if forked == 0:
        signal.pause()
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "print('up', flush=True); input()"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        close_fds=False,
    )
    await child.stdout.readline()  # the kernel closes what is not to be inherited a moment after the start
    session.terminate()
    again = FileSession(path, "again")
    await again.connect(print)
    taken = await again.wait_lock(20)
    again.terminate()
    await child.communicate(b"\n")
    os.kill(forked, signal.SIGKILL)
    await asyncio.to_thread(os.waitpid, forked, 0)

    assert taken


async def test_planted_link_is_not_followed(tmp_path):
    """A link in a shared folder cannot make us write elsewhere; the error says what to set."""
    target = tmp_path / "precious"
    target.write_text("precious")
    link = tmp_path / "bot.lock"
    link.symlink_to(target)

    with pytest.raises(MisconfiguredError, match="TMPDIR"):
        await FileSession(link, "this-one").connect(print)
    assert target.read_text() == "precious"


@pytest.mark.parametrize("garbage", [b"", b"\x00\xff", b"[1]", b'{"epoch": "x", "since": "y", "pid": []}'])
async def test_garbage_in_the_file(session, garbage):
    """Whatever stands in the file, the lock works."""
    session.path.write_bytes(garbage)

    assert await session.try_lock()
    assert await session.holder() is None
    assert (await session.granted()).epoch == 1


def test_one_path_per_bot_and_account():
    """The path depends on the bot and the account alone, so that every start finds it."""
    assert lock_path(lock_key("123456")) == lock_path(lock_key("123456"))
    assert lock_path(lock_key("123456")) != lock_path(lock_key("123457"))
    assert str(os.getuid()) in lock_path(1).name
