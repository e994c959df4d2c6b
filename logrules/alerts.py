"""From a match to a human being: store → sinks → store, in threads of their own.

`send` returns when the match is durable and never waits for a receiver. Each sink has one daemon thread,
begun when there is something to send, that claims an alert, makes one attempt and settles it; a sink that
fails rests for longer each time, and neither delays the others nor forgets anything. What a process leaves
unsent goes out with the next one that opens the same file.

After a fork the child begins with threads and connections of its own; what the parent was sending stays its.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from logrules.core.delivery import Verdict, retry
from logrules.rules import rules
from logrules.stores.sqlite import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from logrules.core.codes import Code
    from logrules.core.delivery import Delivery, Sink
    from logrules.core.model import Alert, Match
    from logrules.settings import Settings

NAP = 60.0
"""The longest sleep of a sender: it sleeps by one clock and is due by another, which may be set."""
COMPLAIN_AFTER = 3
"""Failed attempts in a row after which an outage is said, once; at once if it will last longer than a nap."""
HURRIED_PAUSES = (0.2, 0.5, 1.0)
"""Between the attempts of a dying process."""

IN_MEMORY = "Until then incidents and unsent alerts are kept in memory, and are lost with this process."


class Alerts:
    """Takes matches and sees to it that somebody is told. Thread-safe; never raises.

    Args:
        store: Keeps incidents and outbox.
        sinks: Receivers by name, each made on its own thread when it is first needed.
        notices: Gets what goes wrong.
    """

    def __init__(self, store: Store, sinks: Mapping[str, Callable[[], Sink]], notices: Notices) -> None:
        self._store = store
        self._sinks = sinks
        self._notices = notices
        self._enter_process()
        self._drain()

    @property
    def configured(self) -> bool:
        """Whether there is anybody to tell; incidents are kept either way."""
        return bool(self._sinks)

    def listen(self, on_failure: Callable[[str], None]) -> None:
        """Hear, from now on and of what was before, what keeps alerts from being kept or delivered."""
        self._notices.listen(on_failure)

    def send(self, match: Match) -> None:
        """Take `match`. Once this returns, the alert that follows from it survives the process."""
        try:
            decision = self._store.take(match)
            if decision is not None and (decision.alert is not None or match.code in self._store.resolving):
                self._drain()
        except Exception as error:  # noqa: BLE001  # a bot must not die of its alerts
            self._notices(f"the alert {match.code} is lost: {type(error).__name__}: {error}")

    def flush(self, seconds: float) -> list[Alert]:
        """Try to deliver everything within so many seconds, and return what is still undelivered.

        Blocks: call it off the event loop. Ends early when all is delivered, or when the receivers have asked
        to be left alone for longer than that.
        """
        try:
            self._hurry(time.monotonic() + seconds)
            return self._store.undelivered()
        except Exception as error:  # noqa: BLE001  # the exit must go on
            self._notices(f"the outbox cannot be read: {type(error).__name__}: {error}")
            return []

    def close(self) -> None:
        """Stop sending and let go of the file. What is unsent stays in it."""
        for sender in self._senders:
            sender.stop()
        self._store.close()

    def _enter_process(self) -> None:
        self._pid = os.getpid()
        self._progress = threading.Event()
        self._senders = [
            _Sender(name, build, self._store, self._notices, self._progress)
            for name, build in self._sinks.items()
        ]

    def _wake(self) -> None:
        if self._pid != os.getpid():
            self._enter_process()
        for sender in self._senders:
            sender.wake()

    def _drain(self) -> None:
        """Send what there is to send; at the start it is what an earlier process has left."""
        if any(self._store.due(name) is not None for name in self._sinks):
            self._wake()

    def _hurry(self, deadline: float) -> None:
        for sender in self._senders:
            sender.hurry(deadline)
        self._wake()
        while time.monotonic() < deadline:
            self._progress.clear()
            if all(sender.has_done(deadline) for sender in self._senders):
                return
            self._progress.wait(deadline - time.monotonic())


class Notices:
    """What an operator must hear, kept until somebody listens."""

    KEPT = 20

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._listener: Callable[[str], None] | None = None

    def __call__(self, text: str) -> None:
        """Say `text`. Never raises."""
        if self._listener is None:
            self._waiting = [*self._waiting, text][-self.KEPT :]
            return
        try:
            self._listener(text)
        except Exception:  # noqa: BLE001, S110  # there is nobody left to tell
            pass

    def listen(self, listener: Callable[[str], None]) -> None:
        """Hear everything, what has waited first."""
        self._listener = listener
        waiting, self._waiting = self._waiting, []
        for text in waiting:
            self(text)


class _Sender:
    """One sink and its thread."""

    def __init__(
        self,
        name: str,
        build: Callable[[], Sink],
        store: Store,
        notices: Notices,
        progress: threading.Event,
    ) -> None:
        self._name = name
        self._build = build
        self._store = store
        self._notices = notices
        self._progress = progress
        self._sink: Sink | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._busy = False
        self._deadline = 0.0
        self._failures = 0
        self._has_complained = False

    def wake(self) -> None:
        """There may be something to send."""
        self._woken.set()
        with self._starting:
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(
                    target=self._work, name=f"logrules-alerts-{self._name}", daemon=True
                )
                self._thread.start()

    def hurry(self, deadline: float) -> None:
        """Until then (by the monotonic clock) rest only where the receiver asked for it."""
        self._deadline = deadline

    def stop(self) -> None:
        """Make no further attempt."""
        self._stopped.set()
        self._woken.set()

    def has_done(self, deadline: float) -> bool:
        """Whether nothing more will be tried before `deadline`."""
        if self._busy:
            return False
        wait = self._wait(hurry=True)
        return wait is None or time.monotonic() + wait >= deadline

    @property
    def _is_hurried(self) -> bool:
        return time.monotonic() < self._deadline

    def _wait(self, *, hurry: bool) -> float | None:
        """Seconds until something is due; None for never."""
        due = self._store.due(self._name, hurry=hurry)
        return None if due is None else due - time.time()

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001  # the thread must outlive whatever it meets
                self._notices(f"alerts to {self._name} pause: {type(error).__name__}: {error}")
                self._stopped.wait(NAP)
            finally:
                self._busy = False
                self._progress.set()

    def _turn(self) -> None:
        self._woken.clear()
        self._busy = True  # before the question: a flush must not pass between it and the attempt
        wait = self._wait(hurry=self._is_hurried)
        if wait is None or wait > 0:
            self._busy = False
            self._progress.set()
            self._woken.wait(None if wait is None else min(wait, NAP))
            return
        alert = self._store.claim(self._name, hurry=self._is_hurried)
        if alert is None:
            return
        delivery = self._attempt(alert)
        self._store.settle(alert, self._name, delivery)
        self._judge(alert, delivery)

    def _attempt(self, alert: Alert) -> Delivery:
        try:
            self._sink = self._sink or self._build()
            return self._sink.send(alert)
        except Exception as error:  # noqa: BLE001  # whatever a receiver's library raises, the alert stays
            return retry(f"{type(error).__name__} while sending")

    def _judge(self, alert: Alert, delivery: Delivery) -> None:
        """Say what does not go well; pause before the next of a hurried row of attempts."""
        if delivery.verdict is Verdict.REJECTED:
            self._notices(f"the alert {alert.code} was refused by {self._name}: {delivery.why}")
        if delivery.verdict is not Verdict.RETRY:
            self._failures, self._has_complained = 0, False
            return
        self._failures += 1
        lasts = self._failures >= COMPLAIN_AFTER or (delivery.after or 0.0) > NAP
        if lasts and not self._has_complained:
            self._has_complained = True
            self._notices(f"alerts to {self._name} wait and are tried again: {delivery.why}")
        if self._is_hurried:
            self._stopped.wait(HURRIED_PAUSES[min(self._failures, len(HURRIED_PAUSES)) - 1])


def open_alerts(
    settings: Settings, redact: Callable[[str], str], *, codes: Mapping[str, Code] = rules.specs
) -> Alerts:
    """The alerts that `settings` ask for, with the receivers that it names.

    `redact` takes the secrets out of everything before it is written. Begins to send what an earlier process
    has left.
    """
    notices = Notices()
    sinks = _sinks(settings)
    if settings.alert_chat and "telegram" not in sinks:
        notices(
            "LOGRULES_ALERT_CHAT is set, but no bot to write there: set LOGRULES_ALERT_TOKEN to its token"
        )
    store = Store(
        settings.state,
        codes,
        list(sinks),
        redact=redact,
        on_failure=lambda cause: notices(f"{cause} {IN_MEMORY}"),
        lang=settings.lang,
    )
    return Alerts(store, sinks, notices)


def _sinks(settings: Settings) -> dict[str, Callable[[], Sink]]:
    sinks: dict[str, Callable[[], Sink]] = {}
    if settings.sentry_dsn:
        sinks["sentry"] = lambda: _sentry(settings)
    if settings.alert_chat and (settings.alert_token or settings.token):
        sinks["telegram"] = lambda: _telegram_chat(settings)
    return sinks


def _sentry(settings: Settings) -> Sink:
    from logrules.sinks.sentry import Sentry

    return Sentry(
        settings.sentry_dsn or "",
        instance=settings.instance,
        release=settings.release,
        environment=settings.environment,
        lang=settings.lang,
    )


def _telegram_chat(settings: Settings) -> Sink:
    from logrules.sinks.telegram_chat import TelegramChat

    return TelegramChat.of(settings)
