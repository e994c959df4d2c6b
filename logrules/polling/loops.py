"""The event loop and the signals of a process that somebody else may share with us."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import sysconfig
import threading
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FRAMES = 8
"""How many of the innermost places are named."""
_OTHERS = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")} | {__package__ + "/"}


def dies_of_sigterm() -> bool:
    """Whether nobody has decided what SIGTERM does, and we may."""
    ours = threading.current_thread() is threading.main_thread()
    return ours and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def event_loop() -> asyncio.AbstractEventLoop:
    """The loop that the user's code has prepared, as run_polling takes it, or a new one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            loop = asyncio.get_event_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
    if loop.is_closed():
        loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


@contextlib.contextmanager
def stopped_by(
    loop: asyncio.AbstractEventLoop, numbers: Iterable[int], stop: Callable[[int], None]
) -> Iterator[None]:
    """While entered, each of these signals stops us in order."""
    numbers = tuple(numbers)
    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        if not loop.is_closed():
            for number in numbers:
                loop.remove_signal_handler(number)


def awaited(task: asyncio.Task[Any] | None) -> list[str]:
    """Where a task waits: functions, files and lines, the innermost last; no source text and no values."""
    places: list[str] = []
    at: Any = task and task.get_coro()
    while (frame := getattr(at, "cr_frame", None) or getattr(at, "gi_frame", None)) is not None:
        places.append(f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})")
        at = getattr(at, "cr_await", None) or getattr(at, "gi_yieldfrom", None)
    return places[-FRAMES:]


def own(places: list[str]) -> str:
    """The innermost place in the bot's own code; where there is none, the innermost."""
    return next(
        (place for place in reversed(places) if not any(path in place for path in _OTHERS)), places[-1]
    )


def insist(status: int, seconds: float, loop: asyncio.AbstractEventLoop | None) -> None:
    """End the process if it still lives in so many seconds: its bot does not.

    In the main thread by ending its `loop` with `status`; from another, whose end ends nothing, by SIGTERM.
    """
    if threading.current_thread() is not threading.main_thread():
        timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
        timer.daemon = True
        timer.start()
    elif loop is not None:
        loop.call_later(seconds, sys.exit, status)


def close(loop: asyncio.AbstractEventLoop) -> None:
    """Close the loop; what was left behind is cancelled first."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=1.0))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
