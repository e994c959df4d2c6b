"""Alerts as messages in a Telegram chat: what a hobbyist's phone shows at three in the morning."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import blake2s
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from logrules.botapi import BotApi, BotApiError
from logrules.core.alerting.delivery import DELIVERED, Delivery, rejected, retry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logrules.core.match import Alert
    from logrules.settings import Settings

TIMEOUT = 10.0
"""Seconds for one attempt."""
OWN_TOKEN_WAIT = 300.0
"""Seconds between attempts while the bot's own token is refused: it works again only after a new start."""

# Telegram takes 4096 UTF-16 units after markup; two for a character is the most that there can be.
TITLE_CHARS, MESSAGE_CHARS, STEPS_CHARS, EVIDENCE_CHARS = 150, 300, 1800, 300

_SIGNS = {"fatal": "🔴", "error": "🟠", "warning": "🟡", "info": "🔵"}
_WORDS = {
    "en": {
        "todo": "What to do",
        "resolved": "Resolved",
        "seen": "Times seen: {count}, since {since} UTC.",
        "again": "Times seen: {count}, since {since} UTC; since the last message: {suppressed}.",
        "before": "Before that, when nobody could be told: {before}.",
        "closed": "Over since {closed} UTC.",
        "more": "More",
        "moved": "This group has a new number: set <code>LOGRULES_ALERT_CHAT={chat}</code>",
        "explain": "Explain",
        "silence": "Silence for {hours} h",
        "wake": "🔕 until {until} UTC: end this",
    },
    "ru": {
        "todo": "Что делать",
        "resolved": "Решено",
        "seen": "Число случаев: {count}, с {since} UTC.",
        "again": "Число случаев: {count}, с {since} UTC; после прошлого сообщения: {suppressed}.",
        "before": "До этого, когда сообщить было нельзя: {before}.",
        "closed": "Закончилось {closed} UTC.",
        "more": "Подробнее",
        "moved": "У этой группы новый номер: задайте <code>LOGRULES_ALERT_CHAT={chat}</code>",
        "explain": "Объяснить",
        "silence": "Тишина на {hours} ч",
        "wake": "🔕 до {until} UTC: закончить",
    },
}
CALLS = "l:"
"""How the callback data of an alert's buttons begins."""
EXPLAIN, SILENCE, WAKE = "e", "s", "w"
SILENCED = 2
"""Hours of quiet that a button gives."""
_COMMAND = re.compile(r"`([^`]+)`")


class TelegramChat:
    """One chat as a receiver.

    Args:
        api: Of the bot that sends.
        chat: Its number, or @name.
        lang: Of the message.
        own: Whether the guarded bot itself sends: then a refused token is a matter of time, not of settings.
        answers: Whether that bot answers the buttons below an alert, see `Asked`.
    """

    def __init__(
        self, api: BotApi, chat: str, *, lang: str = "en", own: bool = False, answers: bool = False
    ) -> None:
        self._api = api
        self._chat = chat
        self._lang = lang
        self._own = own
        self._answers = answers

    @classmethod
    def of(cls, settings: Settings) -> TelegramChat:
        """The chat that the settings name; by the alert token, or else by the bot's own."""
        own = settings.alert_token is None
        api = BotApi(settings.alert_token or settings.token or "", base_url=settings.bot_api, timeout=TIMEOUT)
        answers = own and settings.alert_buttons  # another bot never hears what is pressed
        return cls(api, settings.alert_chat or "", lang=settings.lang, own=own, answers=answers)

    def send(self, alert: Alert) -> Delivery:
        """Send one message and wait for the answer, at most some seconds.

        A group that has become a supergroup is followed, and told so: its old number is refused for ever.
        """
        try:
            try:
                self._say(message(alert, self._lang), alert)
            except BotApiError as error:
                if error.moved_to is None:
                    raise
                self._chat = str(error.moved_to)
                moved = _WORDS[self._lang]["moved"].format(chat=self._chat)
                self._say(f"{message(alert, self._lang)}\n\n{moved}", alert)
        except BotApiError as error:
            return self._failed(error)
        return DELIVERED

    def _say(self, text: str, alert: Alert) -> None:
        more: dict[str, Any] = {}
        if self._answers and not alert.is_end:
            more["reply_markup"] = buttons(alert.code, tag(alert.service, alert.reason), self._lang)
        self._api.call(
            "sendMessage",
            chat_id=self._chat,
            text=text,
            parse_mode="HTML",
            link_preview_options={"is_disabled": True},
            **more,
        )

    def _failed(self, error: BotApiError) -> Delivery:
        """Codes are stable, descriptions for people: https://core.telegram.org/bots/api#making-requests."""
        said = f"Telegram says {error}"
        if error.code == 429:  # noqa: PLR2004
            return retry(said, error.retry_after)
        if error.code in {401, 404}:
            return self._token_refused(said)
        if error.code in {400, 403}:
            return rejected(
                f"{said}: check LOGRULES_ALERT_CHAT; the sending bot must be a member of that chat, and a "
                "person must have pressed Start there"
            )
        return retry(said)  # no answer, 5xx, a proxy's page; a 409 too

    def _token_refused(self, said: str) -> Delivery:
        if self._own:
            return retry(
                f"{said}: the bot's own token sends the alerts; they wait until it has one that works. "
                "LOGRULES_ALERT_TOKEN, the token of another bot, would have told you at once",
                OWN_TOKEN_WAIT,
            )
        return rejected(f"{said}: LOGRULES_ALERT_TOKEN is not valid: copy it again from @BotFather")


