"""Whether this poll may be sent, and what its error leads to: python-telegram-bot asks here, each time.

The rules are `core.conflict`'s and the lock is the keeper's; this is where a poll meets both.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from logrules.core.guarding.conflict import WEBHOOK, Verdict, conflict
from logrules.core.guarding.health import Phase
from logrules.core.guarding.lease import State
from logrules.guards import ptb
from logrules.guards.keeper import steady
from logrules.polling import loops

if TYPE_CHECKING:
    from collections.abc import Callable

    from logrules.core.guarding.conflict import Conflicts
    from logrules.core.guarding.updates import Slow
    from logrules.guards.keeper import Keeper
    from logrules.report import Reporter

LEAST = 1.0
"""Seconds of permission below which a poll is not worth beginning."""
GLANCE = 0.05
"""Seconds between two looks at a lock whose news are on their way."""
PROBE_PAUSE = 2.0
"""Seconds between a 401 that a probe did not confirm and the next poll."""
LONGEST_PAUSE = 30.0
"""Seconds between two polls that fail for no reason of Telegram's."""
STALL = 180.0
"""Seconds without an answer after which polling is said to stand still."""
SILENCE = 60.0
"""Seconds without even an error of a poll after which it is the poller that is stuck, and not the network."""
LOOK = 5.0
"""Seconds between two looks at what polling has come to."""

_LAST = (Phase.STOPPING, Phase.PARKED)


