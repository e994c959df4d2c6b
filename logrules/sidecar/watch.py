"""Everything of ours beside the child: engine, alerts, annotations. Its faults never reach the child."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING

from logrules.core.effects import Annotate, Effect, Probe, Send, Stop
from logrules.core.model import Chunk
from logrules.streams import complain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from logrules.alerts import Alerts
    from logrules.core.engine import Engine
    from logrules.core.match import Match
    from logrules.core.model import Origin
    from logrules.report import Reporter
    from logrules.rules import Rules
    from logrules.settings import Settings
    from logrules.sidecar.options import Options

PROBE_TIMEOUT = 10.0


def _nobody(_stop: Stop) -> None:
    """There is no child to end."""


def _always() -> bool:
    """There is no child whose lines could be cut."""
    return True


class Watch:
    """Everything of ours beside the child: engine, alerts, annotations. Its faults never reach the child."""

    def __init__(self, settings: Settings, options: Options, *, wake: Callable[[], None]) -> None:
        self._settings = settings
        self._options = options
        self._wake = wake
        self._stop: Callable[[Stop], None] = _nobody
        self._may_speak: Callable[[], bool] = _always
        self._known: Rules | None = None
        self._engine: Engine | None = None
        self._answers: SimpleQueue[tuple[Probe, bool]] = SimpleQueue()
        self._unsaid: list[Match] = []

    @property
    def deadline(self) -> float | None:
        """When `tick` is due, in seconds since the epoch."""
        return self._engine.deadline if self._engine else None

    def begin(self, stop: Callable[[Stop], None], may_speak: Callable[[], bool]) -> None:
        """A child has been started. What is heavy is imported and built beside the first one, and then kept.

        Args:
            stop: ends the child.
            may_speak: whether a line of ours would stand on its own.
        """
        self._stop, self._may_speak = stop, may_speak
        with self._harmless():
            if self._known is None:
                self._known = self._build()
            self._engine = self._fresh(self._known)

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

    def ended(self, status: int, ended_at: float, *, accident: bool) -> None:
        """The child has ended, at that time: draw the conclusions."""
        if accident:
            self._think(lambda engine: self._conclusions(engine, status, ended_at))
        self._say()

    def close(self) -> None:
        """No other child follows: deliver what there is to deliver."""
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

    def _build(self) -> Rules:
        from logrules.alerts import NOBODY, open_alerts
        from logrules.core.redact import Redactor, secrets_in
        from logrules.report import Reporter
        from logrules.sinks.console import Console
        from logrules.userpacks import known as with_packs

        settings = self._settings
        redact = Redactor(secrets_in(os.environ))
        known = self._options.rules or with_packs(settings.packs, complain)
        self._alerts: Alerts = open_alerts(settings, redact, codes=known.specs)
        self._report: Reporter = Reporter(settings, Console(2, redact), self._alerts, known=known)
        self._alerts.listen(self._report)
        if not self._alerts.configured:
            self._report("ALERTS_OFF", NOBODY)
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
