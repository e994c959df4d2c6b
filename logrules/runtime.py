"""The sidecar's loop: source → engine → sinks → exit.

    spawn → [ bytes → pass through → chunk → engine → effects ] → the child's end → drain → flush → its status

The child is spawned before anything heavy is imported, and lives whatever happens to us: if classifying
fails, its bytes still pass through.
"""

from __future__ import annotations

import os
import selectors
import signal
import threading
import time
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING

from logrules.core.model import EVENTS, Annotate, Chunk, Effect, Probe, Send, Stop
from logrules.sources.child import Child, Stream
from logrules.sources.signals import Signals, told_by_terminal
from logrules.streams import complain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from logrules.alerts import Alerts
    from logrules.core.engine import Engine
    from logrules.core.model import Match, Origin
    from logrules.report import Reporter
    from logrules.rules import Rules
    from logrules.settings import Settings

GRACE = 20.0
"""Seconds between our own TERM and KILL: more than the guard's drain needs. A forwarded TERM starts none."""
DRAIN = 2.0
"""Seconds that pipes may stay open after the child's end: a grandchild may hold them for ever."""
PROBE_TIMEOUT = 10.0
NOT_EXECUTABLE, NOT_FOUND = 126, 127
ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
"""Signals after which an end of the child is no accident."""


def run(
    command: Sequence[str],
    settings: Settings,
    stop_on: frozenset[str] = frozenset(),
    known: Rules | None = None,
) -> int:
    """Run `command` under the sidecar and return the exit status to end with.

    It is the child's own (128 + n after a signal), 127 or 126 where it cannot be started, or the code's if
    we ended it. `known` are the rules; None: ours with the packs of the working directory upon them.
    """
    with Signals() as signals:
        try:
            child = Child(command, os.environ, settings.service, settings.instance)
        except OSError as error:
            complain(
                f"cannot start {command[0]!r}: {error.strerror or error}. Is the command right, and in PATH?"
            )
            return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        return Sidecar(child, signals, settings, stop_on, known).run()


class Sidecar:
    """One child, from its spawn to its exit status."""

    def __init__(
        self,
        child: Child,
        signals: Signals,
        settings: Settings,
        stop_on: frozenset[str],
        known: Rules | None,
    ) -> None:
        self._child = child
        self._signals = signals
        self._watch = Watch(
            settings, stop_on, known, stop=self._end, may_speak=self._may_speak, wake=signals.wake
        )
        self._open = selectors.DefaultSelector()
        self._told_to_end = False
        self._told_of_trouble = False
        self._stop: Stop | None = None
        self._kill_at: float | None = None
        self._status: int | None = None
        self._ended_at = 0.0

    def run(self) -> int:
        """Watch the child until its end, tell what there is to tell, and return the status to end with."""
        self._open.register(self._signals, selectors.EVENT_READ, self._on_signal)
        for stream in self._child.streams:
            self._open.register(stream.source, selectors.EVENT_READ, stream)
        self._watch.open()
        while not self._ended():
            self._turn()
        self._drain()
        status = self._status or 0
        self._watch.close(status, self._ended_at, accident=not self._told_to_end)
        return self._stop.exit if self._stop else status

    def _turn(self, until: float | None = None) -> None:
        ready = [key.data for key, _ in self._open.select(self._timeout(until))]
        # Before anything is read: a record must not be closed while what belongs to it waits in the pipe.
        self._watch.tick(time.time(), busy=[each.origin for each in ready if isinstance(each, Stream)])
        for each in sorted(ready, key=lambda each: not _is_spoken(each)):
            if isinstance(each, Stream):
                self._on_bytes(each)
            else:
                each()
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = None
            self._child.kill()

    def _timeout(self, until: float | None) -> float | None:
        due = [when - time.monotonic() for when in (until, self._kill_at) if when is not None]
        if self._watch.deadline is not None:
            due.append(self._watch.deadline - time.time())
        return max(0.0, min(due)) if due else None

    def _on_bytes(self, stream: Stream) -> None:
        chunk, goes_on = stream.read(time.time())
        if stream.trouble and not self._told_of_trouble:
            self._told_of_trouble = True
            complain(f"the command's output cannot be written and is dropped until it can: {stream.trouble}")
        if not _is_spoken(stream):
            self._hear()
        self._watch.feed(chunk)
        if not goes_on:
            self._open.unregister(stream.source)
            stream.close()
            self._watch.end(stream.origin)

    def _hear(self) -> None:
        """Take what the guard has spoken so far: its lines elsewhere are copies of that."""
        for key, _ in self._open.select(0):
            if _is_spoken(key.data):
                self._on_bytes(key.data)

    def _on_signal(self) -> None:
        for number in self._signals.take():
            self._told_to_end |= number in ENDING
            if not told_by_terminal(number):
                self._child.signal(number)
        if not self._ended():
            self._child.reap_orphans()
        self._watch.hear()

    def _ended(self) -> bool:
        if self._status is None:
            self._status = self._child.status()
            self._ended_at = time.time()
        return self._status is not None

    def _drain(self) -> None:
        """Read what the child left in its pipes, without waiting for grandchildren that keep them open.

        A first turn reads all of that, and may take long: the rules are made ready when they are first used.
        """
        until = time.monotonic() + DRAIN
        self._turn(until)
        while len(self._open.get_map()) > 1 and time.monotonic() < until:
            self._turn(until)
        for key in self._open.get_map().values():
            if isinstance(key.data, Stream):
                self._watch.end(key.data.origin)

    def _end(self, stop: Stop) -> None:
        """End the child, cleanly: TERM, grace, KILL."""
        if self._stop is None and not self._ended():
            self._stop = stop
            self._told_to_end = True
            self._kill_at = time.monotonic() + GRACE
            self._child.signal(signal.SIGTERM)

    def _may_speak(self) -> bool:
        """Whether a line of ours would stand on its own, not inside an unfinished one of the child."""
        return self._ended() or not any(stream.mid_line for stream in self._child.streams)