class Gate:
    """Decides about each poll: never without the lock, and what a poll's error leads to."""

    def __init__(
        self,
        application: ptb.AnyApplication,
        keeper: Keeper,
        conflicts: Conflicts,
        report: Reporter,
        die: Callable[..., None],
        *,
        delete_webhook: bool = False,
    ) -> None:
        self.held = asyncio.Event()
        self.halted = asyncio.Event()
        self._application = application
        self._keeper = keeper
        self._conflicts = conflicts
        self._report = report
        self._die = die
        self._may_delete_webhook = delete_webhook
        self._has_polled = False
        self._nonsense = 0
        self.phase = Phase.WAITING
        self.since = self._progress = steady()
        self.polled_at: float | None = None
        self._error_at = 0.0
        self._standstill: float | None = None
        self._looks = 0
        self._stuck = self._was_fed = False

    def enter(self, phase: Phase) -> None:
        """For those who ask how the bot is; the way out has no way back."""
        if phase is not self.phase and (self.phase not in _LAST or phase in _LAST):
            self.phase, self.since = phase, steady()

    def follow(self, state: State) -> None:
        """The lock's state is another one."""
        self._progress = steady()
        if state is State.HOLDING:
            self.halted.clear()
            self.held.set()
            self.enter(Phase.POLLING if self._has_polled else Phase.STARTING)
        else:
            self.enter(Phase.LOST if self._has_polled else Phase.WAITING)
            self.held.clear()
            self.halted.set()

    def permitted(self) -> bool:
        """Whether a poll may begin at this very moment; if so it has, and is to be `ended`."""
        return self._keeper.begin() > 0

    async def permit(self) -> float:
        """Wait for the lock. Its own word counts: news of a loss may still be on their way to this loop."""
        while not (left := self._keeper.begin()):
            await self.held.wait()
            await asyncio.sleep(GLANCE)
        return left

    def ended(self) -> None:
        """The poll is over: for the fence it need not come down any more."""
        self._keeper.end()

    def webhook_deleted(self) -> None:
        """Say so."""
        self._report("WEBHOOK_DELETED", "Webhook удалён: polling is allowed", epoch=self._keeper.epoch)

    def polled(self) -> None:
        """Say the first time, and the first after an incident."""
        self._nonsense = 0
        self._progress = self.polled_at = steady()
        recovered = self._conflicts.over(steady()) or self.phase is Phase.STALLED
        self.enter(Phase.POLLING)
        if not self._has_polled or recovered:
            self._has_polled = True
            words = "getUpdates is answered again" if recovered else "the first getUpdates was answered"
            self._report(
                "POLLING_STARTED", f"Polling started successfully! ({words})", epoch=self._keeper.epoch
            )

    def answered_within(self, seconds: float) -> bool:
        """Whether it polls, and a getUpdates has been answered lately."""
        polls = self.phase is Phase.POLLING and self.polled_at is not None
        return polls and steady() - (self.polled_at or 0.0) < seconds

    def waits(self) -> None:
        """Handlers at work are no standstill."""
        self._progress = steady()

    def slow(self, update: Slow) -> None:
        """Say so: from now on it is lost if the process is killed."""
        words = f"An update was not handled within {update.seconds:.0f} s and is acknowledged all the same"
        self._report("UPDATE_SLOW", words, epoch=self._keeper.epoch, attrs={"update_id": update.id})

    def unreadable(self, update_id: int, error: Exception) -> None:
        """Say so, without what it holds: that is people's own."""
        words = f"An update could not be read and is left out: {type(error).__name__}"
        self._report("UPDATE_UNREADABLE", words, epoch=self._keeper.epoch, attrs={"update_id": update_id})

    async def watch(self, interval: float, polling: ptb.PollingBot) -> None:
        """Look for polling and for handlers that make no progress; ends with the guard.

        `interval` are the seconds that python-telegram-bot waits between two polls.
        """
        while True:
            since = steady()
            await asyncio.sleep(LOOK)
            # What has held up this very loop has held up the poll: a handler, or a laptop that slept.
            self._progress += max(0.0, steady() - since - LOOK)
            if polling.is_busy:
                self.waits()
            self._look_at_handlers(polling)
            if not self.halted.is_set() and steady() - self._progress >= STALL + interval:
                self._say_stalled()

    def _say_stalled(self) -> None:
        """A stuck poller is cured by a restart, a network that is away is not."""
        if steady() - self._error_at >= SILENCE:
            words = (
                f"No getUpdates has come back for {STALL:g} s, not even with an error: the poller is stuck"
            )
            self._die("POLLING_STALLED", words, error=None)
        elif self.phase is not Phase.STALLED:
            words = f"No getUpdates was answered for {STALL:g} s: each one ends in an error"
            self._report("POLLING_STALLED", words, fatal=False, epoch=self._keeper.epoch)
        self.enter(Phase.STALLED)
        self._progress = steady()

    def _look_at_handlers(self, polling: ptb.PollingBot) -> None:
        """Looks are counted, not seconds: in those a loop may have been blocked, or a laptop asleep."""
        since = polling.standstill
        self._looks = self._looks + 1 if since is not None and since == self._standstill else 0
        self._standstill = since
        is_fed = polling.is_fed
        self._was_fed = self._was_fed or is_fed
        stuck, was_stuck = self._looks * LOOK >= STALL, self._stuck
        self._stuck = stuck
        if self._looks and self._was_fed and not is_fed:
            words = "The Application takes no update any more: the task in which it does has ended"
            polling.leave_out_first()
            self._die("HANDLERS_STUCK", words, error=None)
        elif stuck and not was_stuck:
            self._say_stuck(polling)
        elif was_stuck and not stuck:
            words = "Polling started successfully! (handlers go on: people are answered again)"
            self._report("POLLING_STARTED", words, epoch=self._keeper.epoch)

    def _say_stuck(self, polling: ptb.PollingBot) -> None:
        """Not fatal: work that is worth minutes looks the same."""
        update_id, task = polling.at_work[0] if polling.at_work else (None, None)
        places = loops.awaited(task)
        where = f", now in {loops.own(places)}" if places else ""
        words = f"People have waited for {STALL:g} s for one handler that does not end{where}"
        attrs = {"update_id": update_id, "waiting": polling.waiting, "stack": places}
        self._report("HANDLERS_STUCK", words, fatal=False, epoch=self._keeper.epoch, attrs=attrs)

    async def failed(self, error: Exception) -> bool:
        """Conflicts and refused tokens are ours; what is fatal never comes back from here."""
        at, held = steady(), self._keeper.held_for()
        self._error_at = at + (ptb.retry_after(error) or 0.0)
        try:
            if reason := conflict(error):
                return await self._conflicted(error, reason, at, held)
            if ptb.is_token_refused(error):
                return await self._token_refused(error)
            if not ptb.is_answer(error):
                await self._pause_before_nonsense()
        except Exception as trouble:  # noqa: BLE001 - whatever it is, it ends as a conflict does, in order
            words = f"409 CONFLICT DETECTED, and dealing with it failed: {type(trouble).__name__}"
            self._die("CONFLICT_409", words, error=trouble)
            return await self._for_ever()
        return False

    async def _conflicted(self, error: Exception, reason: str, at: float, held: float) -> bool:
        if not await asyncio.wrap_future(self._keeper.prove()):
            return True  # the lock is gone: that is what it deals with now
        self._progress = at  # it is an incident of its own
        if reason == WEBHOOK and self._may_delete_webhook:
            return await self._delete_webhook()
        proved = self._keeper.session.provable
        verdict, pause = self._conflicts.seen(at, proved=proved, held_for=held)
        words = f"{'a webhook is set' if reason == 'webhook_active' else 'another process polls'}: {error}"
        if verdict is Verdict.PROVED:
            self._die("CONFLICT_409", f"409 CONFLICT DETECTED: {words}", reason=reason, error=error)
            return await self._for_ever()
        if verdict is not Verdict.PAUSE:
            message = f"Conflict: {words}; no poll for {pause:g} s"
            attrs = {"pause": pause, "lock_proved": proved}
            self._report(verdict.value, message, reason=reason, epoch=self._keeper.epoch, attrs=attrs)
        await asyncio.sleep(pause)
        return True

    async def _delete_webhook(self) -> bool:
        """Once: whoever sets it again is a rival."""
        self._may_delete_webhook = False
        await self._application.bot.delete_webhook(drop_pending_updates=False)
        self._report(
            "WEBHOOK_DELETED",
            "Webhook удалён: somebody has set one while this bot polled (LOGRULES_WEBHOOK=delete)",
            epoch=self._keeper.epoch,
        )
        return True

    async def _token_refused(self, error: Exception) -> bool:
        try:
            await self._application.bot.get_me()
        except Exception as answer:  # noqa: BLE001 - only one answer confirms it
            if ptb.is_token_refused(answer):
                self._die("TOKEN_INVALID", "Telegram does not know this token any more", error=error)
                return await self._for_ever()
        await asyncio.sleep(PROBE_PAUSE)
        return True

    async def _pause_before_nonsense(self) -> None:
        """Python-telegram-bot asks again at once after an error that it does not know."""
        self._nonsense += 1
        await asyncio.sleep(min(LONGEST_PAUSE, 2.0 ** (self._nonsense - 1)))

    async def _for_ever(self) -> bool:
        await asyncio.Event().wait()  # python-telegram-bot cancels it when it stops
        return True
