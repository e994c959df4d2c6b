"""What follows the end of a life: nothing, another one, or staying without one.

    spawn → life → its end → exit
      ↑               ↓
      └─── wait ←── restart      park: stay, idle and healthy, until somebody asks to end

One `Watch` stands beside all lives: incidents and alerts know of no restart. How long is waited is the same
rule as the guard's (`core/guarding/restarts.py`); a signal that asks to end is heeded at once, whatever is
waited for.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Protocol

from logrules.core.model import Exit, Severity
from logrules.sidecar.life import Life
from logrules.sidecar.options import OnFatal
from logrules.sidecar.spawn import spawn
from logrules.sidecar.watch import UnwatchedError, Verdict, Watch
from logrules.sources.signals import ENDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from logrules.core.guarding.restarts import Fatal
    from logrules.settings import Settings
    from logrules.sidecar.life import End
    from logrules.sidecar.options import Options
    from logrules.sources.child import Child
    from logrules.sources.signals import Signals


def live(
    command: Sequence[str], first: Child | None, signals: Signals, settings: Settings, options: Options
) -> int:
    """All lives of a command, with one watch beside them; gives the status to end with.

    Args:
        command: Its words.
        first: What has been started of it; None where there is to be a lock around it: lock → lives → life.
        signals: What is handed on.
        settings: Whose it is.
        options: What is to follow.

    Raises:
        OSError: The command cannot be started.
        LogrulesError: There is no lock to be had.
    """
    watch = Watch(settings, options, wake=signals.wake)
    try:
        if first is not None:
            return Lives(command, signals, watch, settings, options, bond=Free(first)).run()
        from logrules.sidecar.standby import Standby, find

        find(command[0])
        parks = settings.park or options.on_fatal is OnFatal.PARK
        standby = Standby(options.lock or 0, settings, signals, watch, parks=parks)
        return standby.run(Lives(command, signals, watch, settings, options, bond=standby).run)
    except UnwatchedError:
        return Exit.SOFTWARE
    finally:
        watch.close()


class Bond(Protocol):
    """What the lives of a command are bound to."""

    @property
    def holds(self) -> bool:
        """Whether another one may follow."""

    def spawn(self, command: Sequence[str], settings: Settings, signals: Signals) -> Child:
        """Start the command when it may live. Raises OSError where it cannot be started."""

    def ending(self) -> None:
        """It has ended; its last words are about to be read."""

    def over(self) -> None:
        """It has ended, and said what it had to say."""

    def release(self) -> None:
        """No other life follows, though this process stays. Safe to call twice."""


class Free:
    """Bound to nothing, and the first one has been started. See `Bond`."""

    holds = True

    def __init__(self, first: Child) -> None:
        self._first: Child | None = first

    def spawn(self, command: Sequence[str], settings: Settings, signals: Signals) -> Child:
        """At once."""
        first, self._first = self._first, None
        return first or spawn(command, settings, signals)

    def ending(self) -> None:
        """What it has left behind lives on."""

    def over(self) -> None:
        """It lives on."""

    def release(self) -> None:
        """There is nothing to let go of."""


class Lives:
    """All lives of one command."""

    def __init__(
        self,
        command: Sequence[str],
        signals: Signals,
        watch: Watch,
        settings: Settings,
        options: Options,
        *,
        bond: Bond,
    ) -> None:
        self._bond = bond
        self._command = command
        self._signals = signals
        self._watch = watch
        self._settings = settings
        self._options = options
        self._last: Fatal | None = None
        self._asked = False
        self._child: Child | None = None

    def run(self) -> int:
        """Live, and return the status to end with. Raises OSError where the command cannot be started."""
        end = self._life()
        while (fatal := _verdict(end)) is not None and self._begins_anew(fatal):
            end = self._life()
        status = end.stop.exit if end.stop else end.status
        if fatal is not None and not self._asked and self._parks and not fatal.is_curable:
            self._park(fatal)
        return status

    def _life(self) -> End:
        self._child = self._bond.spawn(self._command, self._settings, self._signals)
        try:
            return Life(self._child, self._signals, self._watch, self._bond.ending).run()
        finally:
            self._bond.over()

    @property
    def _parks(self) -> bool:
        return self._options.on_fatal is OnFatal.PARK or self._settings.park

    def _begins_anew(self, fatal: Verdict) -> bool:
        """Whether another life follows such an end: not where it would end the same way, nor for ever."""
        if self._options.on_fatal is not OnFatal.RESTART or not fatal.is_curable or not self._bond.holds:
            return False
        import random

        from logrules.core.guarding.restarts import delay, next_fatal, spread

        now = time.time()
        self._last = next_fatal(self._last, fatal.code, now)
        row, restarts = self._last.row, self._options.restarts
        if row > restarts:
            self._watch.remark(
                Severity.ERROR,
                f"The command is not started again: {row} fatal ends in a row, the last one {fatal.code}; "
                f"--restarts allows {restarts}",
            )
            return False
        seconds = spread(delay(self._last, now), random.random())  # noqa: S311  it is no secret
        self._announce(self._last, seconds)
        return not self._rests(seconds)

    def _announce(self, last: Fatal, seconds: float) -> None:
        if not seconds:
            self._watch.remark(Severity.INFO, f"Starting the command again, after {last.code}")
            return
        words = f"Waiting {seconds:.0f} s: {last.row} fatal ends in a row, the last one {last.code}"
        attrs = {"seconds": round(seconds, 1), "row": last.row, "code": last.code}
        self._watch.report("START_DELAYED", words, attrs=attrs)

    def _rests(self, seconds: float) -> bool:
        """Let time pass, healthy; True as soon as a signal has asked to end."""
        from logrules.core.guarding.health import Phase
        from logrules.polling.onfatal import idle

        with idle(self._settings, Phase.DELAYED):
            return self._wait(seconds)

    def _park(self, fatal: Verdict) -> None:
        from logrules.core.guarding.health import Phase
        from logrules.polling.onfatal import idle, remind

        words = f"The command has ended of {fatal.code}, which a restart does not cure"
        self._watch.remark(Severity.WARNING, f"{words}: parked until a signal asks to end")
        self._bond.release()
        with idle(self._settings, Phase.PARKED):
            remind(self._watch.report, fatal.code, words, self._wait)

    def _wait(self, seconds: float) -> bool:
        """Whether a signal has asked to end within so many seconds."""
        until = time.monotonic() + seconds
        self._signals.hand_to(self._hear)
        try:
            while not self._asked and (left := until - time.monotonic()) > 0:
                select.select([self._signals], [], [], left)
                self._signals.take()
                if self._child is not None:
                    self._child.reap_orphans()
        finally:
            self._signals.hand_to(None)
        return self._asked

    def _hear(self, number: int) -> None:
        self._asked |= number in ENDING


def _verdict(end: End) -> Verdict | None:
    """What the life has ended of; None if that is as it should be."""
    if end.stop is not None:
        return Verdict(end.stop.match.code, is_curable=end.stop.exit != Exit.CONFIG)
    return end.verdict
