"""Everything of ours beside the child: engine, alerts, annotations. Its faults never reach the child.

It thinks on a thread of its own. The child's bytes are passed on by another, which hands over a copy and goes
on: neither a slow receiver nor a hard record holds them up.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from queue import Queue
from typing import TYPE_CHECKING, Any, NamedTuple

from logrules.core import exits
from logrules.core.effects import Annotate, Effect, Probe, Send, Stop
from logrules.core.model import EVENTS, Chunk, Exit, Severity
from logrules.sidecar import heartbeat
from logrules.sidecar.heartbeat import Pulse
from logrules.sidecar.inbox import Inbox
from logrules.sidecar.options import OnFatal
from logrules.sources import arena
from logrules.streams import complain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from logrules.alerts import Alerts
    from logrules.core.engine import Engine
    from logrules.core.match import Match
    from logrules.core.model import Origin, Report
    from logrules.core.output.leaks import Leaks
    from logrules.report import Reporter
    from logrules.rules import Rules
    from logrules.settings import Settings
    from logrules.sidecar.failsafe import Failsafe
    from logrules.sidecar.mouth import Mouth
    from logrules.sidecar.options import Options
    from logrules.sidecar.outlet import Outlets
    from logrules.sinks.crons import Crons

PROBE_TIMEOUT = 10.0
LAST_BREATH = 1.0
"""Seconds for a child to end by itself of what it complains of: its own end, and status, go before ours."""
HANDOVER, HANDOVER_AT_WORK = 0.00002, 0.0002
"""Seconds after which thinking lets the bytes pass; Python's own 5 ms would be felt with every chunk.

Where the bytes are worked on, too, both would only take turns if they did so as often.
"""
MINUTE = 60.0
BREAK, LONGEST_BREAK = 7.0, 0.2
"""For how many times the last thought, and seconds, thinking rests where the bytes are worked on."""
GLANCE = 0.005
GATHER = 0.25
"""Seconds for which what was found is gathered while there is more to read: one wait for the disk, and of a
storm no more work than what is different in it."""
UNUSED: dict[str, Any] = dict.fromkeys(["anyio", "brotli", "h2", "httpcore"])
"""What Sentry's SDK imports for ways of posting that are not ours: a megabyte and more beside the bot."""


def _nobody(_stop: Stop) -> None:
    """There is no child to end."""


def _kills() -> int | None:
    from logrules.sources.memory import kills

    return kills()


class Verdict(NamedTuple):
    """What a life has ended of, that was to go on."""

    code: str
    is_curable: bool
    """Whether another life could end in another way."""


class UnwatchedError(Exception):
    """Nothing of ours is there to watch, nor to report by; it has been said why."""


