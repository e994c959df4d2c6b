"""`logrules run --lock`: the command lives only while this process holds the lock.

    standby → the lock is ours → lives → nothing of theirs is left → unlock

Whoever stands by is healthy and has run nothing of the command's. When the lock breaks, the command is
stopped where it stands (SIGSTOP) until the lock is ours again; if that fails it is killed, for its last words
could be a poll. It leads a process group, which dies with this process, whatever ends that: see
`guards/guardian.py`.
"""

from __future__ import annotations

import errno
import os
import select
import shutil
import signal
import threading
import time
from typing import TYPE_CHECKING

from logrules.core.effects import Stop
from logrules.core.guarding.health import Phase
from logrules.core.guarding.lease import Action, Held, State
from logrules.core.match import Match
from logrules.core.model import Exit, LogrulesError
from logrules.guards.guardian import Guardian
from logrules.guards.keeper import CLOCK, Keeper, steady
from logrules.guards.watchdog import Watchdog
from logrules.polling import locks, onfatal
from logrules.rules import rules
from logrules.sidecar.spawn import spawn
from logrules.sources.child import StartError
from logrules.sources.signals import ENDING
from logrules.sources.terminal import Foreground
from logrules.stores.runs import RunFiles
from logrules.streams import complain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from logrules.core.guarding.lease import Fence, Step
    from logrules.settings import Settings
    from logrules.sidecar.watch import Watch
    from logrules.sources.child import Child
    from logrules.sources.signals import Signals

LEFT_BEHIND = 5.0
"""Seconds that what the command has left behind in its group may take for its end."""
GLANCE = 0.05
"""Seconds between two looks at what sends no news."""
HEARD = 0.5
"""Seconds until the thread that has the command knows why it dies; it dies all the same."""


class OverError(Exception):
    """There is no lock to live under: somebody has asked to end, or it could not be kept."""


