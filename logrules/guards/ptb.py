"""python-telegram-bot: an Application's polling calls pass through here, by its public names alone.

`application.updater.bot` is a documented, assignable attribute; only polling and the webhook go through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import weakref
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from telegram import Update
from telegram.error import BadRequest, InvalidToken, NetworkError, RetryAfter, TelegramError
from telegram.ext import ExtBot

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

    from telegram import Bot
    from telegram.ext import Application

    from logrules.core.guarding.updates import Slow, Updates

    AnyApplication = Application[Any, Any, Any, Any, Any, Any]

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_POLL = 1
"""Seconds of the first long poll: whether polling works is then known soon."""
ARRIVED = 1.0
"""Seconds after which a request has surely reached Telegram."""
LAST_CHANCE = 600.0
"""Seconds of age from which on an update is acknowledged before its handler runs, and tried by itself: what
kills its handler's process would come again to each next one, for ever."""
AGAIN = 1.0
"""Seconds between two polls while updates are in hand: each of them brings those once more."""
LOOK = 10.0
"""Seconds after which the gate hears again that polling waits for handlers, and for nothing else."""
_LONGEST_RETRY = 30.0


class Gate(Protocol):
    """Who decides about polling; called in the bot's event loop."""

    halted: asyncio.Event
    """Set while nothing may be in flight."""

    async def permit(self) -> float:
        """Return when polling may go on, with the seconds that the permission lasts."""

    def permitted(self) -> bool:
        """Whether a poll may begin at this very moment."""

    def ended(self) -> None:
        """A poll that was permitted is over, and nothing of it can be sent any more."""

    async def failed(self, error: Exception) -> bool:
        """Deal with a poll's error. True: poll again now; False: it is for python-telegram-bot."""

    def polled(self) -> None:
        """A poll was answered."""

    def waits(self) -> None:
        """There is no poll, for handlers have their hands full."""

    def slow(self, update: Slow) -> None:
        """An update is acknowledged although it is not handled."""

    def unreadable(self, update_id: int, error: Exception) -> None:
        """An update is left out, for python-telegram-bot cannot read it."""

    def webhook_deleted(self) -> None:
        """Telegram says that no webhook is set."""


