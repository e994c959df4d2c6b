"""Telegram's Bot API on loopback: a server for tests that behaves as the official one where it hurts."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self, TypeVar

from logrules.testing.bot_api_methods import (
    LATER,
    Bot,
    Call,
    Method,
    MethodError,
    Sent,
    chat,
    store,
    table,
    too_many_requests,
)
from logrules.testing.http_server import Exchange, File, HttpServer
from logrules.testing.updates import LoopClock, Timing, UpdateQueue
from logrules.testing.waiting import Bell

T = TypeVar("T")

TOKEN: Final = "123456:" + "A" * 35
"""The bot that a BotApiServer has from the start."""

_PATH = re.compile(r"/bot(?P<token>[^/]*)/(?P<method>[^/]*)\Z")
_FILE_PATH = re.compile(r"/file/bot(?P<token>[^/]*)/documents/(?P<file_id>[^/]+)\Z")
_SECRET = re.compile(r"[A-Za-z0-9_-]{24,}")


@dataclass(slots=True, eq=False)
class Request:
    """A call that a bot has made, and what became of it. Times are those of time.monotonic()."""

    method: str
    token: str
    params: Mapping[str, str]
    when: float
    """When it arrived."""
    port: int
    """The client's port: tells one connection from another."""
    agent: str = ""
    """What the client calls itself (User-Agent): tells one instance from another, if each has its own."""
    ended: float | None = None
    """When it was answered or its client hung up; None while it is parked."""
    status: int | None = None
    """The HTTP status that the client got; None if it got none."""
    description: str | None = None
    updates: tuple[int, ...] = ()
    """The ids that getUpdates answered."""
    gone: bool = False
    """The client hung up first. A parked poll stays parked nevertheless."""


class Answer(NamedTuple):
    """What goes over the wire."""

    status: int
    body: bytes
    description: str | None = None
    headers: Mapping[str, str] = {}
    content_type: str = "application/json"

    @classmethod
    def ok(cls, result: Any, description: str | None = None) -> Self:
        """A result, as the official server writes it."""
        body = {"ok": True, "result": result}
        if description is not None:
            body["description"] = description
        return cls(200, json.dumps(body).encode(), description)

    @classmethod
    def error(cls, status: int, description: str, retry_after: int | None = None) -> Self:
        """An error; the number of seconds to wait stands in the body and in a header."""
        body: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
        headers = {}
        if retry_after is not None:
            body["parameters"] = {"retry_after": retry_after}
            headers["Retry-After"] = str(retry_after)
        return cls(status, json.dumps(body).encode(), description, headers)


Break = Callable[["_Reply"], None]
"""Spoils the answer to a call."""


@dataclass(slots=True)
class Fault:
    """What `fail_next` has ordered."""

    method: str
    spoil: Break
    executed: bool
    times: int
    token: str | None