class Standby:
    """The lock around all lives of one command. See `logrules.sidecar.lives.Bond`.

    Args:
        key: the lock's number.
        settings: what keeps it, and for how long.
        signals: hands over those that ask to end.
        watch: tells people.
        parks: whether to stay, idle, where no restart would get the lock.

    Raises:
        ConfigError: the settings name no lock.
        UnwatchedError: nobody would hear of the lock.
    """

    def __init__(self, key: int, settings: Settings, signals: Signals, watch: Watch, *, parks: bool) -> None:
        self._key = key
        self._parks = parks
        self._settings = settings
        self._signals = signals
        self._watch = watch
        self._session = locks.session(settings, key, settings.timers)
        self._guardian = Guardian()
        self._foreground = Foreground()
        try:
            self._report = watch.open()
        except BaseException:
            self._guardian.close()
            raise
        runs = RunFiles(settings.state, key, settings.instance) if settings.state else None
        self._keeper = Keeper(self._session, settings.timers, self._report, self._changed, runs=runs)
        self._watchdog = Watchdog(self._keeper, settings.timers.blocked, self._report, steady)
        self._mutex = threading.RLock()
        self._child: Child | None = None
        self._group: int | None = None
        """The command's process group, while anything in it may live."""
        self._frozen = False
        self._state = State.NEW
        self._ended = False
        self._asked: signal.Signals | None = None
        self._failed: str | None = None

    @property
    def holds(self) -> bool:
        """Whether another life may still follow."""
        return not self._ended

    def run(self, live: Callable[[], int]) -> int:
        """Have `live` called, which spawns by us, and return the status to end with."""
        status: int = Exit.OK
        try:
            self._begin()
            status = live()
        except OverError:
            pass
        except (StartError, LogrulesError):
            raise
        except Exception as error:  # noqa: BLE001  without us nobody keeps the lock
            complain(f"internal error: {type(error).__name__}; the command is ended, for its lock is gone")
            status = Exit.SOFTWARE
        finally:
            self.release()
        return self._leave(status)

    def spawn(self, command: Sequence[str], settings: Settings, signals: Signals) -> Child:
        """Start the command as soon as the lock is ours. Raises StartError; OverError if it never will be."""
        while True:
            with onfatal.idle(settings, Phase.WAITING):
                self._wait(lambda: self._state is State.HOLDING)
            with self._mutex:
                if self._keeper.begin():
                    return self._spawn(command, settings, signals)
            time.sleep(GLANCE)  # held, but its proof is late

    def ending(self) -> None:
        """The command has ended: what it has left behind in its group is to end, too."""
        self._to_group(signal.SIGTERM)

    def over(self) -> None:
        """It does, before anybody else begins."""
        if self._child is not None and self._child.status() is None:  # by a fault of ours
            self.ending()
        latest = time.monotonic() + LEFT_BEHIND
        while self._is_peopled() and time.monotonic() < latest:
            time.sleep(GLANCE)
        self._kill()

    def release(self) -> None:
        """Nothing of the command's lives any more: give the lock back. Safe to call twice."""
        self.over()
        self._keeper.release()
        self._keeper.join(self._settings.timers.connect + self._settings.timers.answer)
        self._watchdog.stop()
        self._guardian.close()
        self._foreground.close()

    # The way in and out

    def _begin(self) -> None:
        if self._settings.preview:
            words = (
                "This is a preview deploy (IS_PULL_REQUEST=true): it does not run a command under the lock"
            )
            self._report("PREVIEW_IDLE", words)
            with onfatal.idle(self._settings, Phase.PREVIEW):
                self._wait(lambda: False)
        locks.introduce(self._session, self._settings, self._report)
        self._keeper.start(_Fences(self._guardian, locks.fence(self._session, CLOCK, self._report)))
        self._watchdog.watch()

    def _leave(self, status: int) -> int:
        if self._failed is None:
            if self._asked:
                self._report("SHUTDOWN_CLEAN", "Stopped in order", epoch=self._keeper.epoch)
            return status
        status = _exit(self._failed)
        if self._parks and status == Exit.CONFIG:
            with onfatal.idle(self._settings, Phase.PARKED):
                onfatal.park(self._report, self._failed, "The lock could not be taken")
        return status

    def _wait(self, is_so: Callable[[], bool]) -> None:
        """Until it is so. Raises OverError if it never will be."""
        self._signals.hand_to(self._hear)
        try:
            while not (self._asked or self._ended or is_so()):
                select.select([self._signals], [], [])
                self._signals.take()
        finally:
            self._signals.hand_to(None)
        if self._asked is not None:
            name = self._asked.name
            self._report("SHUTDOWN_SIGNAL", f"{name} received: stopping in order", attrs={"signal": name})
        if self._asked or self._ended:
            raise OverError

    def _hear(self, number: int) -> None:
        if number in ENDING:
            self._asked = self._asked or signal.Signals(number)

    # The command

    def _spawn(self, command: Sequence[str], settings: Settings, signals: Signals) -> Child:
        held = Held(self._session.provable, self._key, self._keeper.epoch or 0)
        try:
            child = spawn(
                command,
                settings,
                signals,
                more={"LOGRULES_LOCK_HELD": held.told()},
                group=(self._guardian.line, self._foreground.fd),
            )
        except BaseException:
            self._guardian.dismiss()
            self._keeper.end()
            raise
        child.on_continue, child.has_keys = self._go_on, self._foreground.is_ours
        self._child, self._group = child, child.pid
        return child

    def _go_on(self) -> None:
        """We were stopped at a terminal, and are not any more."""
        if self._group is not None:
            self._foreground.give(self._group)
        self._to_group(signal.SIGCONT)

    def _is_peopled(self) -> bool:
        if self._child is not None:
            self._child.status()  # takes in the leader itself
            self._child.reap_orphans()
        return self._to_group(0)

    def _to_group(self, number: int) -> bool:
        """Whether anything in the group could get it."""
        with self._mutex:
            if self._group is None:
                return False
            try:
                os.killpg(self._group, number)
            except ProcessLookupError:
                return False
            except PermissionError:  # another user's by now
                return True
            return True

    def _kill(self) -> None:
        """From here on nothing of the command's can send anything."""
        with self._mutex:
            if self._group is None:
                return
            self._to_group(signal.SIGKILL)
            self._foreground.take_back(self._group)
            self._child = self._group = None
            self._guardian.dismiss()
            self._keeper.end()

    # The lock

    def _changed(self, step: Step) -> None:
        """Called in the lock's thread, or in the watchdog's."""
        with self._mutex:
            self._state = step.state
            if step.state is State.LOST or step.fatal:
                self._frozen = self._to_group(signal.SIGSTOP)
            elif step.state is State.HOLDING and self._frozen:
                self._frozen = False
                self._to_group(signal.SIGCONT)
            self._ended |= step.action is Action.END
        if step.fatal and step.code is not None:
            self._fail(step.code)
        self._signals.wake()

    def _fail(self, code: str) -> None:
        self._failed = code
        if self._group is not None:
            self._watch.demand(Stop(self._match(code), Exit(_exit(code))), HEARD)
            self._kill()

    def _match(self, code: str) -> Match:
        return Match(
            code=code,
            fatal=True,
            level=rules.specs[code].severity,
            message="The lock could not be kept",
            service=self._settings.service,
            instance=self._settings.instance,
            time=time.time(),
        )


class _Fences:
    """The guardian's deadline and the kernel's: the command's group goes, and so do we. See `lease.Fence`."""

    def __init__(self, *fences: Fence | None) -> None:
        self._fences = [fence for fence in fences if fence is not None]

    def extend(self, deadline: float) -> None:
        for fence in self._fences:
            fence.extend(deadline)

    def disarm(self) -> None:
        for fence in self._fences:
            fence.disarm()


def find(command: str) -> None:
    """See that there is such a command, before anybody waits for it. Raises StartError as its start would."""
    if shutil.which(command) is None:
        raise StartError(command, errno.EACCES if os.path.exists(command) else errno.ENOENT)  # noqa: PTH110


def _exit(code: str) -> int:
    return int(rules.specs[code].exit or Exit.SOFTWARE)
