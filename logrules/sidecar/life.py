"""One life of a command under the sidecar: source → engine → sinks → exit status.

    spawn → [ bytes → pass through → chunk → engine → effects ] → the child's end → drain → flush → its status

The child lives whatever happens to us: if classifying fails, its bytes still pass through.
"""

from __future__ import annotations

import os
import select
import selectors
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from logrules.core.model import EVENTS
from logrules.sources.child import JOB_CONTROL, Stream
from logrules.sources.signals import ENDING, told_by_terminal
from logrules.streams import complain

if TYPE_CHECKING:
    from collections.abc import Callable

    from logrules.core.effects import Stop
    from logrules.sidecar.watch import Verdict, Watch
    from logrules.sources.child import Child
    from logrules.sources.signals import Signals

GRACE = 20.0
"""Seconds between our own TERM and KILL: more than the guard's drain needs. A forwarded TERM starts none."""
DRAIN = 2.0
"""Seconds that pipes may stay open after the child's end: a grandchild may hold them for ever."""
QUIET = 0.2
"""Seconds of silence after which nothing more is awaited from one; longer if it was told to end, too."""
GLANCE = 0.05
"""Seconds in which the last words of one that stops must come."""
LOOK = 1.0
"""Seconds between two looks at what sends no news."""
BY_KEYS = frozenset({0, 128 + signal.SIGINT, 128 + signal.SIGQUIT})
"""With what a command ends of a terminal's keys: as it likes, or of SIGINT or SIGQUIT."""


class End(NamedTuple):
    """How a life has ended."""

    status: int
    """The child's own exit status: 128 + n after a signal."""
    stop: Stop | None
    """Why we ended it; None if we did not."""
    verdict: Verdict | None
    """What it ended of by itself; None if that is as it should be, as after a signal that asked for it."""


