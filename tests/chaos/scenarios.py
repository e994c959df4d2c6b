"""What can go wrong, each in a world of its own. A scenario ends with the counts that it must have."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos.world import TIMERS, World
from tests.processes import Bot

if TYPE_CHECKING:
    from collections.abc import Callable


OVERLAP = 3.0
"""Seconds for which a deploy runs both versions: a platform's 60, scaled down."""
HANDOVER = "first poll after SIGTERM, beyond the drain"
TAKEOVER = "first poll after SIGKILL, beyond the grace"
TO_REACH = {HANDOVER: 0.1, TAKEOVER: 0.15}
"""Seconds below which the 99th percentile is to stay, on a calm machine. What is spent with the lock is
python-telegram-bot's own start: getMe, post_init, deleteWebhook."""


class Scenario(NamedTuple):
    """A fault, and how much of it is allowed."""

    name: str
    run: Callable[[World], None]
    repeats: bool
    """Whether a message may be answered twice: after a kill the one in hand comes again."""
    overlaps: bool
    """Whether two may poll at once in the default mode; never in the strict one."""

    @property
    def fault(self) -> str:
        """The first line of what it is."""
        return (self.run.__doc__ or "").partition("\n")[0].rstrip(".")


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    *, repeats: bool = False, overlaps: bool = False
) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    """Add it to the suite."""

    def added(run: Callable[[World], None]) -> Callable[[World], None]:
        SCENARIOS[run.__name__] = Scenario(run.__name__, run, repeats, overlaps)
        return run

    return added


def _taken_over(world: World, name: str = "second") -> float:
    """When this bot first polled; somebody writes to it."""
    world.write("are you there")
    world.all_answered()
    return world.first_poll(name)


@scenario()
def sigterm(world: World) -> None:
    """SIGTERM to the holder while people write: a planned handover."""
    first = world.holder()
    second = world.standby()
    with world.writing():
        world.api.wait_for(lambda: len(world.answers()) > 3)
        told = first.signal(signal.SIGTERM)
        assert first.ended() == 0
        second.wait("POLLING_STARTED")
    drained = max(told, world.last_answer("first"))
    world.measure_takeover(HANDOVER, drained, "second")
    world.all_answered()


@scenario(repeats=True)
def sigkill(world: World) -> None:
    """SIGKILL to the holder while people write."""
    first = world.holder()
    second = world.standby()
    with world.writing():
        world.api.wait_for(lambda: len(world.answers()) > 3)
        killed = first.signal(signal.SIGKILL)
        second.wait("POLLING_STARTED")
    world.measure_takeover(TAKEOVER, killed + world.timers.grace, "second")
    world.all_answered()


def _stopped_until_another_polls(world: World, first: Bot, pid: int) -> None:
    """SIGSTOP, a takeover, SIGCONT: the old holder sends nothing more, and ends."""
    second = world.standby()
    os.kill(pid, signal.SIGSTOP)
    second.wait("POLLING_STARTED")
    woken = time.monotonic()
    os.kill(pid, signal.SIGCONT)
    assert first.ended() != 0
    _taken_over(world)
    assert world.polls_after("first", woken) == 0


@scenario(repeats=True)
def sigstop(world: World) -> None:
    """SIGSTOP to the holder; SIGCONT when another has taken over."""
    first = world.holder()
    _stopped_until_another_polls(world, first, first.process.pid)


@scenario(repeats=True)
def nap(world: World) -> None:
    """SIGSTOP and SIGCONT shorter than the fence: the holder goes on."""
    first = world.holder()
    world.standby()
    first.signal(signal.SIGSTOP)
    time.sleep(1.0)
    first.signal(signal.SIGCONT)
    _taken_over(world, "first")
    assert first.of("LOCK_LOST") == []


@scenario()
def blocked_loop(world: World) -> None:
    """A handler blocks the holder's event loop for longer than the lease."""
    first = world.holder()
    second = world.standby()
    world.write(f"block {TIMERS.lease + 1}")
    first.wait("LOOP_BLOCKED")
    _taken_over(world, "first")
    assert second.of("LOCK_ACQUIRED") == []


@scenario(repeats=True)
def black_hole(world: World) -> None:
    """The network between the holder and its database swallows everything."""
    first = world.holder(through=world.proxy)
    world.standby()
    world.proxy.cut(new=True)
    first.wait("LOCK_LOST")
    assert first.ended() != 0
    _taken_over(world)