class PollingBot:
    """Stands in for the bot at `application.updater.bot`: asks the gate before each poll.

    What is asked for acknowledges only what the application has handled.
    """

    def __init__(self, bot: Bot, gate: Gate, updates: Updates, at_once: int) -> None:
        self._bot = bot
        self._gate = gate
        self._updates = updates
        self._at_once = at_once
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._asking = False
        self._stopping = False
        self._polled_before = False
        self._last: tuple[object, float] = (None, 0.0)
        self.at_work: list[tuple[int, asyncio.Task[Any] | None]] = []
        """Which updates are being handled in line, and in which task."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bot, name)

    def stop(self) -> None:
        """No further poll: python-telegram-bot's own last one would acknowledge what is not handled.

        From now on what is cancelled was cut short by the way out, and is to come again.
        """
        self._stopping = True

    @property
    def is_busy(self) -> bool:
        """Whether there is no poll because handlers have not yet taken what came with the last one."""
        return not self._asking and self._updates.in_line > 0

    @property
    def is_fed(self) -> bool:
        """Whether the application still takes updates: the task in which it does so bears this name."""
        return any(task.get_name().endswith(":update_fetcher") for task in asyncio.all_tasks())

    @property
    def standstill(self) -> float | None:
        """Since when updates wait and no handler begins or ends; None while none waits."""
        return self._updates.standstill

    @property
    def waiting(self) -> int:
        """How many updates wait for their turn."""
        return len(self._updates.waiting)

    def leave_out_first(self) -> None:
        """Do not let the first that waits come again: the application has failed at taking it."""
        for first in self._updates.waiting[:1]:
            self._updates.skipped(first, time.monotonic())

    async def delete_webhook(self, *args: Any, **kwargs: Any) -> bool:
        """As the bot does, and told to the gate."""
        done = await self._bot.delete_webhook(*args, **kwargs)
        self._gate.webhook_deleted()
        return done

    async def get_updates(
        self, offset: int | None = None, limit: int | None = None, **kwargs: Any
    ) -> tuple[Update, ...]:
        """Poll while the gate allows it. What python-telegram-bot must not meet does not come back."""
        self._asking = True
        try:
            return await self._ask(offset, limit, **kwargs)
        finally:
            self._asking = False

    async def _ask(self, offset: int | None, limit: int | None, **kwargs: Any) -> tuple[Update, ...]:
        timeout = kwargs.pop("timeout", 0)
        while not self._stopping:
            await self._worth_asking()
            seconds = self._clamped(timeout, await self._gate.permit())
            since = self._updates.poll(offset)
            self._last = (since, time.monotonic())
            poll = self._fetch(offset=since, limit=limit, timeout=seconds, **kwargs)
            try:
                answer = await self._while_permitted(poll)
            except Exception as error:
                if not await self._gate.failed(error):
                    raise
                continue
            if answer is None:
                continue  # not acknowledged: they will come again, to whoever holds the lock then
            self._gate.polled()
            new, tried = self._new(*answer)
            if tried:
                await self.acknowledge()  # before its handler runs: that may be the end
            if new or not answer[0]:
                return new
        return ()

    async def acknowledge(self) -> None:
        """Tell Telegram at once what was handled; the rest is left to the next poll, or instance.

        Telegram acknowledges when a request arrives. One that only repeats the last poll, with nothing to
        fetch, it would park for 3 s: so there we look first whether anything is left to say.
        """
        offset = self._updates.offset(None)
        if not offset or not self._gate.permitted():
            return
        try:
            async with asyncio.timeout(ARRIVED):
                if self._last[0] != offset or (await self._bot.get_webhook_info()).pending_update_count:
                    await self._bot.get_updates(offset=offset, limit=1, timeout=0)
        except TimeoutError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, the way out goes on
            logger.warning("What was handled last may come again: %s", type(error).__name__)
        finally:
            self._gate.ended()

    @contextlib.contextmanager
    def turn(self, update: object) -> Iterator[None]:
        """The application handles it, but for the tasks begun meanwhile."""
        if not isinstance(update, Update):
            yield
            return
        self._updates.turn(update.update_id, time.monotonic())
        work = update.update_id, asyncio.current_task()
        self.at_work.append(work)
        is_over = True
        try:
            yield
        except asyncio.CancelledError:
            is_over = not self._stopping
            raise
        finally:
            self.at_work.remove(work)
            if is_over:
                self._updates.turn_over(update.update_id, time.monotonic())
                self._news.set()

    def track(self, update: object, task: asyncio.Task[Any]) -> None:
        """The update is not handled before this task is done."""
        if isinstance(update, Update):
            self._updates.begun(update.update_id)
            task.add_done_callback(lambda done: self._done(update.update_id, done))

    def unless_begun(self, update: object, turn: object) -> weakref.finalize[..., Any] | None:
        """Were `turn` thrown away instead of awaited, as an update processor may do, it counts as over."""
        if not isinstance(update, Update):
            return None
        return weakref.finalize(turn, self._thrown_away, update.update_id)

    def _thrown_away(self, update_id: int) -> None:
        """Called by the garbage collector, in any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._skipped, update_id)

    def _skipped(self, update_id: int) -> None:
        if not self._stopping:
            self._updates.skipped(update_id, time.monotonic())
            self._news.set()

    def _done(self, update_id: int, task: asyncio.Task[Any]) -> None:
        if not (self._stopping and task.cancelled()):
            self._updates.done(update_id)
            self._news.set()

    async def _worth_asking(self) -> None:
        """Wait while a new update could not be handled at once, and a little while any would come again."""
        while len(self._updates):
            now = time.monotonic()
            for update in self._updates.slow(now):
                self._gate.slow(update)
            crowded = self._updates.in_line >= self._at_once
            if not crowded and not self._updates.bars:
                return
            due = self._updates.due()
            wait = LOOK if due is None else due - now
            if not crowded:
                wait = min(wait, self._last[1] + AGAIN - now)
            if wait <= 0:
                return
            self._gate.waits()
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait, LOOK)):
                    await self._news.wait()

    async def _fetch(self, **asked: Any) -> tuple[Sequence[Update], Mapping[int, Exception]]:
        """The updates, and why others cannot be read."""
        try:
            return await self._bot.get_updates(**asked), {}
        except TelegramError:
            raise
        except Exception:
            await asyncio.sleep(AGAIN)  # the same question sooner is answered with one update only
            updates, unreadable = await self._one_by_one(asked)
            if not unreadable:
                raise
            return updates, unreadable

    async def _one_by_one(self, asked: dict[str, Any]) -> tuple[list[Update], dict[int, Exception]]:
        """What python-telegram-bot does with an answer, but one bad update does not spoil the others."""
        plain = {key: asked[key] for key in ("offset", "limit", "allowed_updates") if asked.get(key)}
        updates: list[Update] = []
        unreadable: dict[int, Exception] = {}
        for data in await self._bot.do_api_request("getUpdates", api_kwargs=plain):
            try:
                update = Update.de_json(data, self._bot)
                if isinstance(self._bot, ExtBot):
                    self._bot.insert_callback_data(update)
                updates.append(update)
            except Exception as error:  # noqa: BLE001 - of whatever kind, it is this update's
                unreadable[data["update_id"]] = error
        return updates, unreadable

    def _new(
        self, updates: Sequence[Update], unreadable: Mapping[int, Exception]
    ) -> tuple[tuple[Update, ...], bool]:
        """What is given on, and whether the last of it has its last chance.

        What comes behind such a one is left to the next poll: its end may be that of the process.
        """
        first, self._polled_before = not self._polled_before, True
        tried = next((u.update_id for u in updates if self._is_to_be_tried(u, first=first)), None)
        ids = [*(update.update_id for update in updates), *unreadable]
        new = self._updates.fetched([i for i in ids if tried is None or i <= tried], time.monotonic())
        for update_id in new & unreadable.keys():
            self._updates.forget(update_id)
            self._gate.unreadable(update_id, unreadable[update_id])
        if tried is not None:
            self._updates.told(tried)
        return tuple(update for update in updates if update.update_id in new), tried is not None

    def _is_to_be_tried(self, update: Update, *, first: bool) -> bool:
        return self._updates.is_new(update.update_id) and _is_its_last_chance(update, first=first)

    def _clamped(self, timeout: Any, permitted: float) -> int:
        asked = timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout or 0)
        longest = permitted - 1 if self._polled_before else min(permitted - 1, FIRST_POLL)
        return int(max(0, min(asked, longest)))

    async def _while_permitted(self, poll: Coroutine[Any, Any, T]) -> T | None:
        """The poll's result; None once the gate has closed, and then the poll is cancelled at once."""
        task = asyncio.ensure_future(poll)
        task.add_done_callback(lambda _: self._gate.ended())
        halted = asyncio.ensure_future(self._gate.halted.wait())
        try:
            await asyncio.wait({task, halted}, return_when=asyncio.FIRST_COMPLETED)
            return None if halted.done() else task.result()
        finally:
            task.cancel()
            halted.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


