"""The Bot API's methods as the double answers them: a table that a test may extend.

    api.methods["getChat"] = lambda call: {"id": int(call.params["chat_id"]), "type": "private"}

What a method returns is the `result` of the answer; `MethodError` makes it an error.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from logrules.core.model import LogrulesError
from logrules.testing.updates import (
    OTHER_SET_WEBHOOK_CONFLICT,
    SET_WEBHOOK_CONFLICT,
    WEBHOOK_CONFLICT,
    Polling,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from logrules.testing.http_server import File
    from logrules.testing.updates import Alarm, Clock, Reply, Timing, UpdateQueue

MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_DATA = 64
"""Bytes of a button's callback data."""
MAX_FILE = 20_000_000
"""Bytes of a file that a bot may download."""


class MethodError(LogrulesError):
    """What the server answers instead of a result."""

    def __init__(self, code: int, description: str, retry_after: int | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.retry_after = retry_after


def too_many_requests(retry_after: int) -> MethodError:
    """The 429 of the official server; its number of seconds stands in the body and in a header."""
    return MethodError(429, f"Too Many Requests: retry after {retry_after}", retry_after)


class Sent(NamedTuple):
    """A message that a bot has sent or edited."""

    method: str
    chat_id: str
    text: str
    """The text, or a document's caption."""
    message_id: int
    params: Mapping[str, str]
    files: Mapping[str, File]
    token: str
    when: float
    """On time.monotonic()."""

    @property
    def buttons(self) -> dict[str, str]:
        """The callback data of each inline button, by its label."""
        markup = json.loads(self.params.get("reply_markup") or "{}")
        buttons = [button for row in markup.get("inline_keyboard", ()) for button in row]
        return {button["text"]: button.get("callback_data", "") for button in buttons}

    @property
    def document(self) -> bytes:
        """The file's content."""
        return next(iter(self.files.values())).data


class Call(NamedTuple):
    """One call of a method."""

    bot: Bot
    method: str
    params: Mapping[str, str]
    files: Mapping[str, File]
    reply: Reply

    def number(self, name: str, default: int = 0) -> int:
        """An integer parameter, read as leniently as the server does."""
        text = self.params.get(name, "").strip()
        return int(text) if text.removeprefix("-").isdigit() else 0 if text else default

    def flag(self, name: str) -> bool:
        """A boolean parameter."""
        return self.params.get(name, "").strip().lower() in {"true", "yes", "1"}


Method = Callable[[Call], Any]
"""Gives the `result` of a call, or LATER."""
LATER: Final = object()
"""The method answers by itself, through `call.reply`."""


@dataclass(slots=True)
class Webhook:
    """What setWebhook was told."""

    url: str = ""
    max_connections: int = 40
    ip_address: str = ""
    secret_token: str = ""


class Bot:
    """One bot as the server knows it."""

    def __init__(self, token: str, queue: UpdateQueue, clock: Clock, timing: Timing) -> None:
        self.token = token
        self.id = int(token.partition(":")[0])
        self.queue = queue
        self.polling = Polling(queue, clock, timing)
        self.sent: list[Sent] = []
        self.files: dict[str, File] = {}
        """What users sent, by file_id."""
        self.commands: Any = []
        self.queries: set[str] = set()
        """Callback and inline queries that may still be answered."""
        self.webhook = Webhook()
        self.out: MethodError | None = None
        """Why every call fails: the token was revoked, or the bot has logged out."""
        self.loaded = False
        self._clock = clock
        self._timing = timing
        self._changing: tuple[Call, Alarm] | None = None
        self._next_set_webhook = float("-inf")
        self._message_ids: Counter[str] = Counter()
        self._deleted: set[tuple[str, int]] = set()

    @property
    def user(self) -> dict[str, Any]:
        """The bot as a sender."""
        return {
            "id": self.id,
            "is_bot": True,
            "first_name": f"Bot {self.id}",
            "username": f"test_{self.id}_bot",
        }

    def new_message_id(self, chat_id: str) -> int:
        """The chat's next message id."""
        self._message_ids[chat_id] += 1
        return self._message_ids[chat_id]

    def has_message(self, chat_id: str, message_id: int) -> bool:
        """Whether the chat has this message, whoever wrote it."""
        return 0 < message_id <= self._message_ids[chat_id] and (chat_id, message_id) not in self._deleted

    def delete_message(self, chat_id: str, message_id: int) -> None:
        """Delete it."""
        self._deleted.add((chat_id, message_id))

    def close(self, out: MethodError | None = None) -> None:
        """Answer the parked poll with nothing and, if `out` is given, everything from now on with that."""
        self.polling.release()
        self.out = out
        self.loaded = False

    def get_updates(self, call: Call) -> None:
        """Answer or park a poll; conflict while a webhook is there or being changed."""
        if self.webhook.url or self._changing:
            self.polling.conflict(call.reply, WEBHOOK_CONFLICT)
            return
        self.polling.get_updates(
            call.reply,
            offset=call.number("offset"),
            limit=call.number("limit", 100),
            timeout=call.number("timeout"),
        )

    def set_webhook(self, call: Call) -> None:
        """Set or delete the webhook: the parked poll ends only for a new one."""
        url = call.params.get("url", "") if call.method == "setWebhook" else ""
        now = self._clock.now()
        if url:
            if now < self._next_set_webhook:
                raise too_many_requests(1)
            self._next_set_webhook = now + self._timing.set_webhook_every
        if self._changing:
            superseded, alarm = self._changing
            alarm.cancel()
            self._changing = None
            self.polling.conflict(superseded.reply, OTHER_SET_WEBHOOK_CONFLICT)
        elif self._unchanged(call, url):
            call.reply.ok(True, f"Webhook is already {'set' if url else 'deleted'}")  # noqa: FBT003 - the result
            return
        if url:
            self.polling.abort(SET_WEBHOOK_CONFLICT)
        self._soon(call, self._close_webhook if self.webhook.url else self._open_webhook)

    def _unchanged(self, call: Call, url: str) -> bool:
        wanted = _webhook(call, url)
        return not call.flag("drop_pending_updates") and wanted == self.webhook

    def _soon(self, call: Call, step: Callable[[Call], None]) -> None:
        def work() -> None:
            self._changing = None
            step(call)

        if self._timing.webhook_change:
            self._changing = call, self._clock.later(self._timing.webhook_change, work)
        else:
            work()

    def _close_webhook(self, call: Call) -> None:
        self.webhook = Webhook()
        self._open_webhook(call, deleted=True)

    def _open_webhook(self, call: Call, *, deleted: bool = False) -> None:
        if call.flag("drop_pending_updates"):
            self.queue.clear()
        url = call.params.get("url", "") if call.method == "setWebhook" else ""
        if url:
            self.webhook = _webhook(call, url)
            self._soon(call, lambda call: call.reply.ok(True, "Webhook was set"))  # noqa: FBT003 - the result
        else:
            call.reply.ok(True, "Webhook was deleted" if deleted else "Webhook is already deleted")  # noqa: FBT003


def _webhook(call: Call, url: str) -> Webhook:
    if not url:
        return Webhook()
    params = call.params
    return Webhook(
        url, call.number("max_connections", 40), params.get("ip_address", ""), params.get("secret_token", "")
    )


def table() -> dict[str, Method]:
    """Every method, by its name in the documentation; clients may write it in any case."""
    return {
        "getUpdates": get_updates,
        "setWebhook": set_webhook,
        "deleteWebhook": set_webhook,
        "getWebhookInfo": get_webhook_info,
        "getMe": get_me,
        "getChat": lambda call: chat(_chat_id(call)),
        "getChatMember": get_chat_member,
        "close": close,
        "logOut": log_out,
        "sendMessage": send_message,
        "sendDocument": send_document,
        "editMessageText": edit_message_text,
        "editMessageReplyMarkup": edit_message_text,
        "deleteMessage": delete_message,
        "getFile": get_file,
        "setMyCommands": set_my_commands,
        "deleteMyCommands": set_my_commands,
        "getMyCommands": lambda call: call.bot.commands,
        "sendChatAction": lambda _: True,
        "answerCallbackQuery": lambda call: answer_query(call, "callback_query_id"),
        "answerInlineQuery": lambda call: answer_query(call, "inline_query_id"),
    }


def get_updates(call: Call) -> Any:
    """A poll, which may park."""
    call.bot.get_updates(call)
    return LATER


def set_webhook(call: Call) -> Any:
    """Set or delete the webhook, which may take its time."""
    call.bot.set_webhook(call)
    return LATER


def get_me(call: Call) -> Any:
    """The bot itself, with its abilities."""
    abilities = ("can_join_groups", "can_read_all_group_messages", "supports_inline_queries")
    more = ("can_connect_to_business", "has_main_web_app")
    return {**call.bot.user, **dict.fromkeys(abilities, True), **dict.fromkeys(more, False)}


def get_chat_member(call: Call) -> Any:
    """Somebody in a chat: every bot is an administrator who may write, everybody else a member."""
    user = call.number("user_id")
    if user != call.bot.id:
        return {"status": "member", "user": {"id": user, "is_bot": False, "first_name": f"User {user}"}}
    rights = dict.fromkeys(("can_manage_chat", "can_post_messages", "can_delete_messages"), True)
    return {"status": "administrator", "user": call.bot.user, "can_be_edited": False, **rights}


def get_webhook_info(call: Call) -> Any:
    """Where updates go; says nothing about rivals that poll."""
    webhook = call.bot.webhook
    info: dict[str, Any] = {
        "url": webhook.url,
        "has_custom_certificate": False,
        "pending_update_count": len(call.bot.queue.pending),
    }
    if webhook.url:
        info |= {"max_connections": webhook.max_connections, "ip_address": webhook.ip_address or "<unknown>"}
    return info


def send_message(call: Call) -> Any:
    """A text to a chat."""
    return _sent(call, _text(call), call.bot.new_message_id(_chat_id(call)))


def edit_message_text(call: Call) -> Any:
    """Another text or keyboard for a message, or for one that somebody has sent by inline mode."""
    if inline := call.params.get("inline_message_id"):
        call.bot.sent.append(_as_sent(call, inline, call.params.get("text", ""), 0))
        return True
    chat_id, message_id = _chat_id(call), call.number("message_id")
    if not call.bot.has_message(chat_id, message_id):
        raise MethodError(400, "Bad Request: message to edit not found")
    before = [each for each in call.bot.sent if (each.chat_id, each.message_id) == (chat_id, message_id)]
    shown = [(each.text, each.params.get("reply_markup")) for each in before]
    if call.method == "editMessageReplyMarkup" and before:
        call = call._replace(params={**call.params, "text": before[-1].text})
    if shown and shown[-1] == (call.params.get("text"), call.params.get("reply_markup")):
        raise MethodError(
            400,
            "Bad Request: message is not modified: specified new message content and reply markup are "
            "exactly the same as a current content and reply markup of the message",
        )
    return _sent(call, _text(call), message_id)


def delete_message(call: Call) -> bool:
    """Delete a message: in private the user's too, and in groups, where the bot is an administrator."""
    chat_id, message_id = _chat_id(call), call.number("message_id")
    if not call.bot.has_message(chat_id, message_id):
        raise MethodError(400, "Bad Request: message to delete not found")
    call.bot.delete_message(chat_id, message_id)
    return True


def answer_query(call: Call, key: str) -> bool:
    """Answer a pressed button or an inline query, once."""
    query = call.params.get(key, "")
    if query not in call.bot.queries:
        raise MethodError(
            400, "Bad Request: query is too old and response timeout expired or query ID is invalid"
        )
    call.bot.queries.remove(query)
    return True


def send_document(call: Call) -> Any:
    """A file to a chat."""
    chat_id = _chat_id(call)
    if not call.files:
        raise MethodError(400, "Bad Request: there is no document in the request")
    caption = call.params.get("caption", "")
    if len(caption) > MAX_CAPTION:
        raise MethodError(400, "Bad Request: message caption is too long")
    file = next(iter(call.files.values()))
    return {
        **_sent(call, caption, call.bot.new_message_id(chat_id), key="caption"),
        "document": store(call.bot, file),
    }


def get_file(call: Call) -> Any:
    """Where a file that a user sent can be downloaded."""
    file = call.bot.files.get(call.params.get("file_id", ""))
    if file is None:
        raise MethodError(400, "Bad Request: invalid file_id")
    if len(file.data) > MAX_FILE:
        raise MethodError(400, "Bad Request: file is too big")
    return {**_file(call.params["file_id"], file), "file_path": f"documents/{call.params['file_id']}"}


def set_my_commands(call: Call) -> bool:
    """Keep the list of commands."""
    call.bot.commands = json.loads(call.params.get("commands", "[]"))
    return True


def close(call: Call) -> bool:
    """Unload the bot; the parked poll gets 200 with nothing, the updates stay."""
    call.bot.close()
    return True


def log_out(call: Call) -> bool:
    """Log the bot out: its updates are destroyed, everything from now on is 400."""
    call.bot.close(MethodError(400, "Logged out"))
    call.bot.queue.clear()
    return True


def store(bot: Bot, file: File) -> dict[str, Any]:
    """Keep a file; the document that a message names it by."""
    file_id = secrets.token_urlsafe(24)
    bot.files[file_id] = file
    return {"file_name": file.name, **_file(file_id, file)}


def _file(file_id: str, file: File) -> dict[str, Any]:
    return {"file_id": file_id, "file_unique_id": file_id[:12], "file_size": len(file.data)}


def _chat_id(call: Call) -> str:
    chat_id = call.params.get("chat_id", "").strip()
    if not chat_id:
        raise MethodError(400, "Bad Request: chat_id is empty")
    return chat_id


def _text(call: Call) -> str:
    _chat_id(call)
    text = call.params.get("text", "")
    if not text.strip():
        raise MethodError(400, "Bad Request: message text is empty")
    if len(text) > MAX_TEXT and "parse_mode" not in call.params:
        raise MethodError(400, "Bad Request: message is too long")
    return text


def _sent(call: Call, text: str, message_id: int, *, key: str = "text") -> dict[str, Any]:
    chat_id = _chat_id(call)
    markup = json.loads(call.params.get("reply_markup") or "{}")
    buttons = [button for row in markup.get("inline_keyboard", ()) for button in row]
    if any(len(button.get("callback_data", "").encode()) > MAX_DATA for button in buttons):
        raise MethodError(400, "Bad Request: BUTTON_DATA_INVALID")
    call.bot.sent.append(_as_sent(call, chat_id, text, message_id))
    return {
        "message_id": message_id,
        "date": int(time.time()),
        "chat": chat(chat_id),
        "from": call.bot.user,
        key: text,
    }


def _as_sent(call: Call, chat_id: str, text: str, message_id: int) -> Sent:
    return Sent(
        call.method, chat_id, text, message_id, call.params, call.files, call.bot.token, time.monotonic()
    )


def chat(chat_id: str) -> dict[str, Any]:
    """A chat as a message names it: private, a supergroup where the id is negative, a channel for @names."""
    if chat_id.startswith("@"):
        return {"id": -1_000_000_000_001, "type": "channel", "title": chat_id, "username": chat_id[1:]}
    if chat_id.startswith("-"):
        return {"id": int(chat_id), "type": "supergroup", "title": f"Group {chat_id}"}
    return {"id": int(chat_id), "type": "private", "first_name": f"User {chat_id}"}
