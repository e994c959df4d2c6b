"""`logrules alerts` and `logrules silence`: what is wrong, who has not been told, and quiet for a while.

Both act on the store that the environment names, and say on standard error which one that is.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from logrules import settings
from logrules.commands.explain import named
from logrules.core.alerting.incidents import resolve
from logrules.core.alerting.silences import LONGEST, Silence
from logrules.core.event import timestamp
from logrules.core.model import Exit, LogrulesError
from logrules.core.redact import Redactor, secrets_in
from logrules.core.ruleset.codes import seconds
from logrules.core.text import span
from logrules.stores.sqlite.store import Store
from logrules.streams import complain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from logrules.core.alerting.incidents import Incident
    from logrules.core.alerting.ledger import Ledger, Waiting
    from logrules.page import Page
    from logrules.rules import Rules

_SAYS = {
    "open": {"en": "Open incidents", "ru": "Открытые инциденты"},
    "undelivered": {"en": "Not delivered yet", "ru": "Ещё не доставлено"},
    "refused": {"en": "Refused by the receiver", "ru": "Отвергнуто получателем"},
    "resting": {"en": "Receivers that rest", "ru": "Получатели, ждущие повтора"},
    "silences": {"en": "Silences", "ru": "Тишина"},
    "none": {
        "en": "No incident is open, and every alert was delivered.",
        "ru": "Открытых инцидентов нет, все оповещения доставлены.",
    },
    "no silences": {"en": "Nothing is silenced.", "ru": "Ничего не заглушено."},
    "code": {"en": "Code", "ru": "Код"},
    "service": {"en": "Service", "ru": "Сервис"},
    "seen": {"en": "Seen", "ru": "Раз"},
    "since": {"en": "Since", "ru": "Длится"},
    "last": {"en": "Last", "ru": "Последний"},
    "told": {"en": "Told", "ru": "Сообщений"},
    "untold": {"en": "Untold since", "ru": "С тех пор молча"},
    "receiver": {"en": "Receiver", "ru": "Получатель"},
    "why": {"en": "Why", "ru": "Почему"},
    "next": {"en": "Next attempt", "ru": "Следующая попытка"},
    "left": {"en": "For another", "ru": "Ещё"},
    "ago": {"en": "{} ago", "ru": "{} назад"},
    "in": {"en": "in {}", "ru": "через {}"},
    "now": {"en": "now", "ru": "сейчас"},
    "every": {"en": "every one", "ru": "все"},
    "muted": {"en": "silenced", "ru": "заглушён"},
    "silenced": {
        "en": "{code} wakes nobody until {until} UTC. It is counted and logged all the same. "
        "To end this earlier: {how}",
        "ru": "{code} до {until} UTC никого не будит. Подсчёт и записи в логе продолжаются. "
        "Закончить раньше: {how}",
    },
    "ended": {"en": "{code} wakes people again.", "ru": "{code} снова будит."},
}  # fmt: skip


class Desk(Protocol):
    """A store, as far as people act on it."""

    def ledger(self) -> Ledger:
        """All that it holds."""

    def silence(self, silence: Silence) -> None:
        """Keep nobody, or again somebody, from being told."""

    def close(self) -> None:
        """Let go of it."""


class Asked(NamedTuple):
    """A silence as the command line has it."""

    code: str
    lasts: str | None
    why: str | None
    service: str = ""
    end: bool = False


def alerts(known: Rules, *, as_json: bool) -> int:
    """Show open incidents, what was not told, and what could not be delivered."""
    now = time.time()
    with closing(opened(known)) as desk:
        ledger = desk.ledger()
    open_ = still_open(ledger, known, now)
    silences = [silence for silence in ledger.silences if silence.lasts(now)]
    ledger = ledger._replace(incidents=open_, silences=silences)
    if as_json or not sys.stdout.isatty():
        write(_lines(ledger, now))
    else:
        Sheet(known.lang, now).alerts(ledger)
    return Exit.OK


def silences(known: Rules, *, as_json: bool) -> int:
    """Show what is silenced, for how long, and why."""
    now = time.time()
    with closing(opened(known)) as desk:
        lasting = [silence for silence in desk.ledger().silences if silence.lasts(now)]
    if as_json or not sys.stdout.isatty():
        write([_of_silence(silence) for silence in lasting])
    else:
        Sheet(known.lang, now).silences(lasting, empty=True)
    return Exit.OK


def silence(asked: Asked, known: Rules, *, as_json: bool) -> int:
    """Begin or end a silence. Raises LogrulesError for one that makes no sense."""
    now = time.time()
    wanted = _wanted(asked, known, now)
    with closing(opened(known)) as desk:
        earlier = [each for each in desk.ledger().silences if each.key == wanted.key]
        if asked.end and not any(each.lasts(now) for each in earlier):
            raise LogrulesError(f"{wanted.code} is not silenced. What is: logrules silence")
        desk.silence(wanted.after(earlier))
    if as_json or not sys.stdout.isatty():
        write([_of_silence(wanted)])
    else:
        Sheet(known.lang, now).said(wanted)
    return Exit.OK


def _wanted(asked: Asked, known: Rules, now: float) -> Silence:
    code = named(asked.code, known)
    redact = Redactor(secrets_in(os.environ))
    said = Silence(code=code, service=asked.service, since=now, until=now, why=redact(asked.why or ""))
    if asked.end:
        return said
    if not (asked.lasts and asked.why):
        raise LogrulesError(
            f"say for how long and why: logrules silence {code} --for 2h --why 'moving the database'"
        )
    return Silence(code=code, service=said.service, since=now, until=now + _lasts(asked.lasts), why=said.why)


def _lasts(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}[smhd]", text) or not 0 < seconds(text) <= LONGEST:
        raise LogrulesError(
            f"--for takes a duration such as 90s, 30m, 2h or 1d, at most {LONGEST / 86400:g}d. What is to be "
            "quiet for ever belongs in a pack of your own: [code.CODE] with alert = false"
        )
    return seconds(text)


def opened(known: Rules, tell: Callable[[str], object] = complain) -> Desk:
    """The store that the environment names: the mirror, if there is one. Raises LogrulesError for none.

    `tell` hears which one that is.
    """
    read = settings.read(os.environ)
    if read.state_url is not None:
        from logrules.stores.postgres import MirrorDesk

        tell(f"the store is the database {read.state_url.database!r} at {read.state_url.host}")
        return MirrorDesk(read.state_url)
    path = read.state
    if path is None:
        raise LogrulesError("nothing is kept: LOGRULES_STATE is :memory:, or there is no home directory")
    if not path.exists():
        raise LogrulesError(_missing(path))
    tell(f"the store is {path}")
    return Store(
        path,
        known.specs,
        (),
        redact=Redactor(secrets_in(os.environ)),
        on_failure=_refuse,
        on_damage=tell,
        lang=known.lang,
    )


def _missing(path: Path) -> str:
    others = sorted(each.name for each in path.parent.glob(f"*{path.suffix}"))
    hint = (
        f"That folder has {', '.join(others[:10])}: say which, LOGRULES_STATE={path.with_name(others[0])}"
        if others
        else "Give this command the bot's own settings: LOGRULES_STATE, LOGRULES_SERVICE or its token"
    )
    return f"there is no state file {path}. {hint}"


def _refuse(why: str) -> None:
    raise LogrulesError(why)


def still_open(ledger: Ledger, known: Rules, now: float) -> list[Incident]:
    """What is confirmed and not resolved, also of codes that are described in a pack of the bot's alone."""

    def now_(row: Incident) -> Incident:
        spec = known.specs.get(row.code)
        return resolve(row, spec.why(row.reason), now) if spec else row

    return [row for row in ledger.incidents if now_(row).is_open]