_DATED = ("message", "edited_message", "channel_post", "edited_channel_post", "business_message")


def _is_its_last_chance(update: Update, *, first: bool) -> bool:
    """Whether it may have been tried for long.

    An update without a time of its own may, in a process's first answer.
    """
    message = next(filter(None, (getattr(update, name, None) for name in _DATED)), None)
    if message is None:
        return first
    age: float = time.time() - (message.edit_date or message.date).timestamp()
    return age > LAST_CHANCE


def attach(application: AnyApplication, gate: Gate, updates: Updates, stop: Callable[[], None]) -> PollingBot:
    """Let the application poll through the gate from now on, and `stop_running()` call `stop`.

    By itself `stop_running()` stops the loop, whoever's it is; before the application runs it only leaves a
    mark that no public name shows.
    """
    assert application.updater is not None  # the guard has checked it
    bot = application.updater.bot
    polling = PollingBot(bot, gate, updates, at_once=max(1, application.concurrent_updates))
    application.updater.bot = cast("Bot", polling)
    application.__class__ = _guarded(type(application), polling, stop)
    return polling


def detach(application: AnyApplication) -> None:
    """Give the application back as it was."""
    assert application.updater is not None
    application.updater.bot = application.bot
    application.__class__ = type(application).__bases__[0]


def _guarded(
    kind: type[AnyApplication], polling: PollingBot, stop: Callable[[], None]
) -> type[AnyApplication]:
    """`kind`, with an eye on what is handled. A class of its own, for an application may have slots only."""

    def process_update(self: AnyApplication, update: object) -> Coroutine[Any, Any, None]:
        async def process_update() -> None:
            if unless_begun:
                unless_begun.detach()
            with polling.turn(update):
                await kind.process_update(self, update)

        coroutine = process_update()
        unless_begun = polling.unless_begun(update, coroutine)
        return coroutine

    def create_task(
        self: AnyApplication, coroutine: Any, update: object | None = None, *, name: str | None = None
    ) -> asyncio.Task[Any]:
        task = kind.create_task(self, coroutine, update, name=name)
        polling.track(update, task)
        return task

    members = {
        "__slots__": (),
        "stop_running": lambda _self: stop(),
        "process_update": process_update,
        "create_task": create_task,
    }
    return type(kind.__name__, (kind,), members)


async def warm_up() -> None:
    """Load now what the client of Telegram's API loads at its first request only: a third of a start."""
    with contextlib.suppress(ImportError):  # another client than python-telegram-bot's own may do without
        import anyio.lowlevel

        await anyio.lowlevel.checkpoint()


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
            wait = retry_after(error) or pause
            pause = min(_LONGEST_RETRY, 1.5 * pause)
        await asyncio.sleep(wait)


def retry_after(error: BaseException) -> float | None:
    """Seconds that python-telegram-bot waits where Telegram has told it for how long."""
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
    if type(error) is TelegramError:  # a front end's page for people, before python-telegram-bot 22
        return str(error) == "Invalid server response"
    return isinstance(error, NetworkError) and not isinstance(error, BadRequest)


def report_error(application: AnyApplication, error: TelegramError) -> None:
    """Hand a polling error to the application's error handlers, as run_polling does."""
    application.create_task(application.process_error(update=None, error=error))
