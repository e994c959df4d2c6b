"""A bot's life under the lock. The order: acquire → initialize → post_init → start_polling → start → …
→ updater.stop → stop (bounded) → last acknowledgement → post_stop → shutdown → post_shutdown → announce →
unlock → flush the alerts → exit. The lock encloses it all: an instance that waits has run none of the bot's
own code.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, Self

from logrules.alerts import NOBODY
from logrules.core.guarding.conflict import Conflicts, Policy, conflict
from logrules.core.guarding.health import Health, Phase
from logrules.core.guarding.lease import Action, Timers
from logrules.core.model import Exit
from logrules.guards import ptb
from logrules.guards.keeper import CLOCK, Keeper, steady
from logrules.guards.watchdog import Watchdog
from logrules.polling import locks, loops, onfatal
from logrules.polling.gate import Gate
from logrules.rules import rules
from logrules.sinks.health import HealthPort

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence
    from datetime import timedelta

    from logrules.alerts import Alerts
    from logrules.core.guarding.lease import Runs, Session, Step
    from logrules.core.guarding.updates import Updates
    from logrules.report import Reporter
    from logrules.rules import Rules
    from logrules.settings import Settings
    from logrules.sinks.crons import Crons
    from logrules.stores.fatals import FatalFile

logger = logging.getLogger(__name__)

LEAST = 1.0
"""Seconds below which a step on the way out is not worth beginning."""
LAST_ANSWER = 10.0
"""Seconds for any step on the way out but the handlers' own, and for all of them beyond those."""
ANSWERED = 90.0
"""Seconds after an answered getUpdates for which the bot counts as polling: more than any poll takes."""
INSIST = 3.0
"""Seconds that the program around us has for ending with our status by itself."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGABRT)


class Guard:
    """A guarded application: `run_polling()`, or `async with` for those who have a loop of their own.

    Beside a web server, for example FastAPI's `lifespan`:

        @asynccontextmanager
        async def lifespan(api):
            async with guard(application):
                yield
    """

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
        runs: Runs | None,
        memory: FatalFile | None,
    ) -> None:
        self.application = application
        self._settings = settings
        self._timers = timers
        self._session = session
        self._report = report
        self._alerts = alerts
        self._keeper = Keeper(session, timers, report, self._lock_changed, runs=runs)
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
        self._memory = memory
        self._port = HealthPort(settings.port, self.health) if settings.port else None
        self._crons = self._monitored()
        self._keeping = False
        self._fatal = ("", "")
        self._polling: dict[str, Any] = {}
        self._proxy: ptb.PollingBot | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()
        self._unlocked = asyncio.Event()
        self._exit: int | None = None
        self._error: BaseException | None = None
        self._polls = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
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
            self._run(loops.event_loop(), stop_signals or (), close_loop=close_loop)
            self._park()
        finally:
            self._let_go()
        self._leave()

    def _run(self, loop: asyncio.AbstractEventLoop, stop_signals: Iterable[int], *, close_loop: bool) -> None:
        try:
            with loops.stopped_by(loop, stop_signals, self._signalled):
                self._spin(loop, loop.create_task(self._live(), name="logrules-guard"))
        finally:
            if close_loop:
                loops.close(loop)
            self._flush()

    def polling(self, **arguments: Any) -> Self:
        """The arguments of run_polling for `async with guard(application).polling(timeout=20):`."""
        self._polling = arguments
        return self

    async def started(self) -> None:
        """Return when the bot polls, for the body of `async with` that wants to use it.

        Whatever ends the guard before that cancels the body.
        """
        await self._polls.wait()

    async def __aenter__(self) -> Self:
        """Begin. The body runs at once: a web server in it is to answer its platform while the bot waits."""
        if loops.dies_of_sigterm():
            loop = asyncio.get_running_loop()
            self._own_signals.enter_context(loops.stopped_by(loop, (signal.SIGTERM,), self._signalled))
        self._life = asyncio.create_task(self._live(), name="logrules-guard")
        self._life.add_done_callback(lambda _: self._end.set())
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
        self._exit_with_code(asyncio.get_running_loop())
        return ours

    async def _wind_up(self) -> None:
        """The way out, to its end, whoever cancels it: it has a bound of its own."""
        assert self._life is not None
        self._end.set()
        while not self._life.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(self._life)
        self._own_signals.close()
        await asyncio.to_thread(self._flush)
        await asyncio.to_thread(self._let_go)
        if not self._life.cancelled():
            self._life.result()

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
        if self._crons is not None:
            self._crons.start()
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
            self._report("ALERTS_OFF", NOBODY)
        locks.introduce(self._session, self._settings, self._report)

    def _monitored(self) -> Crons | None:
        settings = self._settings
        if not (settings.sentry_dsn and settings.crons):
            return None
        from logrules.sinks.crons import Crons

        return Crons(
            settings.sentry_dsn,
            settings.crons,
            self._is_alive,
            lambda why: self._report("ALERT_REFUSED", why),
            environment=settings.environment,
        )

    def _is_alive(self) -> bool:
        """For any thread: whether it is this instance that holds the lock, and Telegram answers it."""
        interval = float(self._polling.get("poll_interval") or 0)
        return self._keeper.unproved_for() is not None and self._gate.answered_within(ANSWERED + interval)

    async def _start(self) -> None:
        application, asked = self.application, dict(self._polling)
        self._gate.enter(Phase.PREVIEW if self._settings.preview else Phase.DELAYED)
        await onfatal.begin(self._settings, self._memory, self._report)
        self._gate.enter(Phase.WAITING)
        self._keeping = True
        self._keeper.start(locks.fence(self._session, CLOCK, self._report))
        await ptb.warm_up()  # while the lock is waited for
        await self._gate.held.wait()
        await self._let_go_of_port()
        proxy = self._proxy = ptb.attach(application, self._gate, self._updates, self._end.set)
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
        interval = float(asked.get("poll_interval") or 0)
        self._stall = asyncio.create_task(self._gate.watch(interval, proxy))
        self._polls.set()
        if self._port is not None:
            self._port.take()

    async def _down(self) -> None:
        """Every step of the way out, whatever became of the one before, within one bound."""
        application = self.application
        self._gate.enter(Phase.STOPPING)
        self._latest = steady() + self._timers.drain + LAST_ANSWER
        if self._crons is not None:
            self._crons.stop()
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
                self._report.undelivered(alert, self._alerts.missed_by(alert))

    def _let_go(self) -> None:
        if self._alerts is not None:
            self._alerts.close()
        if self._port is not None:
            self._port.let_go()

    def _park(self) -> None:
        """Stay after an end that a restart would only bring again, if people want that."""
        if onfatal.parks(self._settings, self._exit):
            self._gate.enter(Phase.PARKED)
            if self._port is not None:
                self._port.take()  # the bot's own code has had its chance
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
            version=onfatal.VERSION,
            since=round(now - (steadily - self._gate.since), 3),
            epoch=self._keeper.epoch,
            holder=self._settings.instance if held is not None else self._keeper.holder,
            last_proof=ago(held),
            last_poll=ago(None if polled is None else steadily - polled),
            in_hand=len(self._updates),
            events=dict(self._report.counts),
        )

    def _leave(self) -> None:
        self._exit_with_code()
        if self._error is not None:
            raise self._error

    def _exit_with_code(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Exit, if there is a status for it; who swallows that, as a web server does, is asked again."""
        if self._exit is None:
            return
        if not onfatal.parks(self._settings, self._exit):
            loops.insist(self._exit, INSIST, loop)
        sys.exit(self._exit)

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
            code, words = _cause(error, self._report.known)
            network = code == "POLLING_START_FAILED" and ptb.is_network(error)
            self._die(code, words, reason="network" if network else None, error=error)


def _cause(error: BaseException, known: Rules) -> tuple[str, str]:
    """The code that says most exactly why a start failed, and a message."""
    # Here, because it costs 70 ms, and a start that succeeds needs none of it.
    from logrules.core.engine import classify

    text = "".join(traceback.format_exception(error))
    said = f"{type(error).__name__}: {error}"
    for match in reversed(classify(known.rulebook, text)):
        if match.fatal and known.specs[match.code].why(match.reason).exit is not None:
            return match.code, f"Polling was not started: {said}"
    return "POLLING_START_FAILED", f"Polling was not started: {said}"
