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

from telegram import InlineKeyboardMarkup, Update
from telegram.ext import Application, CallbackQueryHandler, CommandHandler, ContextTypes, filters

from bot import answers, texts
from bot.answers import Button, Page
from bot.memory import DAY, Recent
from bot.sending import heard, lang_of, place, reply, turn, unchanged
from bot.texts import language
from logrules.commands import oncall
from logrules.core.alerting.silences import Silence
from logrules.core.event import timestamp
from logrules.core.model import LogrulesError
from logrules.core.text import span
from logrules.rules import rules
from logrules.sinks.telegram_chat import CALLS, EXPLAIN, SILENCE, SILENCED, Asked, buttons

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from telegram import CallbackQuery

    from logrules.core.alerting.incidents import Incident
    from logrules.core.alerting.ledger import Ledger
    from logrules.core.guarding.health import Health

    Handler = Callable[["Desk", Update, "ContextTypes.DEFAULT_TYPE"], Coroutine[Any, Any, None]]

logger = logging.getLogger(__name__)

LISTED = 8
"""Incidents on one page."""
PAGES = 100
"""Lists whose buttons work."""
LATE = 60.0
"""Seconds after which an alert that waits is late."""
HOUR = 3600.0
HOURS = (1, 8, 24)
"""For how long one can ask for quiet by a button."""


class Listed(NamedTuple):
    """An incident that buttons speak of."""

    service: str
    code: str
    reason: str | None
    silenced: bool


def ids(environ: Mapping[str, str]) -> tuple[frozenset[int], bool]:
    """Who may: BOT_ADMINS and whoever gets the alerts in private; and whether all of it was understood."""
    words = re.split(r"[\s,;]+", environ.get("BOT_ADMINS", "").strip())
    numbers = [int(word) for word in words if word.isascii() and word.isdigit()]
    chat = environ.get("LOGRULES_ALERT_CHAT", "").strip()
    alerted = [int(chat)] if chat.isascii() and chat.isdigit() else []
    return frozenset([*numbers, *alerted]), len(numbers) == len([word for word in words if word])


