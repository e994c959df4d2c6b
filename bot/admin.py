"""What the operator of the bot can ask it: how it is, what is wrong, and quiet for a while."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import time
from contextlib import closing
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from telegram import Update
from telegram.constants import ParseMode
from telegram.ext import Application, CallbackQueryHandler, CommandHandler, ContextTypes, filters

from bot import answers
from bot.answers import Button, Page
from bot.handlers import keyboard, lang_of, reply
from bot.memory import DAY, Recent
from bot.texts import language, texts
from logrules import oncall
from logrules.core.event import timestamp
from logrules.core.model import LogrulesError
from logrules.core.silences import Silence
from logrules.core.text import span
from logrules.rules import rules

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from logrules.core.health import Health
    from logrules.core.incidents import Incident
    from logrules.core.ledger import Ledger

    Handler = Callable[["Desk", Update, "ContextTypes.DEFAULT_TYPE"], Coroutine[Any, Any, None]]

logger = logging.getLogger(__name__)

LISTED = 8
"""Incidents on one page."""
PAGES = 100
"""Lists whose buttons work."""
HOURS = (1, 8, 24)
"""For how long one can ask for quiet by a button."""


class Listed(NamedTuple):
    """An incident that buttons speak of."""

    service: str
    code: str
    reason: str | None


def ids(environ: Mapping[str, str]) -> frozenset[int]:
    """Who may: BOT_ADMINS, the numbers of people, and whoever gets the alerts in private."""
    words = re.split(r"[\s,;]+", environ.get("BOT_ADMINS", "").strip())
    numbers = [int(word) for word in words if word.isascii() and word.isdigit()]
    if len(numbers) < len([word for word in words if word]):
        logger.warning("BOT_ADMINS takes the numbers of people, such as 1001,1002: what is none is left out")
    chat = environ.get("LOGRULES_ALERT_CHAT", "").strip()
    return frozenset([*numbers, *([int(chat)] if chat.isascii() and chat.isdigit() else [])])


def _for_admins(handler: Handler) -> Handler:
    """A polite word for everybody else."""

    @functools.wraps(handler)
    async def asked(self: Desk, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        user, query = update.effective_user, update.callback_query
        if user is not None and user.id in self.admins:
            await handler(self, update, context)
        elif query is not None:
            await query.answer(texts(lang_of(update)).not_admin, show_alert=True)
        elif update.message is not None:
            await reply(update.message, Page(texts(lang_of(update)).not_admin))

    return asked


class Desk:
    """The operator's commands. `health` tells how the bot is, once there is a guard."""

    def __init__(self, admins: frozenset[int]) -> None:
        self.admins = admins
        self.health: Callable[[], Health] | None = None
        self._listed: Recent[list[Listed]] = Recent(PAGES, DAY)

    def register(self, application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        """Add the handlers."""
        new = filters.UpdateType.MESSAGE
        application.add_handlers(
            [
                CommandHandler("status", self.status, new),
                CommandHandler("incidents", self.incidents, new),
                CallbackQueryHandler(self.about, r"^i:"),
                CallbackQueryHandler(self.quiet, r"^q:"),
            ]
        )

    @_for_admins
    async def status(self, update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        """/status: who holds the lock, since when, last proof, last poll, what is open, version."""
        if update.message is None or self.health is None:
            return
        lang = language(lang_of(update))
        try:
            open_ = str(len((await asyncio.to_thread(_ledger)).incidents))
        except LogrulesError:
            open_ = "?"
        await reply(update.message, Page(_status(self.health(), open_, lang)))

    @_for_admins
    async def incidents(self, update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        """/incidents: what is open, with buttons."""
        if update.message is None:
            return
        page, listed = await self._list(lang_of(update))
        sent = await reply(update.message, page)
        self._listed.keep((sent.chat_id, sent.message_id), listed)

    @_for_admins
    async def about(self, update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        """The buttons of the list: explain one, silence one, or the list once more."""
        query, found = update.callback_query, self._pressed(update)
        if query is None or query.message is None:
            return
        say, lang = texts(lang_of(update)), lang_of(update)
        _, number, what = (query.data or "").split(":")
        if what == "b":
            page, listed = await self._list(lang)
            self._listed.keep((query.message.chat.id, query.message.message_id), listed)
        elif found is None:
            await query.answer(say.too_old, show_alert=True)
            return
        elif what == "e":
            page = answers.explain(found.code, lang)
            page = Page(page.html, (*page.rows, (Button(say.back, "i:0:b"),)))
        else:
            times = tuple(Button(say.hours.format(hours=each), f"q:{number}:{each}") for each in HOURS)
            html = say.silence_for.format(code=escape(found.code))
            page = Page(html, (times, (Button(say.back, "i:0:b"),)))
        await query.answer()
        await query.edit_message_text(page.html, ParseMode.HTML, reply_markup=keyboard(page))

    @_for_admins
    async def quiet(self, update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        """Silence one for some hours."""
        query, found = update.callback_query, self._pressed(update)
        if query is None:
            return
        say = texts(lang_of(update))
        if found is None:
            await query.answer(say.too_old, show_alert=True)
            return
        hours = int((query.data or "").rpartition(":")[2])
        until = time.time() + hours * 3600
        try:
            await asyncio.to_thread(_silence, found, until, query.from_user.id)
        except LogrulesError as error:
            await query.answer(str(error)[:190], show_alert=True)
            return
        await query.answer()
        until_ = timestamp(until)[:16].replace("T", " ")
        page = Page(
            say.silenced.format(code=escape(found.code), until=until_), ((Button(say.back, "i:0:b"),),)
        )
        await query.edit_message_text(page.html, ParseMode.HTML, reply_markup=keyboard(page))

    def _pressed(self, update: Update) -> Listed | None:
        """The incident that a button speaks of; None if that was too long ago."""
        query = update.callback_query
        if query is None or query.message is None:
            return None
        listed = self._listed.get((query.message.chat.id, query.message.message_id)) or []
        number = int((query.data or "").split(":")[1])
        return listed[number] if number < len(listed) else None

    async def _list(self, lang: str | None) -> tuple[Page, list[Listed]]:
        say = texts(lang)
        try:
            ledger = await asyncio.to_thread(_ledger)
        except LogrulesError as error:
            return Page(say.no_store.format(why=escape(str(error)))), []
        rows = sorted(ledger.incidents, key=lambda row: -row.last_seen)[:LISTED]
        if not rows:
            return Page(say.no_incidents), []
        now = time.time()
        lines = [_incident(number, row, ledger, now, language(lang)) for number, row in enumerate(rows, 1)]
        buttons = tuple(
            (
                Button(say.explain.format(number=number + 1), f"i:{number}:e"),
                Button(say.silence.format(number=number + 1), f"i:{number}:s"),
            )
            for number in range(len(rows))
        )
        listed = [Listed(row.service, row.code, row.reason) for row in rows]
        return Page("\n".join([say.incidents, *lines]), buttons), listed


def _status(health: Health, open_: str, lang: str) -> str:
    say, now = texts(lang), time.time()

    def ago(at: float | None) -> str:
        return say.never if at is None else say.ago.format(span=span(now - at, lang))

    return say.status.format(
        service=escape(health.service),
        phase=say.phases[health.phase],
        since=span(now - health.since, lang),
        holder=escape(health.holder or say.nobody),
        proof=ago(health.last_proof),
        poll=ago(health.last_poll),
        incidents=open_,
        version=escape(health.version),
        instance=escape(health.instance),
    )


def _incident(number: int, row: Incident, ledger: Ledger, now: float, lang: str) -> str:
    say = texts(lang)
    silenced = any(each.covers(row, now) for each in ledger.silences)
    return say.incident.format(
        number=number,
        code=escape(row.code),
        service=escape(row.service),
        count=row.count,
        since=span(now - row.first_seen, lang),
        last=span(now - row.last_seen, lang),
        silenced=say.silenced_mark if silenced else "",
    )


def _ledger() -> Ledger:
    """What is open now. Raises LogrulesError where nothing is kept."""
    with closing(oncall.opened(rules, tell=logger.debug)) as desk:
        ledger = desk.ledger()
    return ledger._replace(incidents=oncall.still_open(ledger, rules, time.time()))


def _silence(listed: Listed, until: float, who: int) -> None:
    with closing(oncall.opened(rules, tell=logger.debug)) as desk:
        wanted = Silence(
            code=listed.code,
            service=listed.service,
            since=time.time(),
            until=until,
            why=f"asked for in Telegram by {who}",
        )
        desk.silence(wanted.after(each for each in desk.ledger().silences if each.key == wanted.key))
