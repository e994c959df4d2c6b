"""The guard: one line instead of `run_polling()`, and a bot that never polls twice.

    application = Application.builder().token(TOKEN).build()
    guard(application).run_polling()

Here the environment becomes a `Guard`, or a refusal in one line; its life is told in `life.py`.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING, Literal, NoReturn

from logrules import logs as log_lines
from logrules import userpacks
from logrules.alerts import open_alerts
from logrules.core.guarding.conflict import Policy
from logrules.core.guarding.health import Phase
from logrules.core.guarding.lease import Timers, bot_id, lock_key
from logrules.core.guarding.updates import Updates
from logrules.core.model import ConfigError, Exit, Severity
from logrules.core.redact import Redactor, secrets_in
from logrules.core.text import language
from logrules.polling import locks, onfatal
from logrules.polling.life import Guard
from logrules.report import Reporter
from logrules.settings import Settings, form, parks, port, read
from logrules.sinks.console import Console, LineWriter
from logrules.stores.fatals import FatalFile
from logrules.stores.runs import RunFiles

if TYPE_CHECKING:
    from logrules.guards.ptb import AnyApplication


def guard(
    application: AnyApplication,
    *,
    timers: Timers | None = None,
    logs: Literal["json", "keep"] = "json",
    ack_wait: float = 60.0,
) -> Guard:
    """Guard a built `telegram.ext.Application`; its settings come from the environment.

    Args:
        application: Not yet initialized.
        timers: The lock's durations, where the usual ones do not do.
        logs: `json` turns what the process logs to its standard streams into event lines; `keep` leaves it.
        ack_wait: Seconds. Telegram is asked to forget an update when its handlers are done, or have worked
            for so long (UPDATE_SLOW); until then it comes again to the next instance. 0: as soon as it has
            come, which is python-telegram-bot's way and loses with the process what is in hand.

    Raises:
        SystemExit: 78, after one line CONFIG_INVALID, if a setting is malformed.
    """
    token = application.bot.token
    redact = Redactor([*secrets_in(os.environ), token])
    console = _console(redact)
    try:
        _check(application)
        settings = read(os.environ, token=token)
        policy = Policy(window=settings.conflict_grace, overlap=settings.overlap)
        updates = Updates(ack_wait)
        timers = timers or settings.timers
        key = lock_key(bot_id(token))
        session = locks.session(settings, key, timers)
        notes: list[str] = []
        known = userpacks.known(settings.packs, notes.append)
    except ConfigError as error:
        _refuse("CONFIG_INVALID", error.said(language(os.environ)), console)
    if logs == "json":
        log_lines.install(console, settings.service, settings.instance)
    # Under the wrapper it is the wrapper that tells people.
    alerts = None if settings.events_fd is not None else open_alerts(settings, redact, codes=known.specs)
    report = Reporter(settings, console, alerts, known=known)
    for note in notes:
        report.remark(Severity.INFO if known.own else Severity.WARNING, note)
    if alerts is not None:
        alerts.listen(report)
    is_ours = session.kind != "wrapper"  # else it is the wrapper's run
    return Guard(
        application,
        settings=settings,
        policy=policy,
        timers=timers,
        session=session,
        report=report,
        alerts=alerts,
        updates=updates,
        runs=RunFiles(settings.state, key, settings.instance) if is_ours and settings.state else None,
        memory=FatalFile(settings.state, key) if settings.state else None,
    )


def _console(redact: Redactor) -> Console:
    """Standard output: JSON for platforms, text for people."""
    return Console(LineWriter(1, form(os.environ, 1)), redact)


def bot_token() -> str:
    """The bot's token from BOT_TOKEN or TELEGRAM_BOT_TOKEN, for building the Application.

    Raises:
        SystemExit: 78, after one line that says what is missing or malformed.
    """
    console = _console(Redactor(secrets_in(os.environ)))
    try:
        token = read(os.environ).token
    except ConfigError as error:
        _refuse("CONFIG_INVALID", error.said(language(os.environ)), console)
    if token is None:
        how = "BOT_TOKEN is not set: give it the token that @BotFather has sent you (123456:ABC…)"
        _refuse("CONFIG_MISSING", how, console)
    return token


def _refuse(code: str, message: str, console: Console) -> NoReturn:
    """End before anything has begun: one line, no traceback."""
    nameless = Settings(
        service="logrules", instance=f"{socket.gethostname()}:{os.getpid()}", lang=language(os.environ)
    )
    report = Reporter(nameless, console, None)
    report(code, message, fatal=True)
    with contextlib.suppress(ConfigError):
        if parks(os.environ):
            with onfatal.idle(nameless._replace(port=_port()), Phase.PARKED):
                onfatal.park(report, code, message)
    raise SystemExit(int(Exit.CONFIG))


def _port() -> int | None:
    """Where to answer probes, whatever else is malformed."""
    with contextlib.suppress(ConfigError):
        return port(os.environ)
    return None


def _check(application: AnyApplication) -> None:
    if application.updater is None:
        raise ConfigError("the Application has no updater: build it without .updater(None)")
    if application.running or application.updater.running:
        raise ConfigError("the Application runs already: give it to guard() before anything starts it")