class BotApiServer:
    """The Bot API on 127.0.0.1, in a thread of its own: for sync tests, async tests and child processes.

        with BotApiServer() as api:
            application = Application.builder().token(api.token).base_url(f"{api.url}/bot").build()
            ...
            api.send_text("/start")                                     # as a user
            api.wait_for(lambda: [m for m in api.sent if "Hello" in m.text])
            api.fail_next("getUpdates", 502, raw=b"<html>Bad Gateway</html>")
            assert api.conflicts == 0

    getUpdates keeps the official server's rules, see `logrules.testing.updates`. Every well-formed token is
    a bot, known from its first call on; `token` is there from the start, and meant where a method takes none.
    `revoke` makes one unknown. Updates belong to the bot's id: a new token for the same id finds them.

    Not done: updates are not delivered to a webhook, `allowed_updates` filters nothing, markup is not parsed,
    and there are no flood limits but those that `fail_next` orders.

    Args:
        token: of the first bot.
        timing: the server's time constants.
    """

    def __init__(self, token: str = TOKEN, *, timing: Timing | None = None) -> None:
        self.token = token
        self.timing = timing or Timing()
        self.methods: dict[str, Method] = table()
        """What each method answers, by its name in the documentation; add your own."""
        self._http = HttpServer(self._handle)
        self._clock = LoopClock(self._http.loop, self.timing)
        self._queues: dict[int, UpdateQueue] = {}
        self._bots: dict[str, Bot] = {}
        self._requests: list[Request] = []
        self._faults: list[Fault] = []
        self._bell = Bell()
        self.add_bot(token)

    def __enter__(self) -> Self:
        self._http.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving, for good."""
        self._http.close()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`; most libraries want `/bot` after it."""
        return self._http.url

    @property
    def requests(self) -> list[Request]:
        """Every call so far, in order of arrival."""
        return list(self._requests)

    @property
    def polls(self) -> list[Request]:
        """The calls of getUpdates."""
        return [request for request in self._requests if request.method == "getUpdates"]

    @property
    def conflicts(self) -> int:
        """How many 409s have reached a living client."""
        return sum(request.status == 409 for request in self._requests)  # noqa: PLR2004 - it is the name

    @property
    def sent(self) -> list[Sent]:
        """What all bots have sent and edited, oldest first."""
        return sorted((sent for bot in list(self._bots.values()) for sent in list(bot.sent)), key=_when)

    @property
    def pending(self) -> list[dict[str, Any]]:
        """The first bot's updates that are not acknowledged."""
        return [update.as_json() for update in self.bot().queue.pending]

    @property
    def acknowledged(self) -> list[int]:
        """The first bot's updates that were confirmed by an offset."""
        return list(self.bot().queue.acknowledged)

    @property
    def dropped(self) -> list[int]:
        """The first bot's updates that were destroyed unread."""
        return list(self.bot().queue.dropped)

    def bot(self, token: str | None = None) -> Bot:
        """A bot's state, the first one's by default; change it through this server only."""
        return self._bots[token or self.token]

    def add_bot(self, token: str) -> None:
        """Make the bot known; one that was revoked or logged out works again.

        Raises:
            MethodError: no bot can have such a token.
        """
        refuse_malformed(token)
        bot_id = int(token.partition(":")[0])
        queue = self._queues.setdefault(bot_id, UpdateQueue(self._clock, self.timing.keep))
        bot = self._bots.setdefault(token, Bot(token, queue, self._clock, self.timing))
        bot.out = None

    def revoke(self, token: str | None = None) -> None:
        """Make the token invalid: the parked poll ends with nothing, further calls get 401."""
        self._do(lambda: self.bot(token).close(MethodError(401, "Unauthorized")))

    def set_webhook(self, url: str, token: str | None = None) -> None:
        """Set a webhook, or with an empty url delete it, as somebody else who has the token."""

        def work() -> None:
            params = {"url": url}
            reply = _Discard()
            self.bot(token).set_webhook(Call(self.bot(token), "setWebhook", params, {}, reply))

        self._do(work)

    def push(self, update: Mapping[str, Any], token: str | None = None) -> int:
        """Queue an update, whatever it holds, such as `{"message": {...}}`; its update_id.

        What no client can read, such as `{"message": {"date": "never"}}`, makes a poison update.
        """

        def work() -> int:
            bot = self.bot(token)
            update_id = bot.queue.push(dict(update))
            for each in self._bots.values():
                if each.queue is bot.queue:
                    each.polling.wake()
            return update_id

        return self._do(work)

    def send_text(
        self,
        text: str,
        *,
        from_id: int = 1001,
        chat_id: int | None = None,
        language: str = "en",
        token: str | None = None,
        more: Mapping[str, Any] = {},
    ) -> int:
        """Write to the bot as a user, in private or in the chat `chat_id`; the update_id.

        `more` are further fields of the message, such as `reply_to_message`.
        """
        content: dict[str, Any] = {"text": text, **more}
        if text.startswith("/"):
            length = len(text.split(maxsplit=1)[0])
            content["entities"] = [{"type": "bot_command", "offset": 0, "length": length}]
        return self._send(content, from_id, chat_id, language, token)

    def send_document(
        self,
        name: str,
        data: bytes,
        *,
        caption: str = "",
        from_id: int = 1001,
        chat_id: int | None = None,
        language: str = "en",
        token: str | None = None,
    ) -> int:
        """Send the bot a file, which it may getFile and download; the update_id."""
        content: dict[str, Any] = {"document": self._do(lambda: store(self.bot(token), File(name, data)))}
        if caption:
            content["caption"] = caption
        return self._send(content, from_id, chat_id, language, token)

    def press(
        self, sent: Sent, label: str, *, from_id: int = 1001, language: str = "en", token: str | None = None
    ) -> str:
        """Press an inline button of a message that the bot has sent or edited; the query's id.

        Raises:
            KeyError: it has no such button.
        """
        message = {"message_id": sent.message_id, "chat": chat(sent.chat_id), "date": int(time.time())}
        content = {
            "data": sent.buttons[label],
            "message": {**message, "from": self.bot(token).user, "text": sent.text},
            "chat_instance": sent.chat_id,
        }
        return self._query("callback_query", content, from_id, language, token)

    def send_inline_query(
        self, query: str, *, from_id: int = 1001, language: str = "en", token: str | None = None
    ) -> str:
        """Type `@bot query` in some chat; the query's id."""
        return self._query("inline_query", {"query": query, "offset": ""}, from_id, language, token)

    def fail_next(
        self,
        method: str = "*",
        status: int = 500,
        description: str = "Internal Server Error",
        *,
        retry_after: int | None = None,
        raw: bytes | None = None,
        abort: bool = False,
        hang: bool = False,
        trickle: bool = False,
        executed: bool = False,
        times: int = 1,
        token: str | None = None,
    ) -> None:
        """Answer the next calls of a method, or of any (`*`), with a fault.

        Args:
            method: in any case.
            status: of the answer.
            description: in the error's body.
            retry_after: seconds, in the body and the header; makes it a 429.
            raw: a body that is no JSON, such as a front end's 502 page.
            abort: hang up without an answer.
            hang: never answer.
            trickle: begin an answer that never ends, a byte each second of the server.
            executed: the call takes effect all the same; only its answer is lost.
            times: how many calls.
            token: the bot whose calls are meant; None for whichever comes.
        """
        if retry_after is not None:
            error = too_many_requests(retry_after)
            status, description = error.code, error.description
        answer = Answer.error(status, description, retry_after)
        if raw is not None:
            answer = answer._replace(body=raw, content_type="text/html")

        def spoil(reply: _Reply) -> None:
            if abort:
                reply.hang_up()
            elif trickle:
                reply.exchange.trickle(self.timing.second)
            elif not hang:
                reply.send(answer)

        self._faults.append(Fault(method.lower(), spoil, executed, times, token))

    def down(self) -> None:
        """Be unreachable: connections are reset and refused. What is parked stays parked."""
        self._http.down()

    def up(self) -> None:
        """Be reachable again, on the same port."""
        self._http.up()

    def wait_for(self, condition: Callable[[], T], timeout: float = 60.0) -> T:
        """Block until `condition` is true and give what it returned; it is asked after each call and answer.

        Raises:
            TimeoutError: not within `timeout` seconds; the message shows the last calls.
        """
        return self._bell.wait_for(condition, timeout, lambda: f"the last calls: {self._requests[-5:]}")

    async def wait_for_async(self, condition: Callable[[], T], timeout: float = 60.0) -> T:  # noqa: ASYNC109
        """`wait_for` for a test in whose event loop the bot runs."""
        return await asyncio.to_thread(self.wait_for, condition, timeout)

    def _send(
        self, content: dict[str, Any], from_id: int, chat_id: int | None, language: str, token: str | None
    ) -> int:
        where = str(from_id if chat_id is None else chat_id)
        sender = _user(from_id, language)
        message_id = self._do(lambda: self.bot(token).new_message_id(where))
        head = {"message_id": message_id, "from": sender, "chat": chat(where), "date": int(time.time())}
        return self.push({"message": head | content}, token)

    def _query(
        self, kind: str, content: dict[str, Any], from_id: int, language: str, token: str | None
    ) -> str:
        query_id = secrets.token_hex(8)
        self._do(lambda: self.bot(token).queries.add(query_id))
        self.push({kind: {"id": query_id, "from": _user(from_id, language), **content}}, token)
        return query_id

    def _do(self, work: Callable[[], T]) -> T:
        result = self._http.call(work)
        self._bell.ring()
        return result

    def _handle(self, exchange: Exchange) -> None:
        if download := _FILE_PATH.match(exchange.request.path):
            self._download(exchange, **download.groupdict())
        elif match := _PATH.match(exchange.request.path):
            self._dispatch(exchange, **match.groupdict())
        else:
            _refuse(exchange, 404, "Not Found")
        self._bell.ring()

    def _dispatch(self, exchange: Exchange, token: str, method: str) -> None:
        try:
            params, files = exchange.request.form()
        except ValueError:
            _refuse(exchange, 400, "Bad Request: can't parse the request's body")
            return
        wanted = (method or params.get("method", "")).lower()
        name = next((name for name in self.methods if name.lower() == wanted), method)
        agent = exchange.request.headers.get("user-agent", "")
        request = Request(name, token, params, time.monotonic(), exchange.request.port, agent)
        self._requests.append(request)
        fault = self._take_fault(name, token)
        reply = _Reply(request, exchange, self._bell.ring, None if fault is None else fault.spoil)
        if fault is not None and not fault.executed:
            reply.finish()
            return
        try:
            self._execute(Call(self._admit(request), name, params, files, reply))
        except MethodError as error:
            reply.fail(error.code, error.description, error.retry_after)

    def _admit(self, request: Request) -> Bot:
        """The bot of this token, as the official server looks for it."""
        refuse_malformed(request.token)
        if request.token not in self._bots:
            self.add_bot(request.token)
        bot = self._bots[request.token]
        if request.method == "close" and not bot.loaded:
            raise MethodError(400, "Bad Request: the bot has already been closed")
        if bot.out is not None:
            raise bot.out
        bot.loaded = True
        return bot

    def _execute(self, call: Call) -> None:
        method = self.methods.get(call.method)
        if method is None:
            raise MethodError(404, "Not Found: method not found")
        result = method(call)
        if result is not LATER:
            call.reply.ok(result)

    def _download(self, exchange: Exchange, token: str, file_id: str) -> None:
        bot = self._bots.get(token)
        file = bot.files.get(file_id) if bot is not None else None
        if file is None:
            _refuse(exchange, 404, "Not Found")
        else:
            exchange.answer(200, file.data, content_type="application/octet-stream")

    def _take_fault(self, method: str, token: str) -> Fault | None:
        for fault in self._faults:
            if fault.method in {"*", method.lower()} and fault.token in {None, token}:
                fault.times -= 1
                if not fault.times:
                    self._faults.remove(fault)
                return fault
        return None


