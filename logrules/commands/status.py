"""`logrules status`: every bot of one database, who holds its lock, who waits for it, and what is wrong."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from logrules import settings
from logrules.commands import oncall
from logrules.core.alerting.ledger import Ledger
from logrules.core.guarding import database_url
from logrules.core.model import Exit, LogrulesError
from logrules.core.text import span
from logrules.guards.postgres import seats
from logrules.streams import complain

if TYPE_CHECKING:
    from logrules.core.guarding.database_url import DatabaseUrl
    from logrules.core.guarding.lease import Seat, Timers
    from logrules.rules import Rules
    from logrules.settings import Settings

_SAYS = {
    "locks": {"en": "Locks", "ru": "Блокировки"},
    "service": {"en": "Service", "ru": "Сервис"},
    "instance": {"en": "Instance", "ru": "Экземпляр"},
    "state": {"en": "Lock", "ru": "Блокировка"},
    "since": {"en": "For", "ru": "Уже"},
    "proof": {"en": "Last proof", "ru": "Подтверждена"},
    "release": {"en": "Release", "ru": "Версия"},
    "holds": {"en": "holds", "ru": "держит"},
    "waits": {"en": "waits", "ru": "ждёт"},
    "stalled": {"en": "stalled", "ru": "замер"},
    "foreign": {"en": "no bot of logrules", "ru": "не бот logrules"},
    "ago": {"en": "{} ago", "ru": "{} назад"},
    "nobody": {
        "en": "No bot holds or waits for a lock in this database.",
        "ru": "Ни один бот не держит и не ждёт блокировку в этой базе.",
    },
    "calm": {"en": "No incident is open.", "ru": "Открытых инцидентов нет."},
}  # fmt: skip


def status(known: Rules, *, as_json: bool) -> int:
    """Show it. Raises LogrulesError where there is no database to ask, or none that answers."""
    read, now = settings.read(os.environ), time.time()
    url = _url(read)
    complain(f"the locks are those of the database {url.database!r} at {url.host}")
    found = asyncio.run(seats(url))
    ledger = _ledger(known, now)
    if as_json or not sys.stdout.isatty():
        oncall.write([_of_seat(seat, read.timers) for seat in found])
        oncall.write([oncall.of_incident(row, ledger, now) for row in ledger.incidents] if ledger else [])
    else:
        _show(found, ledger, read.timers, known.lang, now)
    return Exit.OK


def _url(read: Settings) -> DatabaseUrl:
    raw = read.database_url
    url = database_url.parse(raw, read.database_setting) if raw else None
    if url is None:
        raise LogrulesError(
            "there is no PostgreSQL database to ask: set DATABASE_URL to the one that keeps the bots' locks"
        )
    return url


def _ledger(known: Rules, now: float) -> Ledger | None:
    """What is open; None, and a word, where no store is at hand: the locks are worth showing all the same."""
    try:
        with closing(oncall.opened(known)) as desk:
            ledger = desk.ledger()
    except LogrulesError as error:
        complain(f"open incidents are not shown: {error}")
        return None
    return ledger._replace(incidents=oncall.still_open(ledger, known, now))


def _of_seat(seat: Seat, timers: Timers) -> dict[str, Any]:
    return {
        "kind": "lock",
        "key": seat.key,
        "state": "holds" if seat.holds else "waits",
        "service": seat.service or None,
        "instance": seat.instance,
        "release": seat.release or None,
        "pid": seat.pid,
        "held": seat.held,
        "connected": seat.connected,
        "last_proof": seat.silent if seat.holds and not seat.foreign else None,
        "stalled": _is_stalled(seat, timers),
        "foreign": seat.foreign,
    }


def _is_stalled(seat: Seat, timers: Timers) -> bool:
    """Whether a holder has proved nothing for longer than its keep-alive may take."""
    due = timers.keepalive + timers.answer
    return seat.holds and not seat.foreign and seat.silent is not None and seat.silent > due


def _show(found: list[Seat], ledger: Ledger | None, timers: Timers, lang: str, now: float) -> None:
    from logrules.page import Page

    page = Page()
    if found:
        page.head(_SAYS["locks"][lang])
        heads = ("service", "state", "since", "instance", "release", "proof")
        page.table([_SAYS[head][lang] for head in heads], [_row(seat, timers, lang) for seat in found])
    else:
        page.say(_SAYS["nobody"][lang], indent=0)
    if ledger is not None and ledger.incidents:
        oncall.Sheet(lang, now).incidents(ledger)
    elif ledger is not None:
        page.blank()
        page.say(_SAYS["calm"][lang], indent=0)


def _row(seat: Seat, timers: Timers, lang: str) -> tuple[str, ...]:
    def say(key: str) -> str:
        return _SAYS[key][lang]

    since = seat.connected if seat.held is None else seat.held
    proof = ""
    if seat.holds and not seat.foreign and seat.silent is not None:
        proof = say("ago").format(span(seat.silent, lang))
    return (
        f"({say('foreign')})" if seat.foreign else seat.service,
        say("holds" if seat.holds else "waits"),
        "?" if since is None else span(since, lang),
        seat.instance,
        seat.release,
        f"{proof}, {say('stalled')}" if _is_stalled(seat, timers) else proof,
    )
