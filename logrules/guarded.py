"""The guard: one line instead of `run_polling()`, and a bot that never polls twice.

    application = Application.builder().token(TOKEN).build()
    guard(application).run_polling()

The order of a life: acquire → initialize → post_init → start_polling → start → … → updater.stop → stop
(bounded) → post_stop → shutdown → post_shutdown → announce → unlock → flush the alerts → exit. The lock
encloses it all: an instance that waits has run none of the bot's own code.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

from logrules import onfatal
from logrules import logs as log_lines
from logrules.alerts import open_alerts
from logrules.core import database_url
from logrules.core.conflict import Conflicts, Policy, conflict
from logrules.core.engine import classify
from logrules.core.health import Health, Phase
from logrules.core.lease import Action, Timers, bot_id, lock_key
from logrules.core.model import ConfigError, Exit
from logrules.core.redact import Redactor, secrets_in
from logrules.core.updates import Updates
from logrules.gate import Gate
from logrules.guards import ptb
from logrules.guards.fence import KernelFence
from logrules.guards.keeper import CLOCK, Keeper, steady
from logrules.guards.watchdog import Watchdog
from logrules.report import Reporter
from logrules.rules import language, rulebook, rules
from logrules.settings import Settings, parks, read
from logrules.sinks.console import Console
from logrules.sinks.health import HealthPort
from logrules.stores.fatals import FatalFile
from logrules.stores.runs import RunFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
    from datetime import timedelta

    from logrules.alerts import Alerts
    from logrules.core.database_url import DatabaseUrl
    from logrules.core.lease import Session, Step

logger = logging.getLogger(__name__)

VERSION = version("logrules")
LEAST = 1.0
"""Seconds below which a step on the way out is not worth beginning."""
LAST_ANSWER = 10.0
"""Seconds for any step on the way out but the handlers' own, and for all of them beyond those."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGABRT)