@scenario()
def terminated_backend(world: World) -> None:
    """An administrator ends the lock's session."""
    first = world.holder()
    world.postgres.terminate_backends("logrules/%")
    first.wait("LOCK_REACQUIRED")
    _taken_over(world, "first")


@scenario(repeats=True)
def database_restart(world: World) -> None:
    """The database restarts under a holder and a standby."""
    first = world.holder()
    world.standby()
    world.postgres.restart()
    first.wait("LOCK_LOST")
    world.write("are you there")
    world.all_answered()


@scenario(repeats=True, overlaps=True)
def black_hole_and_termination(world: World) -> None:
    """The holder is cut off, and the database ends its session at the same moment."""
    first = world.holder(through=world.proxy)
    world.standby()
    world.proxy.cut(new=True)
    world.postgres.terminate_backends("logrules/%/first%")
    _taken_over(world)
    assert first.ended() != 0


@scenario(repeats=True)
def ghost_waiter(world: World) -> None:
    """A standby dies behind a black hole while it waits: its place in the queue must not outlive it."""
    first = world.holder()
    world.standby("ghost", through=world.proxy)
    world.proxy.cut(new=True)
    world.bots[-1].signal(signal.SIGKILL)
    third = world.standby("second")
    first.signal(signal.SIGTERM)
    assert first.ended() == 0
    third.wait("POLLING_STARTED")
    _taken_over(world)


@scenario()
def cancel_race(world: World) -> None:
    """The standby is told to end in the moment in which it gets the lock."""
    first = world.holder()
    second = world.standby()
    third = world.standby("third")
    first.signal(signal.SIGTERM)
    second.signal(signal.SIGTERM)
    assert (first.ended(), second.ended()) == (0, 0)
    third.wait("POLLING_STARTED")
    _taken_over(world, "third")


@scenario()
def clock_jumps(world: World) -> None:
    """The host's clock is set an hour ahead, then two hours back, while people write; then a handover."""
    first = world.holder()
    second = world.standby()
    with world.writing():
        for seconds in (3600, -3600):
            world.write(f"clock {seconds}")
            world.all_answered()
            time.sleep(TIMERS.fence)  # whoever went by that clock would have lost the lock by now
        first.signal(signal.SIGTERM)
        assert first.ended() == 0
        second.wait("POLLING_STARTED")
    _taken_over(world)
    assert [first.of(code) for code in ("LOCK_LOST", "LOCK_FENCED", "POLLING_STALLED")] == [[], [], []]


@scenario(repeats=True)
def users_alarm(world: World) -> None:
    """The bot's own code uses the alarm clock; then the holder is stopped."""
    first = world.holder()
    world.write("alarm")
    world.all_answered()
    _stopped_until_another_polls(world, first, first.process.pid)


def _namespaces() -> bool:
    unshare = shutil.which("unshare")
    return unshare is not None and subprocess.run([unshare, *_INIT, "true"], check=False).returncode == 0


_INIT = ("--pid", "--fork", "--kill-child")

if _namespaces():

    @scenario(repeats=True)
    def process_one(world: World) -> None:
        """The holder is process 1 of a container, and is stopped."""
        first = world.holder(prefix=("unshare", *_INIT))
        _stopped_until_another_polls(world, first, _child(first.process.pid))

    @scenario(repeats=True)
    def wrapper_as_process_one(world: World) -> None:
        """A wrapper that is process 1 of a container is stopped, where no kernel timer ends it."""
        alone = ("unshare", *_INIT, *WRAPPER, *SHELL)
        first = world.start("first", {"UNGUARDED": "1"}, prefix=alone)
        world.first_poll("first")
        world.standby("second")
        one = _child(first.process.pid)
        os.kill(one, signal.SIGSTOP)
        _taken_over(world)
        os.kill(one, signal.SIGCONT)
        assert first.ended() != 0


def _child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()[0])


@scenario()
def rolling_deploy(world: World) -> None:
    """Three deploys in a row, old and new side by side for a while, people writing all the time."""
    old = world.holder("version 0")
    with world.writing():
        for version in range(1, 4):
            new = world.standby(f"version {version}")
            time.sleep(OVERLAP)
            told = old.signal(signal.SIGTERM)
            assert old.ended() == 0
            new.wait("POLLING_STARTED")
            world.measure_takeover(HANDOVER, max(told, world.last_answer(old.name)), new.name)
            old = new
    world.all_answered()
    world.measured("409s per deploy, guarded", world.api.conflicts / 3)


WRAPPER = (sys.executable, str(Path(__file__).with_name("wrap.py")), "--")
SHELL = ("sh", "-c", '"$@"; exit $?', "sh")
"""Between wrapper and bot, as `npm start` is: what the kernel tells the shell, the bot never hears."""


