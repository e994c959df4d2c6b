"""The watchdog: a loop that does not move is told of, a fence that comes near is told of before it comes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from logrules.core.guarding.lease import LAST_WORD, BrokenError, Grant, State, Timers
from logrules.guards.flock import FileSession
from logrules.guards.keeper import Keeper, steady
from logrules.guards.watchdog import Watchdog

QUICK = Timers(
    lease=5.6, dropped=5.6, keepalive=0.1, answer=0.4, fence=4.5, chunk=1, check=0.2, grace=0, blocked=1
)


class Log:
    """A Report that keeps what was said, and lets a test wait for it."""

    def __init__(self):
        self.said = []
        self._news = threading.Condition()

    def __call__(self, code, message, **more):
        with self._news:
            self.said.append((code, message, more))
            self._news.notify_all()

    def codes(self):
        return [code for code, _, _ in self.said]

    def wait(self, code, count=1, seconds=20):
        with self._news:
            assert self._news.wait_for(lambda: self.codes().count(code) >= count, seconds), self.said
            return [entry for entry in self.said if entry[0] == code][count - 1]


class Unfenced:
    """A lock without any deadline."""

    epoch: int | None = 7

    def last_word(self):
        return None

    def fence_off(self):
        raise AssertionError("there is nothing to fence off")

    def expired(self):
        return False


class Loop:
    """An event loop in a thread of its own, for a watchdog to watch."""

    def __init__(self, watchdog):
        self.loop = asyncio.new_event_loop()
        self.watchdog = watchdog
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(self.watchdog.watch, self.loop)
        self.loop.run_forever()
        self.loop.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.watchdog.stop()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def call(self, work):
        self.loop.call_soon_threadsafe(work)


def test_blocked_loop_is_told_of_with_its_place():
    """How long, and where: file, line and function; then that it goes on. No source text, no values."""
    log, gate = Log(), threading.Event()

    def slow_handler():
        password = "s3cret-in-a-line"
        gate.wait(30 if password else 0)

    with Loop(Watchdog(Unfenced(), 0.3, log, steady)) as loop:
        loop.call(slow_handler)
        _, message, more = log.wait("LOOP_BLOCKED")
        gate.set()
        _, after, ended = log.wait("LOOP_BLOCKED", count=2)

    stack = more["attrs"]["stack"]
    assert message.startswith("The bot's event loop has not moved for ")
    assert any(place.startswith(f"slow_handler ({__file__}:") for place in stack)
    assert stack[-1].startswith("wait (")  # the innermost is the last
    assert message.count(stack[-1]) == 1
    assert more["attrs"]["blocked_for"] >= 0.3
    assert more["epoch"] == 7
    assert "goes on after" in after
    assert ended["attrs"]["blocked_for"] >= more["attrs"]["blocked_for"]
    assert "s3cret" not in repr(log.said)


def test_loop_that_moves_is_left_in_peace():
    """Short work, however much of it, is no block."""
    log = Log()
    with Loop(Watchdog(Unfenced(), 5.0, log, steady)) as loop:
        until = steady() + 1.5
        while steady() < until:
            done = threading.Event()
            loop.call(done.set)
            done.wait(20)

    assert log.said == []


def test_each_block_is_told_of():
    """A second block is told of as the first one was: two lines each."""
    log = Log()
    with Loop(Watchdog(Unfenced(), 0.3, log, steady)) as loop:
        for count in (1, 3):
            gate = threading.Event()
            loop.call(lambda gate=gate: gate.wait(20))
            log.wait("LOOP_BLOCKED", count=count)
            gate.set()
            log.wait("LOOP_BLOCKED", count=count + 1)


def test_process_that_stood_still_is_not_called_a_blocked_handler():
    """Where the watchdog itself could not look, the words are others: stopped, starved, or held by C code."""
    log, jump = Log(), [0.0]
    with Loop(Watchdog(Unfenced(), 5.0, log, lambda: steady() + jump[0])) as loop:
        done = threading.Event()
        loop.call(done.set)
        done.wait(20)
        jump[0] = 30.0
        _, message, more = log.wait("LOOP_BLOCKED")

    assert message.startswith("The whole process stood still for ")
    assert more["attrs"]["blocked_for"] == pytest.approx(30, abs=5)
    assert "stack" not in more["attrs"]


class Stuck(FileSession):
    """A lock that others could be given, whose keeper hangs in its own thread when told to."""

    provable = True

    def __init__(self, path):
        super().__init__(path, "a")
        self.hang = threading.Event()
        self.free = threading.Event()

    async def prove(self):
        if self.hang.is_set():
            self.free.wait(30)
            raise BrokenError("too late")
        return await super().prove()

    async def granted(self):
        return Grant((await super().granted()).epoch, float("inf"))


class Fence:
    """What the kernel would be told."""

    deadline = None

    def extend(self, deadline):
        self.deadline = deadline

    def disarm(self):
        self.deadline = None


class Spared(Keeper):
    """A keeper in the test's own process, which nobody is to end."""

    def expired(self):
        return False