def _lines(ledger: Ledger, now: float) -> list[dict[str, Any]]:
    lines = [of_incident(row, ledger, now) for row in ledger.incidents]
    lines += [_of_waiting(each) for each in ledger.waiting]
    lines += [
        {
            "kind": "resting",
            "sink": each.sink,
            "until": timestamp(each.until),
            "failures": each.failures,
            "why": each.why,
        }
        for each in ledger.resting
        if each.until > now
    ]
    return lines + [_of_silence(each) for each in ledger.silences]


def of_incident(row: Incident, ledger: Ledger, now: float) -> dict[str, Any]:
    """An incident for programs."""
    return {
        "kind": "incident",
        "service": row.service,
        "code": row.code,
        "reason": row.reason,
        "first_seen": timestamp(row.first_seen),
        "last_seen": timestamp(row.last_seen),
        "count": row.count,
        "alerts": row.alerts,
        "suppressed": row.suppressed,
        "silenced": _is_silenced(row, ledger, now),
    }


def _of_waiting(waiting: Waiting) -> dict[str, Any]:
    alert = waiting.alert
    line = {
        "kind": "refused" if waiting.refused else "undelivered",
        "sink": waiting.sink,
        "event_id": alert.event_id,
        "service": alert.service,
        "code": alert.code,
        "reason": alert.reason,
        "level": alert.level,
        "title": alert.title,
        "time": timestamp(alert.time),
        "count": alert.count,
    }
    return {**line, "why": waiting.refused} if waiting.refused else line


