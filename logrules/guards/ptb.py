"""python-telegram-bot: an Application's polling calls pass through here, by its public names alone.

`application.updater.bot` is a documented, assignable attribute; only polling and the webhook go through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from telegram.error import BadRequest, InvalidToken, NetworkError, RetryAfter, TelegramError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from telegram import Bot, Update
    from telegram.ext import Application

    AnyApplication = Application[Any, Any, Any, Any, Any, Any]

T = TypeVar("T")

FIRST_POLL = 1
"""Seconds of the first long poll: whether polling works is then known soon."""
ARRIVED = 1.0
"""Seconds after which a poll has surely reached Telegram, and acknowledged what came before it."""
_LONGEST_RETRY = 30.0


class Gate(Protocol):
    """Who decides about polling; called in the bot's event loop."""

    halted: asyncio.Event
    """Set while nothing may be in flight."""

    async def permit(self) -> float:
        """Return when polling may go on, with the seconds that the permission lasts."""

    def permitted(self) -> bool:
        """Whether polling may go on at this very moment."""

    async def failed(self, error: Exception) -> bool:
        """Deal with a poll's error. True: poll again now; False: it is for python-telegram-bot."""

    def polled(self) -> None:
        """A poll was answered."""

    def webhook_deleted(self) -> None:
        """Telegram says that no webhook is set."""


class PollingBot:
    """Stands in for the bot at `application.updater.bot`: asks the gate before each poll."""

    def __init__(self, bot: Bot, gate: Gate) -> None:
        self._bot = bot
        self._gate = gate
        self._stopping = False
        self._polled_before = False
        self._last: tuple[object, float] = (None, 0.0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bot, name)

    def stop(self) -> None:
        """The next call is the last: it acknowledges what was fetched."""
        self._stopping = True

    async def delete_webhook(self, *args: Any, **kwargs: Any) -> bool:
        """As the bot does, and told to the gate."""
        done = await self._bot.delete_webhook(*args, **kwargs)
        self._gate.webhook_deleted()
        return done

    async def get_updates(
        self, offset: int | None = None, limit: int | None = None, **kwargs: Any
    ) -> tuple[Update, ...]:
        """Poll while the gate allows it. What python-telegram-bot must not meet does not come back."""
        timeout = kwargs.pop("timeout", 0)
        if self._stopping:
            return await self._acknowledge(offset, **kwargs)
        while True:
            seconds = self._clamped(timeout, await self._gate.permit())
            self._last = (offset, time.monotonic())
            poll = self._bot.get_updates(offset=offset, limit=limit, timeout=seconds, **kwargs)
            try:
                updates = await self._while_permitted(poll)
            except Exception as error:
                if not await self._gate.failed(error):
                    raise
                continue
            if updates is None:
                continue  # not acknowledged: they will come again, to whoever holds the lock then
            self._polled_before = True
            self._gate.polled()
            return updates

    def _clamped(self, timeout: Any, permitted: float) -> int:
        asked = timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout or 0)
        longest = permitted - 1 if self._polled_before else min(permitted - 1, FIRST_POLL)
        return int(max(0, min(asked, longest)))

    async def _while_permitted(self, poll: Coroutine[Any, Any, T]) -> T | None:
        """The poll's result; None once the gate has closed, and then the poll is cancelled at once."""
        task = asyncio.ensure_future(poll)
        halted = asyncio.ensure_future(self._gate.halted.wait())
        try:
            await asyncio.wait({task, halted}, return_when=asyncio.FIRST_COMPLETED)
            return None if halted.done() else task.result()
        finally:
            task.cancel()
            halted.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    async def _acknowledge(self, offset: int | None, **kwargs: Any) -> tuple[Update, ...]:
        """Python-telegram-bot's last call, which would wait three seconds if it asks what was asked just now.

        Telegram acknowledges when a request arrives, so it is left out where the last poll has said the same
        long enough ago, and not waited for any longer than it needs to arrive.
        """
        last, sent = self._last
        said = last == offset and time.monotonic() - sent > ARRIVED
        if not offset or said or not self._gate.permitted():
            return ()
        try:
            async with asyncio.timeout(ARRIVED):
                return await self._bot.get_updates(offset=offset, timeout=0, **kwargs)
        except TimeoutError:
            return ()


def attach(application: AnyApplication, gate: Gate, stop: Callable[[], None]) -> PollingBot:
    """Let the application poll through the gate from now on, and `stop_running()` call `stop`.

    By itself `stop_running()` stops the loop, whoever's it is; before the application runs it only leaves a
    mark that no public name shows.
    """
    assert application.updater is not None  # the guard has checked it
    polling = PollingBot(application.updater.bot, gate)
    application.updater.bot = cast("Bot", polling)
    application.__class__ = _stopping(type(application), stop)
    return polling


def detach(application: AnyApplication) -> None:
    """Give the application back as it was."""
    assert application.updater is not None
    application.updater.bot = application.bot
    application.__class__ = type(application).__bases__[0]


def _stopping(kind: type[AnyApplication], stop: Callable[[], None]) -> type[AnyApplication]:
    """`kind` with another `stop_running`. A class of its own, for an application may have slots only."""
    return type(kind.__name__, (kind,), {"__slots__": (), "stop_running": lambda _self: stop()})


async def initialize(application: AnyApplication, retries: int) -> None:
    """`application.initialize()`, with what run_polling calls `bootstrap_retries`: below 0 for ever."""
    pause = 1.0
    while True:
        try:
            return await application.initialize()
        except InvalidToken:
            raise
        except TelegramError as error:
            if retries == 0:
                raise
            retries -= 1
            wait = _retry_after(error) or pause
            pause = min(_LONGEST_RETRY, 1.5 * pause)
        await asyncio.sleep(wait)


def _retry_after(error: TelegramError) -> float | None:
    if not isinstance(error, RetryAfter):
        return None
    wait: Any = error.retry_after  # seconds, or a timedelta where the user has asked for it
    return (wait.total_seconds() if isinstance(wait, timedelta) else float(wait)) + 0.5


def is_token_refused(error: BaseException) -> bool:
    """Whether Telegram does not know the token. The error's text may hold the whole of it."""
    return isinstance(error, InvalidToken)


def is_answer(error: BaseException) -> bool:
    """Whether python-telegram-bot expects it: an answer of Telegram's, or none. Else an update is broken."""
    return isinstance(error, TelegramError)


def is_network(error: BaseException) -> bool:
    """Whether Telegram could not be reached, or was in trouble itself."""
    return isinstance(error, NetworkError) and not isinstance(error, BadRequest)


def report_error(application: AnyApplication, error: TelegramError) -> None:
    """Hand a polling error to the application's error handlers, as run_polling does."""
    application.create_task(application.process_error(update=None, error=error))
