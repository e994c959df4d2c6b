"""Whether this poll may be sent, and what its error leads to: python-telegram-bot asks here, each time.

The rules are `core.conflict`'s and the lock is the keeper's; this is where a poll meets both.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from logrules.core.conflict import Verdict, conflict
from logrules.core.lease import State
from logrules.guards import ptb
from logrules.guards.keeper import steady

if TYPE_CHECKING:
    from collections.abc import Callable

    from logrules.core.conflict import Conflicts
    from logrules.guards.keeper import Keeper
    from logrules.report import Reporter

LEAST = 1.0
"""Seconds of permission below which a poll is not worth beginning."""
GLANCE = 0.05
"""Seconds between two looks at a lock whose news are on their way."""
PROBE_PAUSE = 2.0
"""Seconds between a 401 that a probe did not confirm and the next poll."""
LONGEST_PAUSE = 30.0
"""Seconds between two polls for an update that cannot be parsed."""


class Gate:
    """Decides about each poll: never without the lock, and what a poll's error leads to."""

    def __init__(
        self,
        application: ptb.AnyApplication,
        keeper: Keeper,
        conflicts: Conflicts,
        report: Reporter,
        die: Callable[..., None],
    ) -> None:
        self.held = asyncio.Event()
        self.halted = asyncio.Event()
        self._application = application
        self._keeper = keeper
        self._conflicts = conflicts
        self._report = report
        self._die = die
        self._has_polled = False
        self._nonsense = 0

    def follow(self, state: State) -> None:
        """The lock's state is another one."""
        if state is State.HOLDING:
            self.halted.clear()
            self.held.set()
        else:
            self.held.clear()
            self.halted.set()

    def permitted(self) -> bool:
        """Whether the lock is held now, by its last proof."""
        return self._keeper.remaining() > 0

    async def permit(self) -> float:
        """Wait for the lock. Its own word counts: news of a loss may still be on their way to this loop."""
        while (left := self._keeper.remaining()) < LEAST:
            await self.held.wait()
            await asyncio.sleep(GLANCE)
        return left

    def webhook_deleted(self) -> None:
        """Say so."""
        self._report("WEBHOOK_DELETED", "Webhook удалён: polling is allowed", epoch=self._keeper.epoch)

    def polled(self) -> None:
        """Say the first time, and the first after an incident."""
        self._nonsense = 0
        recovered = self._conflicts.over(steady())
        if not self._has_polled or recovered:
            self._has_polled = True
            words = "getUpdates is answered again" if recovered else "the first getUpdates was answered"
            self._report(
                "POLLING_STARTED", f"Polling started successfully! ({words})", epoch=self._keeper.epoch
            )

    async def failed(self, error: Exception) -> bool:
        """Conflicts and refused tokens are ours; what is fatal never comes back from here."""
        at, held = steady(), self._keeper.held_for()
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
        """An update that cannot be parsed comes again with each poll; python-telegram-bot asks at once."""
        self._nonsense += 1
        await asyncio.sleep(min(LONGEST_PAUSE, 2.0 ** (self._nonsense - 1)))

    async def _for_ever(self) -> bool:
        await asyncio.Event().wait()  # python-telegram-bot cancels it when it stops
        return True