class Asked(NamedTuple):
    """What a button below an alert asks for: the callback data, which Telegram limits to 64 bytes, read."""

    what: str
    """EXPLAIN, SILENCE or WAKE."""
    code: str
    tag: str
    """Stands for service and reason, which may be too long to be there."""

    @classmethod
    def of(cls, data: str) -> Self:
        """What `data` says, which `buttons` has made."""
        _, what, code, tagged = data.split(":")
        return cls(what, code, tagged)

    def means(self, code: str, service: str, reason: str | None) -> bool:
        """Whether it speaks of this."""
        return (self.code, self.tag) == (code, tag(service, reason))


def tag(service: str, reason: str | None) -> str:
    """Eight characters that stand for both."""
    return blake2s(f"{service}|{reason or ''}".encode(), digest_size=4).hexdigest()


def buttons(code: str, tagged: str, lang: str, *, quiet_until: float | None = None) -> dict[str, Any]:
    """An inline keyboard: explain the alert, and silence it or, where that was done, end it."""
    words = _WORDS[lang]
    silence = words["silence"].format(hours=SILENCED)
    wake = words["wake"].format(until=_when(quiet_until)[-5:]) if quiet_until is not None else ""
    row = [(EXPLAIN, words["explain"]), (WAKE, wake) if wake else (SILENCE, silence)]
    keys = [{"text": label, "callback_data": f"{CALLS}{what}:{code}:{tagged}"} for what, label in row]
    return {"inline_keyboard": [keys]}


def message(alert: Alert, lang: str) -> str:
    """The alert in Telegram's HTML: what, where, what to do, and what it rests on."""
    words = _WORDS[lang]
    title = _cut(alert.title, TITLE_CHARS)
    where = f"<code>{escape(alert.code)}</code> · {_cut(alert.service, 100)}"
    if alert.is_end:
        return "\n".join([f"✅ <b>{words['resolved']}: {title}</b>", where, *_counted(alert, words)])
    steps = alert.remediation.get(lang) or alert.remediation.get("en", "")
    parts = [
        f"{_SIGNS.get(alert.level, '🔵')} <b>{title}</b>",
        f"{where} · {_cut(alert.instance, 100)}",
        _cut(alert.message, MESSAGE_CHARS),
        *_counted(alert, words),
        f"\n<b>{words['todo']}</b>\n{_marked(_cut(steps, STEPS_CHARS))}",
        f"\n<pre>{_end(alert.evidence, EVIDENCE_CHARS)}</pre>" if alert.evidence not in alert.message else "",
        f"\n{words['more']}: {_page(alert)}",
    ]
    return "\n".join(part for part in parts if part)


def _page(alert: Alert) -> str:
    """Where more is said of its code."""
    if alert.runbook:
        return f'<a href="{escape(alert.runbook)}">{escape(alert.code)}</a>'
    return f"<code>logrules explain {escape(alert.code)}</code>"


def _counted(alert: Alert, words: dict[str, str]) -> Iterator[str]:
    """How often it was seen, as far as that says more than the message itself, and whether it is over."""
    since = _when(alert.first_seen)
    if alert.count > 1 or alert.is_end:
        is_told = alert.number > 1 and alert.suppressed < alert.count - 1  # or the first message says it all
        seen = words["again"] if is_told else words["seen"]
        yield seen.format(count=alert.count, since=since, suppressed=alert.suppressed)
    if alert.before:
        yield words["before"].format(before=alert.before)
    if alert.closed_at is not None:
        yield words["closed"].format(closed=_when(alert.closed_at))


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%d.%m. %H:%M")


def _cut(text: str, chars: int) -> str:
    """As HTML, and no longer than so many characters to read."""
    return escape(text if len(text) <= chars else text[: chars - 1] + "…", quote=False)


def _end(text: str, chars: int) -> str:
    """The same of what says at its end what it is, as a traceback does."""
    return escape(text if len(text) <= chars else "…" + text[1 - chars :], quote=False)


def _marked(steps: str) -> str:
    """Commands, which stand in backticks, as something that a tap copies."""
    return _COMMAND.sub(r"<code>\1</code>", steps)