def guard(
    application: ptb.AnyApplication,
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
        ack_wait: Seconds. Telegram is asked to forget an update when its handlers are done, or so many
            seconds after it came (UPDATE_SLOW); until then it comes again to the next instance. 0: as soon as
            it has come, which is python-telegram-bot's way and loses with the process what is in hand.

    Raises:
        SystemExit: 78, after one line CONFIG_INVALID, if a setting is malformed.
    """
    token = application.bot.token
    redact = Redactor([*secrets_in(os.environ), token])
    console = Console(1, redact)
    try:
        _check(application)
        settings = read(os.environ, token=token)
        policy = Policy(window=settings.conflict_grace, overlap=settings.overlap)
        updates = Updates(ack_wait)
        url = database_url.parse(settings.database_url) if settings.database_url else None
    except ConfigError as error:
        _refuse("CONFIG_INVALID", str(error), console)
    if logs == "json":
        log_lines.install(console, settings.service, settings.instance)
    # Under the wrapper it is the wrapper that tells people.
    alerts = None if settings.events_fd is not None else open_alerts(settings, redact)
    report = Reporter(settings, console, alerts)
    if alerts is not None:
        alerts.listen(lambda text: report("ALERT_UNDELIVERED", text))
    timers = timers or settings.timers
    session = _session(settings, url, timers)
    return Guard(
        application,
        settings=settings,
        policy=policy,
        timers=timers,
        session=session,
        report=report,
        alerts=alerts,
        updates=updates,
    )


def bot_token() -> str:
    """The bot's token from BOT_TOKEN or TELEGRAM_BOT_TOKEN, for building the Application.

    Raises:
        SystemExit: 78, after one line that says what is missing or malformed.
    """
    console = Console(1, Redactor(secrets_in(os.environ)))
    try:
        token = read(os.environ).token
    except ConfigError as error:
        _refuse("CONFIG_INVALID", str(error), console)
    if token is None:
        how = "BOT_TOKEN is not set: give it the token that @BotFather has sent you (123456:ABC…)"
        _refuse("CONFIG_MISSING", how, console)
    return token


def _refuse(code: str, message: str, console: Console) -> NoReturn:
    """End before anything has begun: one line, no traceback."""
    nameless = Settings(service="logrules", instance=f"{socket.gethostname()}:{os.getpid()}", lang=language())
    report = Reporter(nameless, console, None)
    report(code, message, fatal=True)
    with contextlib.suppress(ConfigError):
        if parks(os.environ):
            onfatal.park(report, code, message)
    raise SystemExit(int(Exit.CONFIG))


def _check(application: ptb.AnyApplication) -> None:
    if application.updater is None:
        raise ConfigError("the Application has no updater: build it without .updater(None)")
    if application.running or application.updater.running:
        raise ConfigError("the Application runs already: give it to guard() before anything starts it")


def _session(settings: Settings, url: DatabaseUrl | None, timers: Timers) -> Session:
    """What keeps the lock: the database, or a file where there is none."""
    key = lock_key(bot_id(settings.token or ""))
    if url is None:
        from logrules.guards.flock import FileSession, lock_path

        return FileSession(lock_path(key), settings.instance)
    from logrules.guards.postgres import PostgresSession, application_name

    for note in url.notes:
        logger.info("DATABASE_URL: %s", note)
    for option in url.unknown:
        logger.warning("DATABASE_URL: %s is unknown and is left out: is it misspelt?", option)
    name = application_name(settings.service, settings.instance, settings.release)
    return PostgresSession(url, key, name, timers)


def _runs(settings: Settings) -> RunFiles | None:
    if settings.state is None:
        return None
    return RunFiles(settings.state, lock_key(bot_id(settings.token or "")), settings.instance)


def _memory(settings: Settings) -> FatalFile | None:
    if settings.state is None:
        return None
    return FatalFile(settings.state, lock_key(bot_id(settings.token or "")))


class Guard:
    """A guarded application: `run_polling()`, or `async with` for those who have a loop of their own."""

    def __init__(
        self,
        application: ptb.AnyApplication,
        *,
        settings: Settings,
        policy: Policy,
        timers: Timers,
        session: Session,
        report: Reporter,
        alerts: Alerts | None,
        updates: Updates,
    ) -> None:
        self.application = application
        self._settings = settings
        self._timers = timers
        self._session = session
        self._report = report
        self._alerts = alerts
        self._keeper = Keeper(session, timers, report, self._lock_changed, runs=_runs(settings))
        self._watchdog = Watchdog(self._keeper, timers.blocked, report, steady)
        self._gate = Gate(
            application,
            self._keeper,
            Conflicts(policy),
            report,
            self._die,
            delete_webhook=settings.delete_webhook,
        )
        self._updates = updates
        self._stall: asyncio.Task[None] | None = None
        self._memory = _memory(settings)
        self._port = HealthPort(settings.port, self.health) if settings.port else None
        self._keeping = False
        self._fatal = ("", "")
        self._polling: dict[str, Any] = {}
        self._proxy: ptb.PollingBot | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()
        self._unlocked = asyncio.Event()
        self._exit: int | None = None
        self._error: BaseException | None = None
        self._watch: asyncio.Task[None] | None = None
        self._latest = 0.0
        self._own_signals = contextlib.ExitStack()

    def run_polling(
        self,
        *,
        poll_interval: float = 0.0,
        timeout: float | timedelta = 10,
        bootstrap_retries: int = 0,
        allowed_updates: Sequence[str] | None = None,
        drop_pending_updates: bool | None = None,
        close_loop: bool = True,
        stop_signals: Iterable[int] | None = STOP_SIGNALS,
    ) -> None:
        """What `application.run_polling()` does with these arguments, while this process holds the lock.

        `timeout` is cut to what the lock's last proof allows. `drop_pending_updates` is left out, with a
        note, where another instance has just handed over: it would drop what people wrote meanwhile.

        Raises:
            SystemExit: the status of the code for which polling had to end; it returns after a clean end.
        """
        self.polling(
            poll_interval=poll_interval,
            timeout=timeout,
            bootstrap_retries=bootstrap_retries,
            allowed_updates=allowed_updates,
            drop_pending_updates=drop_pending_updates,
        )
        try:
            self._run(_event_loop(), stop_signals or (), close_loop=close_loop)
            self._park()
        finally:
            self._let_go()
        self._leave()

    def _run(self, loop: asyncio.AbstractEventLoop, stop_signals: Iterable[int], *, close_loop: bool) -> None:
        try:
            with _signals(loop, stop_signals, self._signalled):
                self._spin(loop, loop.create_task(self._live(), name="logrules-guard"))
        finally:
            if close_loop:
                _close(loop)
            self._flush()

    def polling(self, **arguments: Any) -> Self:
        """The arguments of run_polling for `async with guard(application).polling(timeout=20):`."""
        self._polling = arguments
        return self

    async def __aenter__(self) -> Self:
        if _dies_of_sigterm():
            loop = asyncio.get_running_loop()
            self._own_signals.enter_context(_signals(loop, (signal.SIGTERM,), self._signalled))
        try:
            await self._up()
        except BaseException:
            await self._wind_up()
            raise
        if self._end.is_set():
            await self._wind_up()
            sys.exit(self._exit or Exit.OK)  # there is nothing to run the body for
        self._watch = asyncio.create_task(self._cancel_at_end(asyncio.current_task()))
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: object
    ) -> bool:
        """The body is cancelled when something ends the guard; that is no error of the body's."""
        assert self._watch is not None
        self._watch.cancel()
        ours = self._end.is_set() and (error is None or isinstance(error, asyncio.CancelledError))
        if ours and (task := asyncio.current_task()) is not None and task.cancelling():
            task.uncancel()
        if not ours and error is not None:
            self._error = error  # it is on its way already: no SHUTDOWN_CLEAN
        await self._wind_up()
        if self._exit is not None:
            sys.exit(self._exit)
        return ours

    async def _wind_up(self) -> None:
        """The way out, to its end, whoever cancels it: it has a bound of its own."""
        end = asyncio.ensure_future(self._down())
        while not end.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(end)
        self._own_signals.close()
        await asyncio.to_thread(self._flush)
        await asyncio.to_thread(self._let_go)

    # The life

    async def _live(self) -> None:
        try:
            await self._up()
            await self._end.wait()
        finally:
            await self._down()

    def _spin(self, loop: asyncio.AbstractEventLoop, life: asyncio.Task[None]) -> None:
        """Run the loop until the life is over, as PTB does: `stop_running()` stops the loop itself."""
        life.add_done_callback(lambda _: loop.stop())
        while not life.done():
            try:
                loop.run_forever()
            except SystemExit as error:  # of a handler, say
                self._asked_to_exit(error)
            except KeyboardInterrupt:
                pass
            self._end.set()
        life.result()

    def _asked_to_exit(self, error: SystemExit) -> None:
        """Keep the bot's own exit status, which PTB would swallow."""
        if isinstance(error.code, int) and error.code:
            self._exit = self._exit or error.code

    async def _up(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._introduce()
        if self._port is not None:
            self._port.take()
        self._watchdog.watch(self._loop)
        start = asyncio.ensure_future(self._start())
        end = asyncio.ensure_future(self._end.wait())
        try:
            await asyncio.wait({start, end}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            start.cancel()
            end.cancel()
            await asyncio.wait({start}, timeout=LAST_ANSWER)
        if start.done() and not start.cancelled() and (error := start.exception()) is not None:
            self._start_failed(error)

    def _introduce(self) -> None:
        if self._alerts is not None and not self._alerts.configured:
            nobody = "Nobody will be told: neither SENTRY_DSN nor LOGRULES_ALERT_CHAT is set."
            self._report("ALERTS_OFF", nobody)
        if self._session.provable:
            return
        why = "DATABASE_URL is of another kind" if self._settings.database_url else "DATABASE_URL is not set"
        only = f"{why}: the lock is a file, and guards against a second instance on this host only"
        self._report("LOCK_LOCAL_ONLY", only, attrs=self._session.facts())

    def _fence(self) -> KernelFence | None:
        """In the process that polls: a timer does not survive a fork."""
        if not self._session.provable:
            return None
        try:
            return KernelFence(CLOCK)
        except OSError as error:
            words = f"No kernel timer ends a holder that stands still: {error.strerror or error}"
            self._report("LOCK_FENCE_WEAK", f"{words}; a thread of this process does")
            return None

    async def _start(self) -> None:
        application, asked = self.application, dict(self._polling)
        self._gate.enter(Phase.DELAYED)
        await onfatal.begin(self._settings, self._memory, self._report)
        self._gate.enter(Phase.WAITING)
        self._keeping = True
        self._keeper.start(self._fence())
        await self._gate.held.wait()
        await self._let_go_of_port()
        self._proxy = ptb.attach(application, self._gate, self._updates, self._end.set)
        await ptb.initialize(application, asked.get("bootstrap_retries", 0))
        if application.post_init:
            await application.post_init(application)
        if asked.get("drop_pending_updates") and self._keeper.waited:
            asked["drop_pending_updates"] = None
            logger.warning(
                "drop_pending_updates is left out: this start is a handover, and it would drop messages"
            )
        assert application.updater is not None
        await application.updater.start_polling(
            **asked, error_callback=lambda error: ptb.report_error(application, error)
        )
        await application.start()
        self._stall = asyncio.create_task(self._gate.watch())
        if self._port is not None:
            self._port.take()

    async def _down(self) -> None:
        """Every step of the way out, whatever became of the one before, within one bound."""
        application = self.application
        self._gate.enter(Phase.STOPPING)
        self._latest = steady() + self._timers.drain + LAST_ANSWER
        if self._stall is not None:
            self._stall.cancel()
        if self._proxy is not None:
            self._proxy.stop()
            updater = application.updater
            if updater is not None and updater.running:
                await self._step("updater.stop()", updater.stop())
            if application.running:
                await self._step("application.stop()", application.stop(), self._timers.drain)
                await self._step("the last acknowledgement", self._proxy.acknowledge())
                if application.post_stop:
                    await self._step("post_stop", application.post_stop(application))
            await self._step("application.shutdown()", application.shutdown())
            if application.post_shutdown:
                await self._step("post_shutdown", application.post_shutdown(application))
            ptb.detach(application)
        if self._keeping:
            self._keeper.release()
            await self._step("the lock's release", self._unlocked.wait())
        self._watchdog.stop()
        onfatal.remember(self._memory, self._fatal[0] or None)
        if self._exit is None and self._error is None:
            self._report("SHUTDOWN_CLEAN", "Stopped in order", epoch=self._keeper.epoch)

    async def _step(self, what: str, work: Coroutine[Any, Any, Any], seconds: float = LAST_ANSWER) -> None:
        seconds = max(LEAST, min(seconds, self._latest - steady()))
        try:
            async with asyncio.timeout(seconds) as limit:
                await work
        except SystemExit as error:
            self._asked_to_exit(error)
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                logger.warning("%s took longer than %.3g s and was left behind", what, seconds)
                return
            logger.exception("%s failed on the way out", what)
            self._error = self._error or error

    def _flush(self) -> None:
        if self._alerts is not None:
            for alert in self._alerts.flush(self._settings.flush):
                self._report.undelivered(alert)

    def _let_go(self) -> None:
        if self._alerts is not None:
            self._alerts.close()
        if self._port is not None:
            self._port.let_go()

    def _park(self) -> None:
        """Stay after an end that a restart would only bring again, if people want that."""
        if onfatal.parks(self._settings, self._exit):
            self._gate.enter(Phase.PARKED)
            onfatal.park(self._report, *self._fatal)

    async def _let_go_of_port(self) -> None:
        """The bot's own code comes next, and may want it."""
        if self._port is not None:
            await asyncio.to_thread(self._port.let_go)

    def health(self) -> Health:
        """How the bot is; for any thread."""
        now, steadily = time.time(), steady()

        def ago(seconds: float | None) -> float | None:
            return None if seconds is None else round(now - seconds, 3)

        polled = self._gate.polled_at
        held = self._keeper.unproved_for()
        return Health(
            phase=self._gate.phase,
            service=self._settings.service,
            instance=self._settings.instance,
            version=VERSION,
            since=round(now - (steadily - self._gate.since), 3),
            epoch=self._keeper.epoch,
            holder=self._settings.instance if held is not None else self._keeper.holder,
            last_proof=ago(held),
            last_poll=ago(None if polled is None else steadily - polled),
            in_hand=len(self._updates),
            events=dict(self._report.counts),
        )

    def _leave(self) -> None:
        if self._exit is not None:
            sys.exit(self._exit)
        if self._error is not None:
            raise self._error

    async def _cancel_at_end(self, task: asyncio.Task[Any] | None) -> None:
        await self._end.wait()
        if task is not None:
            task.cancel()

    # What ends it

    def _signalled(self, number: int) -> None:
        name = signal.Signals(number).name
        if not self._end.is_set():
            self._report("SHUTDOWN_SIGNAL", f"{name} received: stopping in order", attrs={"signal": name})
        self._end.set()

    def _lock_changed(self, step: Step) -> None:
        """Called in the lock's thread."""
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._follow, step)
        except RuntimeError:
            pass  # the loop has ended before the lock

    def _follow(self, step: Step) -> None:
        self._gate.follow(step.state)
        if step.fatal and step.code is not None:
            self._ends_with(step.code, "The lock could not be kept")
        if step.action is Action.END:
            self._unlocked.set()

    def _die(
        self, code: str, message: str, *, reason: str | None = None, error: BaseException | None
    ) -> None:
        self._report(code, message, reason=reason, fatal=True, error=error, epoch=self._keeper.epoch)
        self._ends_with(code, message, reason)

    def _ends_with(self, code: str, message: str, reason: str | None = None) -> None:
        if self._exit is None:
            self._fatal = (code, message)
            self._exit = int(rules.specs[code].why(reason).exit or Exit.SOFTWARE)
        self._end.set()

    def _start_failed(self, error: BaseException) -> None:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            self._end.set()  # the loop has raised it to run_polling as well
        elif ptb.is_token_refused(error):
            self._die("TOKEN_INVALID", "Telegram does not know this token", error=error)
        elif conflict(error):
            words = "Conflict при запуске polling: another process receives this bot's updates"
            self._die("POLLING_START_FAILED", words, reason="conflict", error=error)
        else:
            code, words = _cause(error)
            network = code == "POLLING_START_FAILED" and ptb.is_network(error)
            self._die(code, words, reason="network" if network else None, error=error)


def _cause(error: BaseException) -> tuple[str, str]:
    """The code that says most exactly why a start failed, and a message."""
    text = "".join(traceback.format_exception(error))
    said = f"{type(error).__name__}: {error}"
    for match in reversed(classify(rulebook(), text)):
        if match.fatal and rules.specs[match.code].why(match.reason).exit is not None:
            return match.code, f"Polling was not started: {said}"
    return "POLLING_START_FAILED", f"Polling was not started: {said}"


def _dies_of_sigterm() -> bool:
    """Whether nobody has decided what SIGTERM does, and we may."""
    ours = threading.current_thread() is threading.main_thread()
    return ours and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def _event_loop() -> asyncio.AbstractEventLoop:
    """The loop that the user's code has prepared, as run_polling takes it, or a new one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            loop = asyncio.get_event_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
    if loop.is_closed():
        loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


@contextlib.contextmanager
def _signals(
    loop: asyncio.AbstractEventLoop, numbers: Iterable[int], stop: Callable[[int], None]
) -> Iterator[None]:
    """While entered, each of these signals stops us in order."""
    numbers = tuple(numbers)
    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        if not loop.is_closed():
            for number in numbers:
                loop.remove_signal_handler(number)


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Close the loop; what was left behind is cancelled first."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=1.0))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