def _wrapped(world: World, name: str, *, knows: bool = False) -> Bot:
    """A bot under `logrules run --lock`; it knows nothing of logrules, unless it `knows`."""
    way = {} if knows else {"UNGUARDED": "1"}
    return world.start(name, way, prefix=WRAPPER if knows else (*WRAPPER, *SHELL))


def _wrapped_pair(world: World) -> tuple[Bot, Bot]:
    first = _wrapped(world, "first")
    world.first_poll("first")
    second = _wrapped(world, "second")
    second.wait("LOCK_WAITING")
    return first, second


@scenario(repeats=True)
def wrapper_killed(world: World) -> None:
    """SIGKILL to the wrapper of a bot that a shell has started."""
    first, _ = _wrapped_pair(world)
    first.signal(signal.SIGKILL)
    _taken_over(world)


@scenario(repeats=True)
def wrapper_stopped(world: World) -> None:
    """SIGSTOP to such a wrapper: its bot ends before another one polls."""
    first, _ = _wrapped_pair(world)
    first.signal(signal.SIGSTOP)
    world.first_poll("second")
    assert first.ended() == -signal.SIGKILL
    _taken_over(world)


@scenario(repeats=True)
def wrapper_and_restart(world: World) -> None:
    """The database restarts under two wrappers."""
    first, _ = _wrapped_pair(world)
    world.postgres.restart()
    first.wait("LOCK_LOST")
    world.write("are you there")
    world.all_answered()


CLIENTS = Path(__file__).parents[1] / "data" / "clients"
AIOGRAM = (
    f"Python/{sys.version_info[0]}.{sys.version_info[1]} "
    f"aiohttp/{metadata.version('aiohttp')} aiogram/{metadata.version('aiogram')}"
)
TELEBOT = f"python-requests/{metadata.version('requests')}"
"""How they name themselves at Telegram."""


@scenario(repeats=True)
def wrapped_clients(world: World) -> None:
    """From aiogram to pyTelegramBotAPI by SIGKILL to the wrapper, and by SIGTERM to a guarded bot."""
    aiogram = world.start(AIOGRAM, prefix=WRAPPER, script=CLIENTS / "aiogram3.py")
    world.first_poll(AIOGRAM)
    telebot = world.start(TELEBOT, prefix=WRAPPER, script=CLIENTS / "pytelegrambotapi.py")
    telebot.wait("LOCK_WAITING")
    aiogram.signal(signal.SIGKILL)
    world.first_poll(TELEBOT)
    world.standby("third")
    telebot.signal(signal.SIGTERM)
    telebot.ended()
    _taken_over(world, "third")
    assert world.api.conflicts == 0


@scenario()
def wrapped_deploys(world: World) -> None:
    """From a guarded bot to a wrapped one, to a wrapped one that is guarded, and back; people write."""
    old = world.holder("version 0")
    with world.writing():
        ways: tuple[Callable[[World, str], Bot], ...] = (_wrapped, partial(_wrapped, knows=True), World.start)
        for version, begin in enumerate(ways, 1):
            name = f"version {version}"
            new = begin(world, name)
            new.wait("LOCK_WAITING")
            old.signal(signal.SIGTERM)
            assert old.ended() in {0, 128 + signal.SIGTERM}  # a shell's own way
            world.first_poll(name)
            old = new
    world.all_answered()
    assert world.api.conflicts == 0


def unguarded_deploys(world: World, deploys: int = 3) -> None:
    """The same deploys as python-telegram-bot does them by itself, for comparison."""
    old = world.start("version 0", {"UNGUARDED": "1"})
    world.first_poll("version 0")
    for version in range(1, deploys + 1):
        name = f"version {version}"
        new = world.start(name, {"UNGUARDED": "1"})
        world.first_poll(name)
        time.sleep(OVERLAP)
        old.signal(signal.SIGTERM)
        old.ended()
        old = new
    world.measured("409s per deploy, python-telegram-bot alone", world.api.conflicts / deploys)
    world.measured("overlapping polls, python-telegram-bot alone", world.counts().overlaps)


@scenario(repeats=True)
def unguarded_rival(world: World) -> None:
    """Somebody polls the same bot without a guard."""
    first = world.holder()
    rival = world.start("rival", {"UNGUARDED": "1"})
    first.wait("CONFLICT_409")
    assert first.ended() == 75
    rival.signal(signal.SIGKILL)
    rival.ended()
    world.holder("second")
    _taken_over(world)
