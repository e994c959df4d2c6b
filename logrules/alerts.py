"""From a match to a human being: store → sinks → store, in threads of their own.

`send` returns when the match is durable and never waits for a receiver. Each sink has one daemon thread,
begun when there is something to send, that claims an alert, makes one attempt and settles it; a sink that
fails rests for longer each time, and neither delays the others nor forgets anything. What a process leaves
unsent goes out with the next one that opens the same file.

With a mirror what survived elsewhere is taken in first: nothing is decided before that, or before it is known
that the mirror is away. Then it hears of each change, and of the end.

After a fork the child begins with threads and connections of its own; what the parent was sending stays its.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from logrules.core.alerting.delivery import Verdict, retry
from logrules.core.alerting.incidents import gathered
from logrules.core.model import LogrulesError
from logrules.receivers import load
from logrules.rules import rules
from logrules.stores.sqlite.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from logrules.core.alerting.delivery import Delivery, Receiver
    from logrules.core.alerting.incidents import Decision
    from logrules.core.match import Alert, Match
    from logrules.core.ruleset.codes import Code
    from logrules.settings import Settings
    from logrules.stores.postgres import Mirror

    Mirrored = Callable[[Callable[[], object], Callable[[str], None]], Mirror]
    """Makes a mirror: `on_agreed`, `on_failure`."""

NOBODY = (
    "Nobody will be told: none of SENTRY_DSN, LOGRULES_ALERT_CHAT, LOGRULES_ALERT_WEBHOOK and "
    "LOGRULES_ALERT_RECEIVERS is set."
)
NAP = 60.0
"""The longest sleep of a sender: it sleeps by one clock and is due by another, which may be set."""
COMPLAIN_AFTER = 3
"""Failed attempts in a row after which an outage is said, once; at once if it will last longer than a nap."""
OVERDUE = 30.0
"""Seconds after which an attempt that has not come back is told of: nobody can end it."""
HURRIED_PAUSES = (0.2, 0.5, 1.0)
"""Between the attempts of a dying process."""
MIRROR_SHARE = 0.3
"""Of a flush: for what the mirror knows to come in, before it is decided without."""
MIRROR_CLOSE = 2.0
"""Seconds for the mirror to take leave."""

IN_MEMORY = (
    "It is tried again every minute; until then incidents and unsent alerts are kept in memory, and are lost "
    "with this process."
)
UNMIRRORED = "Meanwhile alerts go on from the local state alone, and do not survive the loss of its disk."


class Alerts:
    """Takes matches and sees to it that somebody is told. Thread-safe; never raises.

    Args:
        store: Keeps incidents and outbox.
        sinks: Receivers by name, each made on its own thread when it is first needed. The names are kept in
            the outbox: a later process goes on with what this one leaves.
        notices: Gets what goes wrong.
        mirror: Carries the store over the loss of its disk.
    """

    def __init__(
        self,
        store: Store,
        sinks: Mapping[str, Callable[[], Receiver]],
        notices: Notices,
        mirror: Mirrored | None = None,
    ) -> None:
        self._store = store
        self._sinks = sinks
        self._notices = notices
        self._mirror = mirror and mirror(self._decide, self._unmirrored)
        self._enter_process()
        self._safely(self._store.rouse)
        if self._mirror is None:
            self._decide()
        else:
            self._mirror.start()

    @property
    def configured(self) -> bool:
        """Whether there is anybody to tell; incidents are kept either way."""
        return bool(self._sinks)

    def listen(self, on_failure: Callable[[str, str], None]) -> None:
        """Hear what keeps alerts from being kept or delivered, as a code and a text; also what was before."""
        self._notices.listen(on_failure)

    def send(self, *matches: Match) -> None:
        """Take `matches`. Once this returns, the alerts that follow from them survive the process."""
        if not matches:
            return
        self._after_fork()
        try:
            kinds = gathered(matches)
            decisions = self._store.take_all(kinds)
            if any(map(self._is_news, kinds, decisions)):
                self._drain()
            self._changed()
        except Exception as error:  # noqa: BLE001  # a bot must not die of its alerts
            codes = ", ".join(sorted({match.code for match in matches}))
            self._notices(f"the alert {codes} is lost: {type(error).__name__}: {error}")

    def _is_news(self, match: Match, decision: Decision | None) -> bool:
        """Whether there may be something to send now."""
        return decision is not None and (decision.alert is not None or match.code in self._store.resolving)

    def flush(self, seconds: float) -> list[Alert]:
        """Try to deliver everything within so many seconds, and return what is still undelivered.

        Blocks: call it off the event loop. Ends early when all is delivered, or when the receivers have asked
        to be left alone for longer than that.
        """
        self._after_fork()
        deadline = time.monotonic() + seconds
        try:
            if self._mirror is not None:
                self._mirror.settle(seconds * MIRROR_SHARE)
                self._decide()
            self._hurry(deadline)
            if self._mirror is not None:
                self._mirror.settle(deadline - time.monotonic())
            return self._store.undelivered()
        except Exception as error:  # noqa: BLE001  # the exit must go on
            self._notices(f"the outbox cannot be read: {type(error).__name__}: {error}")
            return []

    def missed_by(self, alert: Alert) -> list[str]:
        """The names of the receivers that have not taken an alert yet; none where that cannot be told."""
        try:
            return self._store.missed_by(alert)
        except Exception:  # noqa: BLE001  # the exit must go on
            return []

    def close(self) -> None:
        """Stop sending and let go of the file. What is unsent stays in it."""
        self._after_fork()
        for sender in self._senders:
            sender.stop()
        if self._mirror is not None:
            self._mirror.close(MIRROR_CLOSE)
        self._store.close()

    def _decide(self) -> None:
        """What the mirror knew is taken in, or is out of reach: decide what has waited for it."""

        def decide() -> None:
            if self._store.release():
                self._changed()
            self._drain()

        self._safely(decide)

    def _safely(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  # the start must go on, and so must the mirror's thread
            self._notices(f"the outbox cannot be read: {type(error).__name__}: {error}")

    def _unmirrored(self, why: str) -> None:
        self._notices(f"{why}. {UNMIRRORED}", "STATE_UNMIRRORED")
        self._decide()

    def _changed(self) -> None:
        if self._mirror is not None:
            self._mirror.wake()

    def _after_fork(self) -> None:
        """Go on as a child: threads have stayed with the parent, whose mirror carries the file of both."""
        if self._pid != os.getpid():
            self._mirror = None
            self._enter_process()

    def _enter_process(self) -> None:
        self._pid = os.getpid()
        self._progress = threading.Event()
        self._senders = [
            _Sender(name, build, self._store, self._notices, progress=self._progress, settled=self._changed)
            for name, build in self._sinks.items()
        ]

    def _wake(self) -> None:
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
        self._waiting: list[tuple[str, str]] = []
        self._listener: Callable[[str, str], None] | None = None

    def __call__(self, text: str, code: str = "ALERT_UNDELIVERED") -> None:
        """Say `text` under `code`. Never raises."""
        if self._listener is None:
            self._waiting = [*self._waiting, (code, text)][-self.KEPT :]
            return
        try:
            self._listener(code, text)
        except Exception:  # noqa: BLE001, S110  # there is nobody left to tell
            pass

    def listen(self, listener: Callable[[str, str], None]) -> None:
        """Hear everything, what has waited first."""
        self._listener = listener
        waiting, self._waiting = self._waiting, []
        for code, text in waiting:
            self(text, code)


class _Sender:
    """One sink and its thread."""

    def __init__(
        self,
        name: str,
        build: Callable[[], Receiver],
        store: Store,
        notices: Notices,
        *,
        progress: threading.Event,
        settled: Callable[[], None],
    ) -> None:
        self._name = name
        self._build = build
        self._store = store
        self._notices = notices
        self._progress = progress
        self._settled = settled
        self._receiver: Receiver | None = None
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
        self._settled()
        self._judge(alert, delivery)

    def _attempt(self, alert: Alert) -> Delivery:
        words = f"{self._name} has not come back with the alert {alert.code}: what it is to tell waits"
        overdue = threading.Timer(OVERDUE, self._notices, [words])
        overdue.daemon = True
        overdue.start()
        try:
            self._receiver = self._receiver or self._build()
            return self._receiver(alert)
        except Exception as error:  # noqa: BLE001  # whatever a receiver's library raises, the alert stays
            return retry(f"{type(error).__name__} while sending{_place(error)}")
        finally:
            overdue.cancel()

    def _judge(self, alert: Alert, delivery: Delivery) -> None:
        """Say what does not go well; pause before the next of a hurried row of attempts."""
        if delivery.verdict is Verdict.REJECTED:
            words = f"{self._name} refuses the alert {alert.code}, which is kept aside: {delivery.why}"
            self._notices(words, "ALERT_REFUSED")
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


def _place(error: BaseException) -> str:
    """Where it was raised; what it says may hold a secret, the name of a file does not."""
    raised = error.__traceback__
    while raised and raised.tb_next:
        raised = raised.tb_next
    if raised is None:
        return ""
    file = os.path.basename(raised.tb_frame.f_code.co_filename)  # noqa: PTH119  # pathlib is not needed here else
    return f" ({file}, line {raised.tb_lineno})"


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
    for named in settings.alert_receivers:
        try:
            load(named)
        except LogrulesError as error:
            notices(f"alerts for LOGRULES_ALERT_RECEIVERS wait until it can be used: {error}")
    store = Store(
        settings.state,
        codes,
        list(sinks),
        redact=redact,
        on_failure=lambda cause: notices(f"{cause} {IN_MEMORY}"),
        on_damage=notices,
        lang=settings.lang,
        holds=settings.state_url is not None,
    )
    return Alerts(store, sinks, notices, _mirror(settings, store, list(sinks)))


def _mirror(settings: Settings, store: Store, sinks: list[str]) -> Mirrored | None:
    if settings.state_url is None:
        return None
    from logrules.stores.postgres import Mirror

    return partial(
        Mirror,
        settings.state_url,
        store,
        name=f"logrules-state/{settings.service}/{settings.instance}",
        service=settings.service,
        sinks=sinks,
    )


def _sinks(settings: Settings) -> dict[str, Callable[[], Receiver]]:
    sinks: dict[str, Callable[[], Receiver]] = {}
    if settings.sentry_dsn:
        sinks["sentry"] = lambda: _sentry(settings)
    if settings.alert_chat and (settings.alert_token or settings.token):
        sinks["telegram"] = lambda: _telegram_chat(settings)
    if settings.alert_webhook:
        sinks["webhook"] = lambda: _webhook(settings)
    sinks |= {named: partial(load, named) for named in settings.alert_receivers}
    return {name: partial(_linking, build, settings) for name, build in sinks.items()}


def _linking(build: Callable[[], Receiver], settings: Settings) -> Receiver:
    """A receiver whose alerts name the page on their code: as the setting has it now, whenever they began."""
    receiver = build()
    if settings.runbooks is None:
        return receiver
    return lambda alert: receiver(alert.with_runbook(settings.runbook(alert.code)))


def _sentry(settings: Settings) -> Receiver:
    from logrules.sinks.sentry import Sentry

    return Sentry(
        settings.sentry_dsn or "",
        instance=settings.instance,
        release=settings.release,
        environment=settings.environment,
        lang=settings.lang,
    ).send


def _telegram_chat(settings: Settings) -> Receiver:
    from logrules.sinks.telegram_chat import TelegramChat

    return TelegramChat.of(settings).send


def _webhook(settings: Settings) -> Receiver:
    from logrules.sinks.webhook import Webhook

    return Webhook.of(settings).send