class Life:
    """One child, from its spawn to its end."""

    def __init__(
        self, child: Child, signals: Signals, watch: Watch, at_end: Callable[[], None] = lambda: None
    ) -> None:
        self._child = child
        self._at_end = at_end
        self._signals = signals
        self._watch = watch
        self._open = selectors.DefaultSelector()
        self._told_to_end = self._told_to_rest = False
        self._told_of_trouble = False
        self._stop: Stop | None = None
        self._kill_at: float | None = None
        self._status: int | None = None
        self._ended_at = 0.0

    def run(self) -> End:
        """Watch the child until its end, and tell what there is to tell."""
        self._open.register(self._signals, selectors.EVENT_READ, self._on_signal)
        for stream in self._child.streams:
            self._open.register(stream.source, selectors.EVENT_READ, stream)
            if stream.target is not None and stream.tells_of_its_reader:
                self._open.register(stream.target, selectors.EVENT_READ, partial(self._left, stream))
        self._signals.hand_to(self._forward)
        try:
            return self._live()
        except Exception as error:  # noqa: BLE001  whatever it is, it is ours, and the command's bytes are not
            return self._outlive(error)
        finally:
            self._signals.hand_to(None)
            for stream in self._streams():
                stream.close()
            self._open.close()

    def _live(self) -> End:
        self._watch.begin(self._end, self._may_speak)
        for stream in self._streams():
            stream.outlet = self._watch.outlet(stream.origin)
        while not self._ended():
            self._turn()
        self._at_end()
        self._drain()
        status = self._status or 0
        by_keys = self._child.has_keys and status in BY_KEYS
        accident = not (self._told_to_end or by_keys) and self._stop is None
        return End(status, self._stop, self._watch.ended(status, self._ended_at, accident=accident))

    def _outlive(self, error: Exception) -> End:
        """A fault of ours in here: the command goes on all the same, or is ended. See `--fail`."""
        stop = self._watch.failed(error)
        if stop is not None:
            self._end(stop)
        while not self._ended():
            self._carry_on(LOOK)
        self._at_end()
        until = time.monotonic() + DRAIN
        while self._streams() and (left := until - time.monotonic()) > 0:
            self._carry_on(left)
        return End(self._status or 0, self._stop, None)

    def _carry_on(self, seconds: float) -> None:
        """What the command cannot do without: its bytes pass, its orphans are taken in."""
        streams = {stream.source: stream for stream in self._streams()}
        for ready in select.select([*streams, self._signals.fileno()], [], [], seconds)[0]:
            if ready not in streams:
                self._signals.take()
                self._child.reap_orphans()
            elif not streams[ready].read(time.time())[1]:
                streams[ready].close()
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._child.kill()

    def _turn(self, until: float | None = None) -> bool:
        """Wait for what comes next, and see to it. Whether the child has said something."""
        ready = [key.data for key, _ in self._open.select(self._timeout(until))]
        # Before anything is read: a record must not be closed while what belongs to it waits in the pipe.
        self._watch.tick(time.time(), busy=[each.origin for each in ready if isinstance(each, Stream)])
        for each in sorted(ready, key=lambda each: not _is_spoken(each)):
            if isinstance(each, Stream):
                self._on_bytes(each)
            else:
                each()
        for stream in self._streams():
            stream.release(time.time())
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = None
            self._child.kill()
        return any(isinstance(each, Stream) for each in ready)

    def _timeout(self, until: float | None) -> float | None:
        due = [when - time.monotonic() for when in (until, self._kill_at) if when is not None]
        outlets = [stream.outlet.deadline for stream in self._streams() if stream.outlet]
        due += [when - time.time() for when in (self._watch.deadline, *outlets) if when is not None]
        return max(0.0, min(due)) if due else None

    def _on_bytes(self, stream: Stream) -> None:
        if not stream.is_open:  # since this turn began
            return
        chunk, goes_on = stream.read(time.time())
        if stream.trouble and not self._told_of_trouble:
            self._told_of_trouble = True
            complain(f"the command's output cannot be written and is dropped until it can: {stream.trouble}")
        if not _is_spoken(stream):
            self._hear()
        self._watch.feed(chunk)
        if not goes_on:
            self._close(stream)

    def _close(self, stream: Stream) -> None:
        stream.release(time.time(), at_end=True)
        self._open.unregister(stream.source)
        if stream.target is not None and stream.target in self._open.get_map():
            self._open.unregister(stream.target)
        stream.close()
        self._watch.end(stream.origin)

    def _left(self, stream: Stream) -> None:
        """Nobody reads it any more: what the child writes next shall end it, as it would alone."""
        if stream.is_open:
            self._close(stream)

    def _streams(self) -> list[Stream]:
        return [stream for stream in self._child.streams if stream.is_open]

    def _hear(self) -> None:
        """Take what the guard has spoken so far: its lines elsewhere are copies of that."""
        for key, _ in self._open.select(0):
            if _is_spoken(key.data):
                self._on_bytes(key.data)

    def _on_signal(self) -> None:
        self._signals.take()
        if not self._ended():
            self._child.reap_orphans()
            if self._child.stopped in JOB_CONTROL or (self._child.stopped and self._told_to_rest):
                self._rest()
        self._watch.hear()

    def _forward(self, number: int) -> None:
        """A signal handler's work, whatever we are waiting for."""
        self._told_to_end |= number in ENDING
        self._told_to_rest |= number == signal.SIGTSTP
        if not told_by_terminal(number, self._child.pid):
            self._child.signal(number)

    def _rest(self) -> None:
        """Stop as the child has, so that a shell sees it, once its last words are out; until `fg`."""
        self._child.stopped, self._told_to_rest = None, False
        self._turn(time.monotonic() + GLANCE)  # a terminal's bytes reach us by a worker of the kernel's
        os.kill(os.getpid(), signal.SIGSTOP)

    def _ended(self) -> bool:
        if self._status is None:
            self._status = self._child.status()
            self._ended_at = time.time()
        return self._status is not None

    def _drain(self) -> None:
        """Read what the child left in its pipes, without waiting for grandchildren that keep them open."""
        self._turn(time.monotonic())  # what stands there by now, however late we are
        until = time.monotonic() + DRAIN
        patience = DRAIN if self._told_to_end or self._stop else QUIET
        quiet = time.monotonic() + patience
        while self._streams() and time.monotonic() < min(until, quiet):
            if self._turn(min(until, quiet)):
                quiet = time.monotonic() + patience
        for stream in self._streams():
            stream.release(time.time(), at_end=True)
            self._watch.end(stream.origin)

    def _end(self, stop: Stop) -> None:
        """End the child, cleanly: TERM, grace, KILL."""
        if self._stop is None and not self._ended():
            self._stop = stop
            self._kill_at = time.monotonic() + GRACE
            self._child.signal(signal.SIGTERM)

    def _may_speak(self) -> bool:
        """Whether a line of ours would stand on its own, not inside an unfinished one of the child."""
        return not any(stream.mid_line and stream.shares(2) for stream in self._child.streams)


def _is_spoken(source: object) -> bool:
    """Whether this is a child's event descriptor."""
    return isinstance(source, Stream) and source.origin.stream == EVENTS
