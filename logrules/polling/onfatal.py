"""Around a life under the guard: whether this process begins one now, and what it does after a fatal end.

A platform restarts whatever ends. Where a restart changes nothing, or comes too soon, ending is no help: this
process stays, healthy and idle, and says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from logrules.core.guarding.health import Health
from logrules.core.guarding.restarts import delay, next_fatal
from logrules.core.model import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from logrules.core.guarding.health import Phase
    from logrules.core.model import Report
    from logrules.settings import Settings
    from logrules.stores.fatals import FatalFile

VERSION = version("logrules")
REMINDER = 3600.0
"""Seconds between two reminders of a parked process."""


async def begin(settings: Settings, memory: FatalFile | None, report: Report) -> None:
    """Return when polling may be begun; in a preview deploy never, until it is cancelled."""
    if settings.preview:
        words = "This is a preview deploy (IS_PULL_REQUEST=true): it does not poll with the bot's token"
        report("PREVIEW_IDLE", words)
        await asyncio.Event().wait()
    last = memory.last() if memory else None
    seconds = delay(last, time.time())
    if last is not None and seconds:
        words = f"Waiting {seconds:.0f} s: {last.row} fatal ends in a row, the last one {last.code}"
        attrs = {"seconds": round(seconds, 1), "row": last.row, "code": last.code}
        report("START_DELAYED", words, attrs=attrs)
        await asyncio.sleep(seconds)


def remember(memory: FatalFile | None, code: str | None) -> None:
    """How this life has ended: with `code`, or in order."""
    if memory is None:
        return
    if code is None:
        memory.forget()
    else:
        memory.remember(next_fatal(memory.last(), code, time.time()))


def parks(settings: Settings, status: int | None) -> bool:
    """Whether to stay instead of ending with `status`: only where a restart would end with it again."""
    return settings.park and status == Exit.CONFIG


def park(report: Report, code: str, message: str) -> None:
    """Stay until a signal asks to end, and say why every hour."""
    with _asked_to_end() as asked:
        remind(report, code, message, asked.wait)


def remind(report: Report, code: str, message: str, is_over: Callable[[float], bool]) -> None:
    """Say every hour why this process stays. `is_over` waits so many seconds, and tells whether to end."""
    while not is_over(REMINDER):
        report(code, f"{message} (a reminder: parked, and not polling)", fatal=True)


@contextlib.contextmanager
def idle(settings: Settings, phase: Phase) -> Iterator[None]:
    """Answer probes while there is no bot to do it: a platform would end a process that does not answer."""
    if settings.port is None:
        yield
        return
    from logrules.sinks.health import HealthPort  # a web server's worth of memory

    health = Health(
        phase=phase,
        service=settings.service,
        instance=settings.instance,
        version=VERSION,
        since=round(time.time(), 3),
    )
    port = HealthPort(settings.port, lambda: health)
    port.take()
    try:
        yield
    finally:
        port.let_go()


@contextlib.contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """Set at SIGTERM and SIGINT; in any but the main thread never, for it gets no signals."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