def _for_admins(handler: Handler) -> Handler:
    """A polite word for everybody else."""

    @functools.wraps(handler)
    async def asked(self: Desk, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        user, query = update.effective_user, update.callback_query
        if user is None:
            return
        refusal = texts.NOT_OPERATOR(lang_of(update), number=user.id)
        if user.id in self.admins:
            await handler(self, update, context)
        elif query is not None:
            await heard(query, refusal)
        elif update.message is not None:
            await reply(update.message, Page(refusal))

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
                CallbackQueryHandler(self.about, r"^i:\d{1,3}:[ebs]$"),
                CallbackQueryHandler(self.quiet, r"^q:\d{1,3}:\d{1,2}$"),
                CallbackQueryHandler(self.alerted, rf"^{CALLS}"),
            ]
        )

    @_for_admins
    async def status(self, update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        """/status: who holds the lock, since when, last proof, last poll, what is open, version."""
        if update.message is None or self.health is None:
            return
        lang = language(lang_of(update))
        try:
            ledger = await asyncio.to_thread(_ledger)
            open_, untold = str(len(ledger.incidents)), _untold(ledger, lang)
        except LogrulesError:
            open_, untold = "?", ""
        await reply(update.message, Page(_status(self.health(), open_, lang) + untold))

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
        lang = lang_of(update)
        _, number, what = (query.data or "").split(":")
        if what == "b":
            page, listed = await self._list(lang)
            self._listed.keep((query.message.chat.id, query.message.message_id), listed)
        elif found is None:
            await heard(query, texts.TOO_OLD(lang))
            return
        elif what == "e":
            page = answers.explain(found.code, lang, reason=found.reason, back=True)
        else:
            times = tuple(Button(texts.HOURS(lang, hours=each), f"q:{number}:{each}") for each in HOURS)
            ends = (Button(texts.END_SILENCE(lang), f"q:{number}:0"),) if found.silenced else ()
            html = texts.SILENCE_FOR(lang, code=escape(found.code))
            page = Page(html, (times, *filter(None, (ends,)), (Button(texts.BACK(lang), "i:0:b"),)))
        await heard(query)
        await turn(query, page)

    @_for_admins
    async def quiet(self, update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        """Silence one for some hours."""
        query, found = update.callback_query, self._pressed(update)
        if query is None:
            return
        lang = lang_of(update)
        if found is None:
            await heard(query, texts.TOO_OLD(lang))
            return
        hours = int((query.data or "").rpartition(":")[2])
        until = time.time() + hours * HOUR
        if await _silenced(query, found.code, found.service, until):
            await heard(query)
            said = texts.SILENCED if hours else texts.WAKES_AGAIN
            html = said(lang, code=escape(found.code), until=_clock(until))
            await turn(query, Page(html, ((Button(texts.BACK(lang), "i:0:b"),),)))

    @_for_admins
    async def alerted(self, update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        """The buttons of an alert: explain it, silence it for a while, or have it wake people again."""
        query, lang = update.callback_query, lang_of(update)
        if query is None:
            return
        asked = Asked.of(query.data or "")
        known = await _kind(asked)
        if asked.what == EXPLAIN:
            await heard(query)
            if query.message and asked.code in rules:
                reason = known.reason if known else None
                page = answers.explain(
                    asked.code, lang, detailed=True, reason=reason
                )  # the alert had the rest
                await reply(query.message, page)
            return
        quiet = asked.what == SILENCE
        until = time.time() + (SILENCED * HOUR if quiet else 0)
        if await _silenced(query, asked.code, known.service if known else "", until):
            said = texts.SILENCED_WORD if quiet else texts.WAKES_AGAIN
            await heard(query, said(lang, code=asked.code, until=_clock(until)))
            await _marked(
                query, buttons(asked.code, asked.tag, language(lang), quiet_until=until if quiet else None)
            )

    def _pressed(self, update: Update) -> Listed | None:
        """The incident that a button speaks of; None if that was too long ago."""
        query = update.callback_query
        if query is None or query.message is None:
            return None
        listed = self._listed.get((query.message.chat.id, query.message.message_id)) or []
        number = int((query.data or "").split(":")[1])
        return listed[number] if number < len(listed) else None

    async def _list(self, lang: str | None) -> tuple[Page, list[Listed]]:
        try:
            ledger = await asyncio.to_thread(_ledger)
        except LogrulesError as error:
            return Page(texts.NO_STORE(lang, why=escape(str(error)))), []
        rows = sorted(ledger.incidents, key=lambda row: -row.last_seen)[:LISTED]
        if not rows:
            return Page(texts.NO_INCIDENTS(lang)), []
        now = time.time()
        lines = [_incident(number, row, ledger, now, language(lang)) for number, row in enumerate(rows, 1)]
        buttons = tuple(
            (
                Button(texts.EXPLAIN(lang, number=number + 1), f"i:{number}:e"),
                Button(texts.SILENCE(lang, number=number + 1), f"i:{number}:s"),
            )
            for number in range(len(rows))
        )
        listed = [Listed(row.service, row.code, row.reason, _is_silenced(row, ledger, now)) for row in rows]
        return Page("\n".join([texts.INCIDENTS(lang), *lines]), buttons), listed


def _status(health: Health, open_: str, lang: str) -> str:
    now = time.time()

    def ago(at: float | None) -> str:
        return texts.NEVER(lang) if at is None else texts.AGO(lang, span=span(now - at, lang))

    return texts.STATUS(
        lang,
        service=escape(health.service),
        phase=texts.PHASES[health.phase](lang),
        since=span(now - health.since, lang),
        holder=escape(health.holder or texts.NOBODY(lang)),
        proof=ago(health.last_proof),
        poll=ago(health.last_poll),
        incidents=open_,
        version=escape(health.version),
        instance=escape(health.instance),
    )


def _untold(ledger: Ledger, lang: str) -> str:
    """Which alerts somebody should have got, and has not."""
    late = [each for each in ledger.waiting if each.refused or time.time() - each.alert.time > LATE]
    if not late:
        return ""
    sinks = ", ".join(sorted({each.sink for each in late}))
    why = next((each.refused for each in late if each.refused), "") or next(
        (each.why for each in ledger.resting), ""
    )
    return "\n" + texts.UNTOLD(lang, count=len(late), sinks=escape(sinks), why=escape(why or "?"))


def _incident(number: int, row: Incident, ledger: Ledger, now: float, lang: str) -> str:
    return texts.INCIDENT(
        lang,
        number=number,
        code=escape(row.code),
        service=escape(row.service),
        times=texts.TIMES(lang, row.count),
        since=span(now - row.first_seen, lang),
        last=span(now - row.last_seen, lang),
        silenced=texts.SILENCED_MARK if _is_silenced(row, ledger, now) else "",
    )


def _is_silenced(row: Incident, ledger: Ledger, now: float) -> bool:
    return any(each.covers(row, now) for each in ledger.silences)


def _ledger(*, open_only: bool = True) -> Ledger:
    """What is open now, or all that is known. Raises LogrulesError where nothing is kept."""
    with closing(oncall.opened(rules, tell=logger.debug)) as desk:
        ledger = desk.ledger()
    if not open_only:
        return ledger
    return ledger._replace(incidents=oncall.still_open(ledger, rules, time.time()))


async def _kind(asked: Asked) -> Incident | None:
    """The incident of which an alert has told; None where nothing is known of it any more."""
    try:
        ledger = await asyncio.to_thread(_ledger, open_only=False)
    except LogrulesError:
        return None
    return next((row for row in ledger.incidents if asked.means(row.code, row.service, row.reason)), None)


async def _silenced(query: CallbackQuery, code: str, service: str, until: float) -> bool:
    """Silence it, or say why that cannot be."""
    try:
        await asyncio.to_thread(_silence, code, service, until, query.from_user.id)
    except LogrulesError as error:
        await heard(query, str(error)[:190])
        return False
    return True


async def _marked(query: CallbackQuery, markup: dict[str, Any]) -> None:
    """Change the buttons of a message, and leave its words."""
    with unchanged():
        bot = query.get_bot()  # python-telegram-bot before 21 asks for it
        await bot.edit_message_reply_markup(
            reply_markup=InlineKeyboardMarkup.de_json(markup, bot), **place(query)
        )


def _clock(at: float) -> str:
    return timestamp(at)[:16].replace("T", " ")


def _silence(code: str, service: str, until: float, who: int) -> None:
    with closing(oncall.opened(rules, tell=logger.debug)) as desk:
        wanted = Silence(
            code=code,
            service=service,
            since=time.time(),
            until=until,
            why=f"asked for in Telegram by {who}",
        )
        desk.silence(wanted.after(each for each in desk.ledger().silences if each.key == wanted.key))
