"""The few Bot API calls that we make ourselves: https://core.telegram.org/bots/api.

For probes, the deletion of a webhook and alerts in a chat; polling is the bot's own. One attempt per call:
whoever calls knows whether to try again. The token is part of the address, so it is in no error from here.
"""

from __future__ import annotations

import json
import logging
import re
import time
from typing import Any, NamedTuple, Protocol

import urllib3

from logrules import trust
from logrules.core.model import LogrulesError
from logrules.core.redact import Redactor
from logrules.unseen import unseen

MAX_ANSWER = 1 << 20
"""Bytes of an answer; ours are below a thousand."""

_BY_FORM = Redactor()
_UNAUTHORIZED, _NOT_FOUND = 401, 404  # how the server says that it does not know a token


class BotApiError(LogrulesError):
    """The Bot API refused a call, or could not be asked.

    Attributes:
        code: The server's error code, an HTTP status; 0 where there was no answer.
        description: What the server says, or what kept us from asking it.
        retry_after: Seconds to wait before another attempt, where the server says so.
        moved_to: The group's new number, where it has become a supergroup.
    """

    def __init__(
        self, code: int, description: str, retry_after: float | None = None, moved_to: int | None = None
    ) -> None:
        super().__init__(f"{code} {description}" if code else description)
        self.code = code
        self.description = description
        self.retry_after = retry_after
        self.moved_to = moved_to


class Bot(Protocol):
    """Which bot to ask about, and where: `logrules.settings.Settings` is one."""

    @property
    def token(self) -> str | None:
        """The bot's token."""

    @property
    def bot_api(self) -> str:
        """The address of the Bot API server."""


class InputFile(NamedTuple):
    """A file to upload, for `document=` of sendDocument."""

    name: str
    data: bytes


class BotApi:
    """One bot's view of the Bot API. Thread-safe.

    Args:
        token: The bot's token.
        base_url: The address of the Bot API server, without the token.
        timeout: Seconds for a whole call, from the first byte sent to the last one received.
    """

    def __init__(self, token: str, *, base_url: str, timeout: float) -> None:
        self._url = f"{base_url.rstrip('/')}/bot{token}/"
        self._timeout = timeout
        self._redact = Redactor([token])
        secure: dict[str, Any] = {"ssl_context": trust.context()} if base_url.startswith("https:") else {}
        self._http = urllib3.PoolManager(retries=False, **secure)
        logging.getLogger("urllib3.connectionpool").addFilter(_hide_tokens)

    def call(self, method: str, **params: Any) -> Any:
        """The result of `method`. Raises BotApiError."""
        status, body, fault = self._answer(method, params)
        if fault is not None:
            raise BotApiError(0, self._redact(fault))
        return self._result(status, body)

    def close(self) -> None:
        """Close the connections that are kept for the next call."""
        self._http.clear()

    def _answer(self, method: str, params: dict[str, Any]) -> tuple[int, bytes, str | None]:
        """Status and body, or what kept us from having them.

        The fault is a text and not an exception: those of urllib3 hold the address, and would hang on to ours
        as its context.
        """
        try:
            return *self._post(method, params), None
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return 0, b"", _fault(error, self._timeout)

    def _post(self, method: str, params: dict[str, Any]) -> tuple[int, bytes]:
        deadline = time.monotonic() + self._timeout
        with unseen():
            response = self._http.request(
                "POST",
                self._url + method,
                **_encoded({name: value for name, value in params.items() if value is not None}),
                timeout=urllib3.Timeout(total=self._timeout),
                redirect=False,
                preload_content=False,
            )
        try:
            return response.status, _read(response, deadline)
        finally:
            response.release_conn()

    def _result(self, status: int, body: bytes) -> Any:
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or "ok" not in answer:
            raise BotApiError(status, f"the answer is not the Bot API's: {self._excerpt(body)}")
        if not answer["ok"]:
            # https://core.telegram.org/bots/api#responseparameters
            parameters = answer.get("parameters") or {}
            description = self._redact(str(answer.get("description", "no description")))
            told = (parameters.get(name) for name in ("retry_after", "migrate_to_chat_id"))
            raise BotApiError(answer.get("error_code") or status, description, *told)
        return answer.get("result")

    def _excerpt(self, body: bytes) -> str:
        """What a proxy says in its HTML, in one short line."""
        text = re.sub(r"<[^>]{0,200}>", " ", body[:2000].decode("utf-8", "replace"))
        return self._redact(" ".join(text.split()))[:120] or "nothing"


def probe(what: str, bot: Bot, *, timeout: float) -> bool | None:
    """Whether a bad sign is true, as the Bot API sees it; None where it cannot be asked.

    Args:
        what: `token`: is the token refused? `webhook`: is a webhook set?
        bot: The token, and where the Bot API is.
        timeout: Seconds.
    """
    if bot.token is None:
        return None
    api = BotApi(bot.token, base_url=bot.bot_api, timeout=timeout)
    try:
        if what == "webhook":
            return bool(api.call("getWebhookInfo").get("url"))
        api.call("getMe")
    except BotApiError as error:
        is_refused = error.code in {_UNAUTHORIZED, _NOT_FOUND}
        return True if is_refused and what == "token" else None
    finally:
        api.close()
    return False


def _encoded(params: dict[str, Any]) -> dict[str, Any]:
    """JSON, or a form of several parts where a file is among `params`."""
    if not any(isinstance(value, InputFile) for value in params.values()):
        return {"body": _json(params), "headers": {"Content-Type": "application/json"}}
    return {"fields": {name: _part(value) for name, value in params.items()}}


def _part(value: Any) -> Any:
    if isinstance(value, InputFile):
        return (value.name, value.data, "application/octet-stream")
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> bytes:
    # The server takes UTF-8 only, which a lone surrogate is not.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """The body, however slowly it drips, but not beyond `deadline`."""
    body = bytearray()
    while chunk := response.read1(1 << 16):
        body += chunk
        if len(body) > MAX_ANSWER:
            raise ValueError("the answer is too long")
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(body)


def _fault(error: Exception, timeout: float) -> str:
    refused = urllib3.exceptions.NewConnectionError  # which urllib3 derives from its time-outs
    if isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError) and not isinstance(error, refused):
        return f"no answer from the Bot API within {timeout:g} s"
    return f"the Bot API cannot be reached: {type(error).__name__}: {error}"


def _hide_tokens(record: logging.LogRecord) -> bool:
    """At level DEBUG urllib3 logs the address of each request, in which the token is."""
    if isinstance(record.args, tuple):
        record.args = tuple(_BY_FORM(arg) if isinstance(arg, str) else arg for arg in record.args)
    return True