def _of_silence(silence: Silence) -> dict[str, Any]:
    return {
        "kind": "silence",
        "service": silence.service or None,
        "code": silence.code,
        "since": timestamp(silence.since),
        "until": timestamp(silence.until),
        "why": silence.why,
    }


def _is_silenced(row: Incident, ledger: Ledger, now: float) -> bool:
    return any(each.covers(row, now) for each in ledger.silences)


def write(lines: Sequence[dict[str, Any]]) -> None:
    """One JSON object per line."""
    for line in lines:
        print(json.dumps(line, ensure_ascii=False))


class Sheet:
    """The same for people."""

    def __init__(self, lang: str, now: float) -> None:
        from logrules.page import Page

        self._page: Page = Page()
        self._lang = lang
        self._now = now

    def alerts(self, ledger: Ledger) -> None:
        """Everything, the incidents first."""
        undelivered = [each for each in ledger.waiting if not each.refused]
        refused = [each for each in ledger.waiting if each.refused]
        if not (ledger.incidents or ledger.waiting):
            self._page.say(self._say("none"), indent=0)
        self.incidents(ledger)
        self._table(
            "undelivered", ("receiver", "code", "service", "since"), [self._waiting(e) for e in undelivered]
        )
        self._table(
            "refused",
            ("receiver", "code", "service", "since", "why"),
            [(*self._waiting(each), each.refused) for each in refused],
        )
        self._table(
            "resting",
            ("receiver", "next", "why"),
            [(e.sink, self._in(e.until), e.why) for e in ledger.resting if e.until > self._now],
        )
        self.silences(ledger.silences, empty=False)

    def incidents(self, ledger: Ledger) -> None:
        """Those that the ledger has."""
        self._table(
            "open",
            ("code", "service", "seen", "since", "last", "told", "untold"),
            [self._incident(row, ledger) for row in ledger.incidents],
        )

    def silences(self, silences: Sequence[Silence], *, empty: bool) -> None:
        """The silences; with `empty` also that there is none."""
        if empty and not silences:
            self._page.say(self._say("no silences"), indent=0)
        rows = [
            (each.code, each.service or self._say("every"), self._span(each.until - self._now), each.why)
            for each in silences
        ]
        self._table("silences", ("code", "service", "left", "why"), rows)

    def said(self, silence: Silence) -> None:
        """What has just been asked for."""
        service = f" --service {silence.service}" if silence.service else ""
        words = self._say("silenced" if silence.lasts(self._now) else "ended").format(
            code=silence.code,
            until=timestamp(silence.until)[:16].replace("T", " "),
            how=f"`logrules silence {silence.code}{service} --end`",
        )
        self._page.say(words, indent=0)

    def _incident(self, row: Incident, ledger: Ledger) -> tuple[str, ...]:
        quiet = f" ({self._say('muted')})" if _is_silenced(row, ledger, self._now) else ""
        return (
            _code(row.code, row.reason),
            row.service,
            str(row.count),
            self._span(self._now - row.first_seen),
            self._ago(row.last_seen),
            f"{row.alerts}{quiet}",
            str(row.suppressed),
        )

    def _waiting(self, waiting: Waiting) -> tuple[str, ...]:
        alert = waiting.alert
        since = self._span(self._now - alert.time)
        return waiting.sink, _code(alert.code, alert.reason), alert.service, since

    def _table(self, head: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        if rows:
            self._page.head(self._say(head))
            self._page.table([self._say(column) for column in columns], rows)

    def _ago(self, at: float) -> str:
        return self._say("ago").format(self._span(self._now - at))

    def _in(self, at: float) -> str:
        return self._say("in").format(self._span(at - self._now))

    def _span(self, seconds: float) -> str:
        return span(seconds, self._lang)

    def _say(self, key: str) -> str:
        return _SAYS[key][self._lang]


def _code(code: str, reason: str | None) -> str:
    return f"{code} ({reason})" if reason else code
