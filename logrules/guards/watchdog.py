"""Watches from a thread of its own: whether the bot's event loop moves, and whether the fence comes near.

What it sees it says itself, so that neither the loop nor the lock's thread has to be in a state to speak.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING, NamedTuple, Protocol

from logrules.core.model import Exit

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from logrules.core.model import Report

TICK = 0.5
"""Seconds between two looks."""
FRAMES = 8
"""How many of the innermost places are named."""


class Lock(Protocol):
    """The lock's side of it."""

    epoch: int | None

    def last_word(self) -> float | None:
        """When LOCK_FENCED is due, on the watchdog's clock; None while no fence is up."""

    def fence_off(self) -> None:
        """Say LOCK_FENCED and end, in order if there is time."""

    def expired(self) -> bool:
        """Whether the fence has come down, and yet we live."""


class _Beat(NamedTuple):
    """A question to the loop whether it moves."""

    asked: float
    answered: threading.Event


class Watchdog:
    """One daemon thread, from `watch` to `stop`.

    Args:
        lock: whose fence it watches.
        blocked: seconds after which a loop that has not moved is told of.
        report: where LOOP_BLOCKED is said.
        clock: seconds, the ones that the lock's deadlines are in.
    """

    def __init__(self, lock: Lock, blocked: float, report: Report, clock: Callable[[], float]) -> None:
        self._lock = lock
        self._blocked = blocked
        self._report = report
        self._clock = clock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="logrules-watchdog", daemon=True)
        self._latest_look = 0.0
        self._slept = 0.0
        self._told = False

    def watch(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Begin. Called in the loop, whose thread is looked into; without one only the fence is watched."""
        self._loop = loop
        self._looped = threading.get_ident()
        self._thread.start()

    def stop(self) -> None:
        """Look no further. Safe to call twice, and before `watch`."""
        self._stopped.set()

    def _run(self) -> None:
        self._latest_look = self._clock()
        beat = self._ask()
        while not self._stopped.wait(self._nap()):
            now = self._clock()
            self._slept = max(self._slept, now - self._latest_look - TICK)
            self._latest_look = now
            self._look_at_lock(now)
            if beat is None:
                beat = self._ask()
            elif beat.answered.is_set():
                self._moved(now - beat.asked)
                beat = None
            elif now - beat.asked >= self._blocked and not self._told:
                self._say_blocked(now - beat.asked)

    def _nap(self) -> float:
        due = self._lock.last_word()
        return TICK if due is None else max(0.0, min(TICK, due - self._clock()))

    def _look_at_lock(self, now: float) -> None:
        due = self._lock.last_word()
        if due is not None and now >= due:
            self._lock.fence_off()
        if self._lock.expired():  # where no kernel has ended us
            os._exit(int(Exit.TEMPFAIL))

    def _ask(self) -> _Beat | None:
        if self._loop is None:
            return None
        beat = _Beat(self._clock(), threading.Event())
        self._slept = 0.0
        try:
            self._loop.call_soon_threadsafe(beat.answered.set)
        except RuntimeError:  # the loop has ended
            return None
        return beat

    def _moved(self, seconds: float) -> None:
        """The loop goes on. Where this thread could not look meanwhile, it was not a handler alone."""
        if self._told:
            self._told = False
            self._say(f"The bot's event loop goes on after {seconds:.1f} s", seconds, [])
        elif self._slept >= self._blocked:
            words = f"The whole process stood still for {self._slept:.1f} s: it was stopped, starved, or kept"
            self._say(f"{words} by code that holds Python's interpreter lock", self._slept, [])

    def _say_blocked(self, seconds: float) -> None:
        self._told = True
        places = _places(self._looped)
        where = f", now in {places[-1]}" if places else ""
        words = f"The bot's event loop has not moved for {seconds:.1f} s{where}; the lock is kept"
        self._say(words, seconds, places)

    def _say(self, words: str, seconds: float, places: list[str]) -> None:
        attrs = {"blocked_for": round(seconds, 1), **({"stack": places} if places else {})}
        self._report("LOOP_BLOCKED", words, epoch=self._lock.epoch, attrs=attrs)


def _places(thread: int) -> list[str]:
    """Where a thread is: files, lines and functions, the innermost last; no source text and no values."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - the documented way to look into a thread
    if frame is None:
        return []
    stack = traceback.StackSummary.extract(traceback.walk_stack(frame), limit=FRAMES, lookup_lines=False)
    return [f"{entry.name} ({entry.filename}:{entry.lineno})" for entry in reversed(stack)]