def _is_spoken(source: object) -> bool:
    """Whether this is a child's event descriptor."""
    return isinstance(source, Stream) and source.origin.stream == EVENTS


class Watch:
    """Everything of ours beside the child: engine, alerts, annotations. Its faults never reach the child."""

    def __init__(
        self,
        settings: Settings,
        stop_on: frozenset[str],
        known: Rules | None,
        *,
        stop: Callable[[Stop], None],
        may_speak: Callable[[], bool],
        wake: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._stop_on = stop_on
        self._known = known
        self._stop = stop
        self._may_speak = may_speak
        self._wake = wake
        self._engine: Engine | None = None
        self._answers: SimpleQueue[tuple[Probe, bool]] = SimpleQueue()
        self._unsaid: list[Match] = []

    @property
    def deadline(self) -> float | None:
        """When `tick` is due, in seconds since the epoch."""
        return self._engine.deadline if self._engine else None

    def open(self) -> None:
        """Import and build what is heavy; the child is running by now."""
        with self._harmless():
            self._build()

    def feed(self, chunk: Chunk) -> None:
        """Look at what the child printed."""
        self._think(lambda engine: engine.feed(chunk))
        self._say()

    def tick(self, now: float, busy: Sequence[Origin] = ()) -> None:
        """Close what has waited long enough, and has nothing more to read."""
        if self.deadline is not None and self.deadline <= now:
            self._think(lambda engine: engine.tick(now, busy=busy))
        self._say()

    def end(self, origin: Origin) -> None:
        """One stream of the child is over."""
        self._think(lambda engine: engine.end(origin, time.time()))

    def hear(self) -> None:
        """Take in what the probes have found out."""
        while not self._answers.empty():
            self._take_in(*self._answers.get())

    def close(self, status: int, ended_at: float, *, accident: bool) -> None:
        """The child has ended, at that time: draw the conclusions and deliver what there is to deliver."""
        if accident:
            self._think(lambda engine: self._conclusions(engine, status, ended_at))
        self._say()
        if self._engine is not None:
            with self._harmless():
                for alert in self._alerts.flush(self._settings.flush):
                    self._report.undelivered(alert)
                self._alerts.close()

    def _take_in(self, probe: Probe, true: bool) -> None:  # noqa: FBT001  a probe's answer
        self._think(lambda engine: engine.answer(probe, true, time.time()))

    def _conclusions(self, engine: Engine, status: int, ended_at: float) -> list[Effect]:
        """What the child complained of last was the cause; without a cause, the exit itself is the news."""
        causes = engine.ended(status, ended_at)
        if status and not causes and not engine.is_told:
            self._report("PROCESS_EXITED", f"The command ended by itself with exit status {status}.")
        return causes

    def _build(self) -> None:
        from logrules.alerts import NOBODY, open_alerts
        from logrules.core.engine import Engine, Policy
        from logrules.core.redact import Redactor, secrets_in
        from logrules.report import Reporter
        from logrules.sinks.console import Console
        from logrules.userpacks import known as with_packs

        settings = self._settings
        redact = Redactor(secrets_in(os.environ))
        known = self._known or with_packs(settings.packs, complain)
        self._alerts: Alerts = open_alerts(settings, redact, codes=known.specs)
        self._report: Reporter = Reporter(settings, Console(2, redact), self._alerts, known=known)
        self._alerts.listen(self._report)
        if not self._alerts.configured:
            self._report("ALERTS_OFF", NOBODY)
        policy = Policy(acts=True, stop_on=self._stop_on, overlap=settings.overlap, started=time.time())
        self._engine = Engine(known.rulebook, policy)

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  whatever it is, the child must go on
            self._engine = None
            complain(f"internal error: {type(error).__name__}; the command goes on, unwatched")

    def _think(self, ask: Callable[[Engine], list[Effect]]) -> None:
        if self._engine is None:
            return
        with self._harmless():
            for effect in ask(self._engine):
                self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Annotate(match):
                self._unsaid.append(match)
                self._say()
            case Send(match):
                self._alerts.send(match)
            case Probe():
                threading.Thread(target=self._ask, args=(effect,), daemon=True).start()
            case Stop():
                self._stop(effect)

    def _say(self) -> None:
        if self._unsaid and self._may_speak():
            unsaid, self._unsaid = self._unsaid, []
            with self._harmless():
                for match in unsaid:
                    self._report.annotate(match)

    def _ask(self, probe: Probe) -> None:
        """Runs on a thread of its own: the child's bytes do not wait for Telegram."""
        from logrules.botapi import probe as ask

        true = ask(probe.what, self._settings, timeout=PROBE_TIMEOUT)
        if true is not None:
            self._answers.put((probe, true))
            self._wake()