class Watch:
    """Everything of ours beside the child: engine, alerts, annotations. Its faults never reach the child."""

    def __init__(self, settings: Settings, options: Options, *, wake: Callable[[], None]) -> None:
        self._settings = settings
        self._options = options
        self._wake = wake
        self._stop: Callable[[Stop], None] = _nobody
        self._inbox = Inbox()
        self._pulse = Pulse(options.heartbeat) if options.heartbeat else None
        self._crons: Crons | None = None
        self._stops: Queue[Stop] = Queue()
        self._deadline: float | None = None
        self._mouth: Mouth | None = None
        self._outlets: Outlets | None = None
        # What follows belongs to the watch's own thread.
        self._known: Rules | None = None
        self._engine: Engine | None = None
        self._leaks: Leaks | None = None
        self._found: list[Match] = []
        """What the store has still to hear of."""
        self._found_at = 0.0
        self._kills: int | None = None
        """Of our container, before this life."""
        self._databases = 0
        """How many of the search's have come by now."""
        self._unread = 0
        self._told_of_unread = -MINUTE

    @property
    def _token(self) -> str | None:
        """The bot's: by its name, or, as foreign bots call it in many ways, the only one that there is."""
        from logrules.sidecar import lockkey

        return self._settings.token or lockkey.token(os.environ)

    @property
    def deadline(self) -> float | None:
        """When `tick` is due, in seconds since the epoch."""
        due = (self._deadline, self._outlets.deadline if self._outlets else None)
        return min((when for when in due if when is not None), default=None)

    def begin(self, stop: Callable[[Stop], None], may_speak: Callable[[], bool]) -> None:
        """A child has been started. What is heavy is imported and built beside the first one, and then kept.

        Args:
            stop: ends the child.
            may_speak: whether a line of ours would stand on its own.
        """
        self._stop = stop
        while not self._stops.empty():
            self._stops.get()  # it was meant for a child that has ended meanwhile
            self._stops.task_done()
        self._inbox.call(self._prepare)
        self._start().listen(may_speak)

    def open(self) -> Report:
        """Build what is heavy before there is a child; gives what every thread may report by.

        Raises:
            UnwatchedError: It cannot be built.
        """
        self._start()
        self._inbox.call(self._prepare)
        self._until_done(lambda: None)
        if self._engine is None:
            raise UnwatchedError
        return self._report

    def demand(self, stop: Stop, seconds: float) -> None:
        """End the child; for any thread. Returns when that is heard, or after so many seconds."""
        self._stops.put(stop)
        self._wake()
        until = time.monotonic() + seconds
        while self._stops.unfinished_tasks and time.monotonic() < until:
            time.sleep(GLANCE)

    def feed(self, chunk: Chunk) -> None:
        """Look at what the child printed, soon."""
        if self._pulse is not None:
            self._pulse.feed(chunk)
        if chunk.data:
            self._inbox.put(chunk)
        self._say()

    def tick(self, now: float, busy: Sequence[Origin] = ()) -> None:
        """Close what has waited long enough, and has nothing more to read; say what may be said by now."""
        if self._deadline is not None and self._deadline <= now:
            self._deadline = None
            self._inbox.call(lambda: self._think(lambda engine: engine.tick(now, busy=busy)))
        self._tell_of_thinning(now)
        self._say()

    def outlet(self, origin: Origin) -> Failsafe | None:
        """What becomes of a stream's bytes on their way out; None where they pass as they are."""
        if self._outlets is None and self._options.changes_output:
            from logrules.sidecar.outlet import Outlets

            self._outlets = Outlets(self._options, os.environ)
        outlet = self._outlets.outlet(origin) if self._outlets else None
        if outlet is None:
            return None
        from logrules.sidecar.failsafe import Failsafe

        return Failsafe(outlet, self._outlet_failed, is_secret=self._options.redact)

    def _outlet_failed(self, error: Exception) -> None:
        """For the thread that passes bytes on."""
        withheld = self._options.redact
        becomes = "is withheld, for its secrets are not masked" if withheld else "passes as it is"
        self._inbox.call(lambda: self._own_fault(error, f"the command's output {becomes}"))

    def _tell_of_thinning(self, now: float, *, at_once: bool = False) -> None:
        told = self._outlets.report(now, at_once=at_once) if self._outlets else None
        if told is not None:
            words, attrs = told
            self._inbox.call(lambda: self._note(words, attrs))

    def _note(self, words: str, attrs: Mapping[str, Any]) -> None:
        if self._engine is not None:
            self._report.remark(Severity.WARNING, words, attrs=attrs)

    def end(self, origin: Origin) -> None:
        """One stream of the child is over."""
        now = time.time()
        self._inbox.call(lambda: self._think(lambda engine: engine.end(origin, now)))

    def hear(self) -> None:
        """Do what the watch asks of the thread that has the child."""
        while not self._stops.empty():
            self._stop(self._stops.get())
            self._stops.task_done()
        self._say()

    def ended(self, status: int, ended_at: float, *, accident: bool) -> Verdict | None:
        """The child has ended, at that time: draw the conclusions."""
        self._tell_of_thinning(ended_at, at_once=True)
        self._inbox.hurry()
        verdicts: list[Verdict] = []
        self._until_done(lambda: verdicts.extend(self._conclude(status, ended_at, accident=accident)))
        return next(iter(verdicts), None)

    def report(
        self,
        code: str,
        message: str,
        *,
        reason: str | None = None,
        fatal: bool | None = None,
        error: BaseException | None = None,
        epoch: int | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> None:
        """Report `code`: see `logrules.core.model.Report`."""

        def say() -> None:
            if self._engine:
                self._report(code, message, reason=reason, fatal=fatal, error=error, epoch=epoch, attrs=attrs)

        self._until_done(say)

    def remark(self, level: Severity, message: str) -> None:
        """Say something that has no code, between two lives or after the last."""

        def say() -> None:
            if self._engine:
                self._report.remark(level, message)

        self._until_done(say)

    def close(self) -> None:
        """No other child follows: deliver what there is to deliver."""
        self._until_done(self._finish)

    def _until_done(self, run: Callable[[], None]) -> None:
        """Have `run` called after all that was put before; there is no child that could print meanwhile."""
        if self._mouth is None:
            return
        self._mouth.speak_freely()
        done = threading.Event()
        self._inbox.call(run)
        self._inbox.call(done.set)
        done.wait()

    def _say(self) -> None:
        if self._mouth is not None:
            self._mouth.say()

    def _start(self) -> Mouth:
        if self._mouth is None:
            from logrules.settings import form
            from logrules.sidecar.mouth import Mouth

            looks = None if self._options.as_json else form(os.environ, 2)
            self._mouth = Mouth(2, self._wake, looks)
            sys.setswitchinterval(HANDOVER_AT_WORK if self._options.changes_output else HANDOVER)
            arena.keep_little()
            threading.Thread(target=self._live, name="watch", daemon=True).start()
        return self._mouth

    def _live(self) -> None:
        while True:
            item = self._inbox.take_now() if self._found else self._inbox.take()
            if not isinstance(item, Chunk) or time.monotonic() - self._found_at > GATHER:
                self._hand_over()
            if item is None:
                continue
            with self._harmless():
                if isinstance(item, Chunk):
                    self._read(item)
                else:
                    item()
                self._own_up()
            self._publish()

    def _hand_over(self) -> None:
        """Have the store decide on what was found."""
        if self._found:
            found, self._found = self._found, []
            self._alerts.send(*found)

    def _publish(self) -> None:
        """Let the thread that waits for the child wait no longer than until a record is to be closed."""
        deadline = self._engine.deadline if self._engine else None
        if deadline != self._deadline:
            self._deadline = deadline
            if deadline is not None:
                self._wake()

    def _read(self, chunk: Chunk) -> None:
        if self._leaks is not None and chunk.origin.stream != EVENTS:
            with self._harmless():
                for leak in self._leaks.feed(chunk.origin.stream, chunk.data):
                    self._report("SECRET_IN_LOG", leak.message, attrs=leak.attrs)
        begun = time.monotonic()
        self._think(lambda engine: engine.feed(chunk), gathers=True)
        self._tidy()
        if self._inbox.is_pressed and self._options.changes_output:
            time.sleep(min(LONGEST_BREAK, BREAK * (time.monotonic() - begun)))

    def _tidy(self) -> None:
        """What it took to build a database, which comes with the first thousands of bytes, is not kept."""
        databases = self._engine.rulebook.search.databases if self._engine else 0
        if databases != self._databases:
            self._databases = databases
            arena.give_back()

    def _own_up(self, *, at_once: bool = False) -> None:
        """Say what went by unread, once a minute at most."""
        self._unread += self._inbox.unread()
        now = time.monotonic()
        if self._unread and (at_once or now - self._told_of_unread >= MINUTE) and self._engine:
            unread, self._unread = self._unread, 0
            self._told_of_unread = now
            self._note(
                f"{unread / 1e6:.1f} MB of the command's output came faster than it can be read for signs. "
                "They were passed on all the same",
                {"unread_bytes": unread},
            )

    def _conclude(self, status: int, ended_at: float, *, accident: bool) -> Iterator[Verdict]:
        if accident and self._engine is not None:
            with self._harmless():
                yield from self._verdict(self._engine, status, ended_at)
        if accident and status and self._engine is None:
            yield Verdict("PROCESS_EXITED", is_curable=status != Exit.CONFIG)
        self._own_up(at_once=True)

    def _refused(self, why: str) -> None:
        self._report("ALERT_REFUSED", why)

    def _finish(self) -> None:
        if self._crons is not None:
            self._crons.stop()
        if self._known is not None:
            with self._harmless():
                for alert in self._alerts.flush(self._settings.flush):
                    self._report.undelivered(alert, self._alerts.missed_by(alert))
                self._alerts.close()

    def _verdict(self, engine: Engine, status: int, ended_at: float) -> Iterator[Verdict]:
        """What the child complained of last was the cause; without a cause, the exit itself is the news.

        It is news with status 0, too, where the child is a bot: that is not meant to come to its end.
        """
        causes = engine.ended(status, ended_at)
        self._think(lambda _: causes)
        fatal = [each.match for each in causes if isinstance(each, Send) and each.match.fatal]
        code, reason = (fatal[0].code, fatal[0].reason) if fatal else (engine.told, None)
        reason_of_status, words = exits.read(status)
        if reason_of_status == "killed" and (_kills() or 0) > (self._kills or 0):
            code, reason = "OUT_OF_MEMORY", None
            self._report(code, f"{words}, by the kernel, which has counted it: there was no memory left")
        if code is None:
            has_token = self._token is not None
            if not status and (self._options.once or not engine.is_cut_short(ended_at, has_token=has_token)):
                return
            code, reason = "PROCESS_EXITED", reason_of_status
            self._report(code, words, reason=reason)
        cure = engine.rulebook.codes[code].why(reason).exit != Exit.CONFIG
        yield Verdict(code, is_curable=cure and status != Exit.CONFIG)

    def _prepare(self) -> None:
        with self._harmless():
            if self._known is None:
                self._known = self._build()
            self._engine = self._fresh(self._known)
            self._kills = _kills()
            arena.give_back()

    def _build(self) -> Rules:
        from logrules.alerts import NOBODY, open_alerts
        from logrules.core.output.leaks import Leaks
        from logrules.core.redact import Redactor, secrets_in
        from logrules.report import Reporter
        from logrules.sinks.console import Console
        from logrules.userpacks import known as with_packs

        assert self._mouth is not None
        settings = self._settings
        if not settings.alert_receivers:
            sys.modules.update(UNUSED)
        redact = Redactor(secrets_in(os.environ))
        known = self._options.rules or with_packs(settings.packs, complain)
        self._alerts: Alerts = open_alerts(settings, redact, codes=known.specs)
        self._report: Reporter = Reporter(settings, Console(self._mouth, redact), self._alerts, known=known)
        self._alerts.listen(self._report)
        if not self._alerts.configured:
            self._report("ALERTS_OFF", NOBODY)
        if self._pulse is not None and self._options.heartbeat is not None:
            self._crons = heartbeat.crons(self._options.heartbeat, self._pulse, settings, self._refused)
        if not self._options.redact:
            self._leaks = Leaks(os.environ)
        return known

    def _fresh(self, known: Rules) -> Engine:
        from logrules.core.engine import Engine, Policy

        options, now = self._options, time.time()
        policy = Policy(acts=True, stop_on=options.stop_on, overlap=self._settings.overlap, started=now)
        return Engine(known.rulebook, policy)

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  whatever it is, the child must go on
            self._engine = self._leaks = None
            self._own_fault(error)

    def _own_fault(self, error: Exception, follows: str = "the command goes on, unwatched") -> None:
        """Say it, as well as that can still be done, and do what was chosen for this case: see `--fail`."""
        closed = self._options.fail_closed
        what = "the command is ended (--fail closed)" if closed else follows
        words = f"internal error: {type(error).__name__}; {what}"
        if self._known is None:
            complain(words)
        else:
            self._report("WATCH_FAILED", f"An {words}", error=error, fatal=closed)
        if closed:
            self._stops.put(Stop(self._fault(words), Exit.SOFTWARE))
            self._wake()

    def failed(self, error: Exception) -> Stop | None:
        """A fault in the thread that has the child; gives what ends the child, if that was chosen."""
        self._until_done(lambda: self._own_fault(error))
        if self._stops.empty():
            return None
        self._stops.task_done()
        return self._stops.get()

    def _fault(self, words: str) -> Match:
        from logrules.core.match import Match

        return Match(
            code="WATCH_FAILED",
            fatal=True,
            level=Severity.ERROR,
            message=words,
            service=self._settings.service,
            instance=self._settings.instance,
            time=time.time(),
        )

    def _think(self, ask: Callable[[Engine], list[Effect]], *, gathers: bool = False) -> None:
        if self._engine is None:
            return
        with self._harmless():
            effects = ask(self._engine)
            if not self._found:
                self._found_at = time.monotonic()
            self._found += [each.match for each in effects if isinstance(each, Send)]
            if not gathers or any(isinstance(each, Stop) for each in effects):
                self._hand_over()  # first, for what follows may be the end
            for effect in effects:
                self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Annotate(match):
                if self._options.annotate:
                    self._report.annotate(match)
            case Probe():
                threading.Thread(target=self._ask, args=(effect,), daemon=True).start()
            case Stop() if self._options.on_fatal is not OnFatal.IGNORE:
                self._stops.put(effect)
                self._wake()

    def _ask(self, probe: Probe) -> None:
        """Runs on a thread of its own: what is read next does not wait for Telegram."""
        from logrules.botapi import probe as ask

        time.sleep(LAST_BREATH)
        true = ask(probe.what, self._settings._replace(token=self._token), timeout=PROBE_TIMEOUT)
        if true is not None:
            self._inbox.call(lambda: self._think(lambda engine: engine.answer(probe, true, time.time())))