def refuse_malformed(token: str) -> None:
    """The official server's checks of a token's form.

    Raises:
        MethodError: with that server's answer.
    """
    bot_id, colon, secret = token.partition(":")
    if token[:1] in {"", "0"} or len(token) > 80 or not colon:  # noqa: PLR2004 - the official limit
        raise MethodError(401, "Unauthorized: invalid token specified")
    if not re.fullmatch(r"-?[0-9]+", bot_id):
        raise MethodError(421, "Misdirected Request: unallowed token specified")
    if not 0 < int(bot_id) < 1 << 54:
        raise MethodError(401, "Unauthorized: invalid token specified")
    if not _SECRET.fullmatch(secret):
        raise MethodError(401, "Unauthorized")


def _refuse(exchange: Exchange, status: int, description: str) -> None:
    exchange.answer(status, Answer.error(status, description).body)


class _Reply:
    """Answers one call, once, and keeps the journal."""

    def __init__(
        self, request: Request, exchange: Exchange, tell: Callable[[], None], spoil: Break | None
    ) -> None:
        self.exchange = exchange
        self._request = request
        self._tell = tell
        self._spoil = spoil
        exchange.on_gone = self._gone

    def ok(self, result: Any, description: str | None = None) -> None:
        """Answer `result`."""
        if self._request.method == "getUpdates":
            self._request.updates = tuple(update["update_id"] for update in result)
        self.finish(Answer.ok(result, description))

    def fail(self, code: int, description: str, retry_after: int | None = None) -> None:
        """Answer an error."""
        self.finish(Answer.error(code, description, retry_after))

    def finish(self, answer: Answer | None = None) -> None:
        """Send the answer, or what a fault makes of it; into the void, if the client is gone."""
        if not self._request.gone:
            if self._spoil is not None:
                self._spoil(self)
            elif answer is not None:
                self.send(answer)
        self._tell()

    def send(self, answer: Answer) -> None:
        """Send it."""
        self._request.ended = time.monotonic()
        self._request.status, self._request.description = answer.status, answer.description
        self.exchange.answer(
            answer.status, answer.body, headers=answer.headers, content_type=answer.content_type
        )

    def hang_up(self) -> None:
        """Close the connection without an answer."""
        self._request.ended = time.monotonic()
        self.exchange.close()

    def _gone(self) -> None:
        self._request.gone = True
        self._request.ended = time.monotonic()
        self._tell()


class _Discard:
    """The reply to a call that no client made."""

    def ok(self, result: Any, description: str | None = None) -> None:
        """Nobody listens."""

    def fail(self, code: int, description: str, retry_after: int | None = None) -> None:
        """Nobody listens."""


def _user(from_id: int, language: str) -> dict[str, Any]:
    return {"id": from_id, "is_bot": False, "first_name": f"User {from_id}", "language_code": language}


def _when(sent: Sent) -> float:
    return sent.when
