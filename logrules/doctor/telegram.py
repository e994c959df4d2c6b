"""The bot's token and its webhook, as Telegram sees them, and the chat that gets alerts."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from logrules.botapi import BotApi, BotApiError
from logrules.doctor.finding import State, found
from logrules.doctor.network import place, reach, told
from logrules.settings import TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logrules.doctor.finding import Finding
    from logrules.doctor.patient import Patient

PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
"""Through which a bot's own library may reach what we do not."""
_REFUSED = frozenset({401, 404})
_OUTSIDE = frozenset({"left", "kicked"})
_CLOCK = 30.0
"""Seconds: beyond, signatures and certificates begin to fail."""


def token(patient: Patient) -> Iterator[Finding]:
    """Is there one, does Telegram know it, does a webhook stand in the way, and is the clock right?"""
    yield from _settings(patient)
    reached = reach(patient.read.bot_api, patient.left)
    proxy = next((name for name in PROXIES if patient.environ.get(name)), None)
    if away := told(reached, patient.read.bot_api, "telegram", State.WARN if proxy else State.BAD):
        yield away
        if proxy:
            yield found("telegram.proxy", setting=proxy)
        return
    if reached.ahead is not None:
        yield clock(reached.ahead, place(patient.read.bot_api), _CLOCK)
    if patient.token is not None:
        yield from _bot(patient, *patient.token)


def clock(ahead: float, whose: str, allowed: float) -> Finding:
    """How our clock stands beside another one, which is right more often."""
    name = "clock.ok" if abs(ahead) <= allowed else "clock.ahead" if ahead > 0 else "clock.behind"
    return found(name, off=round(abs(ahead), 1), whose=whose)


def _settings(patient: Patient) -> Iterator[Finding]:
    """Where the token is; a malformed one is said with the other settings."""
    names = list(patient.tokens)
    if not names:
        if not any(patient.environ.get(name, "").strip() for name in TOKENS):
            yield found("token.missing")
        return
    if names[0] not in TOKENS:
        yield found("token.elsewhere", setting=names[0])
    if len(set(patient.tokens.values())) > 1:
        yield found("token.two", settings=", ".join(names), setting=names[0])


def _bot(patient: Patient, setting: str, secret: str) -> Iterator[Finding]:
    with closing(BotApi(secret, base_url=patient.read.bot_api, timeout=patient.left)) as api:
        try:
            me = api.call("getMe")
            yield found("token.ok", setting=setting, username=me.get("username", "?"), id=me.get("id"))
            yield from _webhook(api.call("getWebhookInfo"), deletes=patient.read.delete_webhook)
        except BotApiError as error:
            yield _failed(error, setting, patient.read.bot_api)


def _webhook(info: dict[str, Any], *, deletes: bool) -> Iterator[Finding]:
    url, pending = info.get("url", ""), info.get("pending_update_count", 0)
    if not url:
        yield found("webhook.none", pending=pending)
        return
    state = State.WARN if deletes else State.BAD
    yield found("webhook.set", state=state, host=urlsplit(url).hostname or "?", pending=pending)
    if error := info.get("last_error_message"):
        yield found("webhook.failing", error=error)


def _failed(error: BotApiError, setting: str, url: str) -> Finding:
    if error.code in _REFUSED:
        return found("token.refused", setting=setting, answer=str(error))
    if error.code == 429:  # noqa: PLR2004
        return found("telegram.limited", answer=str(error))
    if error.code >= 500:  # noqa: PLR2004
        return found("telegram.failing", answer=str(error))
    return found("telegram.strange", host=place(url), answer=str(error))


def chat(patient: Patient) -> Iterator[Finding]:
    """Can the sending bot write to the alert chat? It is asked about the chat, and nothing is sent."""
    read = patient.read
    if read.alert_chat is None:
        yield found("chat.off")
        return
    own = read.alert_token is None
    secret = read.alert_token or (patient.token[1] if patient.token else None)
    if secret is None:
        yield found("chat.no_token")
        return
    if reach(read.bot_api, patient.left).fault:
        yield found("chat.away")
        return
    with closing(BotApi(secret, base_url=read.bot_api, timeout=patient.left)) as api:
        try:
            yield _seen(api, read.alert_chat)
        except BotApiError as error:
            yield _unseen(error, own=own)


def _seen(api: BotApi, chat_id: str) -> Finding:
    there = api.call("getChat", chat_id=chat_id)
    kind = there.get("type", "?")
    if kind == "private":
        return found("chat.private")
    me = api.call("getMe")
    member = api.call("getChatMember", chat_id=chat_id, user_id=me["id"])
    bot = me.get("username", "?")
    if member.get("status") in _OUTSIDE:
        return found("chat.missing", answer=f"@{bot}: {member['status']}")
    right = "can_post_messages" if kind == "channel" else "can_send_messages"
    if not _has(right, member, there.get("permissions") or {}):
        return found("chat.mute", bot=bot, right=right)
    return found("chat.ok", bot=bot, kind=kind)


def _has(right: str, member: dict[str, Any], everybody: dict[str, Any]) -> bool:
    """Whether a member may write: an administrator of a channel by its own right, else as all may."""
    if member.get("status") == "creator":
        return True
    if right == "can_post_messages":
        return bool(member.get(right))
    return member.get("status") == "administrator" or bool(member.get(right, everybody.get(right, True)))


def _unseen(error: BotApiError, *, own: bool) -> Finding:
    if error.code in _REFUSED:
        return found("chat.own_token") if own else found("chat.token", answer=str(error))
    if error.code in {400, 403}:
        return found("chat.missing", answer=str(error))
    return found("chat.away")