@contextmanager
def stuck(path):
    log, session, fence, states = Log(), Stuck(path), Fence(), []
    keeper = Spared(session, QUICK, log, lambda step: states.append((step.state, step.fatal)))
    watchdog = Watchdog(keeper, 60.0, log, steady)
    with Loop(watchdog):
        keeper.start(fence)
        log.wait("KEEPALIVE_STARTED")
        try:
            yield keeper, session, fence, log, states
        finally:
            session.free.set()
            keeper.release()
            assert keeper.join(20)


def test_fence_is_told_of_before_it_comes(tmp_path):
    """Nobody proves the lock any more: polling ends two seconds before the fence, and LOCK_FENCED is said."""
    with stuck(tmp_path / "bot.lock") as (keeper, session, fence, log, states):
        assert keeper.begin() > 0
        session.hang.set()
        _, message, more = log.wait("LOCK_FENCED")
        at = steady()

        assert keeper.remaining() == keeper.begin() == 0
        assert states[-1] == (State.FAILED, True)
        assert more["fatal"] is True
        assert message.startswith("File lock unproved for ")
        assert fence.deadline is not None  # a poll is still in flight: the kernel still comes
        assert at >= fence.deadline - LAST_WORD
        keeper.end()
        assert fence.deadline is None

    assert log.codes()[-1] == "LOCK_FENCED"  # the keeper, free again, has nothing to add


def test_proof_in_the_last_moment_counts(tmp_path):
    """A proof that comes before the last word leaves everything as it was."""
    with stuck(tmp_path / "bot.lock") as (keeper, _, fence, log, states):
        keeper.fence_off()  # asked too soon

        assert keeper.prove().result(20) is True
        assert fence.deadline > steady()
        assert states[-1][0] is State.HOLDING
        assert "LOCK_FENCED" not in log.codes()


def test_file_lock_needs_no_fence(tmp_path):
    """Nobody can be given a file lock whose holder sleeps: a suspended laptop goes on when it wakes."""
    log, fence = Log(), Fence()
    keeper = Keeper(FileSession(tmp_path / "bot.lock", "a"), QUICK, log, lambda step: None)
    keeper.start(fence)
    _, message, _ = log.wait("KEEPALIVE_STARTED")
    assert message.startswith("File lock keep-alive task started: ")
    armed = fence.deadline, keeper.last_word(), keeper.expired()
    keeper.release()

    assert keeper.join(20)
    assert armed == (None, None, False)


WEAK = """
import asyncio
from logrules.guards.keeper import steady
from logrules.guards.watchdog import Watchdog

class Overdue:
    epoch = 1
    def last_word(self): return None
    def fence_off(self): pass
    def expired(self): return steady() >= deadline

deadline = steady() + 0.5
async def main():
    Watchdog(Overdue(), 60, print, steady).watch(asyncio.get_running_loop())
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_without_a_kernel_that_ends_it_the_watchdog_does():
    """On a weaker platform a thread ends the process at its deadline, with the status of its code."""
    done = subprocess.run(
        [sys.executable, "-c", WEAK], capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.returncode, done.stdout) == (75, "")
