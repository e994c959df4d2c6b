"""What a line of keys and values says, as JSON or logfmt: message, level, time and stack."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from logrules.core.model import Severity
from logrules.core.reading import heads

MESSAGE = (
    *("message", "msg", "event", "text", "log", "body", "MESSAGE", "textPayload", "Message"),
    *("@m", "RenderedMessage", "@mt", "MessageTemplate", "full_message", "short_message"),  # Serilog, GELF
)
_TSLOG = ("2", "1", "0")
"""tslog's arguments, by their place; the first may be the logger's name, as an object."""
LEVEL = ("level", "severity", "levelname", "log.level", "loglevel", "lvl", "L", "@l", "Level", "LogLevel")
_STAMP = ("timestamp", "time", "ts", "@timestamp", "asctime", "datetime", "@t", "Timestamp")
_STACK = (
    *("exception", "exc_info", "traceback", "stack", "stack_trace", "exc_text", "error", "err"),
    *("@x", "Exception", "thrown"),
)
_TRACES = ("stack", "traceback", "stack_trace", "stackTrace", "stacktrace", "extendedStackTrace")
"""…of an error that is an object…"""
_TYPES, _REASONS = ("type", "name", "class", "exc_type"), ("message", "exc_value")
"""…or its class, and what it says."""
_SHORT = ("errorMessage", "error_message", "error.message", "err.message")
"""…and where nothing but the exception's words stand."""

_LOGFMT = re.compile(
    r"(?:time|ts|t|timestamp|level|lvl|severity)=\S"
    r"|\"(?:[^\"\\\n]|\\.){1,300}+\" (?:error|err)=\"(?:[^\"\\\n]|\\.)*+\"(?: [\w.-]+=|$)"
)
_STAMPED = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)\s(?:[0-9a-f]{8}-[0-9a-f-]{27}\s)?"
)
_INNER = ("fields", "jsonPayload")
"""Objects that hold what a line says: of Rust's tracing, of Google Cloud."""
_PLATFORMS = frozenset({"severity", "textPayload"})
"""Keys of platforms, whose level is not the one of him who wrote the line."""
_WORDS = r"[^\n\"'`:=<>(){}\[\]«“]{1,120}"
_QUOTED = r"(?:\"(?:[^\"\\\n]|\\.){0,600}+\"|'(?:[^'\\\n]|\\.){0,600}+')"
_KEYS = "(?:error|err|exc|exception)"
_KEYED = re.compile(
    rf"{_WORDS}(?:(?<=\s)(?!{_KEYS}=)[\w.-]{{1,40}}+=(?:{_QUOTED}|[^\s\"']{{1,200}}+)\s++){{0,9}}+"
    rf"(?:(?<=\t)\{{\"error\": ?|(?<=\s){_KEYS}=)(?:({_QUOTED})|([A-Z]\w{{2,60}}\([^\n]{{1,400}}\))(?=\s|$))"
)
"""An error beside the words of a logger's line: slog's and structlog's keys, zap's object.

Behind other keys, too, but not behind anything that may tell what somebody has said."""
LONGEST = 4096
"""Characters of a line that are searched for it."""
_PAIR = re.compile(r'(?<![\w.@-])([\w.@-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?=\s|$)')

CHAT = (
    frozenset({"chat", "chat_id", "message_id", "update_id", "channel_id", "guild_id", "from", "from_id"})
    | {"user", "user_id", "user_name", "username", "first_name", "nick", "nickname", "sender", "sender_id"}
    | {"author", "role"}
)
"""Keys of a message that somebody wrote, unless a logger's level stands beside them."""
WRITTEN = frozenset({"text", "body"})
"""…and what holds his words even then."""


class Said(NamedTuple):
    """The fields that count."""

    message: str
    level: Severity | None
    stamp: str | None
    stack: str


def begins(text: str) -> bool:
    """Whether a line looks like a JSON object or like logfmt, which begins with its time or its level."""
    return (text.startswith("{") and text.endswith("}")) or bool(_LOGFMT.match(text))


def fields(text: str) -> dict[str, Any] | None:
    """The keys of a JSON object or of a logfmt line; None if `text` is neither."""
    if not text.startswith("{"):
        return _logfmt(text)
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _logfmt(text: str) -> dict[str, Any] | None:
    found = {key: _unescaped(quoted) if quoted else bare for key, quoted, bare in _PAIR.findall(text)}
    if text.startswith('"'):
        found["msg"] = text[1:].partition('"')[0]
    return found if any(name in found for name in (*MESSAGE, *_STACK, *_SHORT)) else None


def _unescaped(text: str) -> str:
    """A Go string literal's content, as far as logs use it."""
    return text.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")


def read(line: dict[str, Any]) -> Said:
    """What `line` says; empty where it says nothing that we know how to find."""
    record = line.get("record")
    if isinstance(record, dict) and isinstance(record.get("level"), dict):  # loguru, serialize=True
        return Said(
            str(record.get("message", "")),
            heads.severity(record["level"].get("name")),
            _stamp(record.get("time")),
            str(line.get("text", "")) if record.get("exception") else "",
        )
    if not CHAT.isdisjoint(line):
        if _first(line, LEVEL) is None:
            return Said("", None, None, "")
        line = {key: value for key, value in line.items() if key not in WRITTEN}
    if isinstance(meta := line.get("_meta"), dict) and "0" in line:  # tslog
        message = next((line[at] for at in _TSLOG if _is_prose(line.get(at))), "")
        return Said(message, heads.severity(meta.get("logLevelName")), _stamp(meta.get("date")), "")
    for name in _INNER:
        if isinstance(inner := line.get(name), dict):
            line = {**inner, **line}
    return _wrapped(line, Said(_message(line), _level(line), _stamp(_first(line, _STAMP)), _stack(line)))


def _wrapped(line: dict[str, Any], said: Said) -> Said:
    """What a platform has wrapped has a head of its own; who has a level has not been wrapped."""
    foreign = said.level is None or not _PLATFORMS.isdisjoint(line)
    inner = heads.head(said.message) if foreign else None
    if inner is None or inner.level is None:
        return said
    return said._replace(message=inner.body, level=inner.level, stamp=said.stamp or inner.stamp)


def error(text: str) -> str:
    """The error that a logger's line names beside its words; empty if it names none."""
    found = _KEYED.match(text[:LONGEST])
    quoted, bare = found.groups() if found else (None, None)
    return _unescaped(quoted[1:-1]).replace("\\'", "'") if quoted else bare or ""


def _named(error: dict[str, Any]) -> str:
    """An error that is an object without a stack, as a traceback's last line would say it."""
    kind, reason = _first(error, _TYPES), _first(error, _REASONS)
    if not isinstance(reason, str):
        return ""
    is_class = isinstance(kind, str) and kind.rpartition(".")[2][:1].isupper() and " " not in kind
    return f"{kind}: {reason}" if is_class else reason  # an API says `"type": "invalid_request"`


def _is_prose(value: Any) -> bool:
    return isinstance(value, str) and not value.startswith("{")


def _first(line: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((line[name] for name in names if line.get(name) not in (None, "")), None)


def _message(line: dict[str, Any]) -> str:
    message = next((line[name] for name in MESSAGE if isinstance(line.get(name), str)), "")
    # What a platform wraps bears its own stamp.
    return message[stamp.end() :] if (stamp := _STAMPED.match(message)) else message


def _level(line: dict[str, Any]) -> Severity | None:
    value = _first(line, LEVEL)
    if isinstance(value, int) and "short_message" in line:
        return heads.syslog(value)
    if isinstance(value, int):
        return heads.pino(value) if "pid" in line or "hostname" in line else heads.python_level(value)
    return heads.severity(value)


def _stamp(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("repr")  # loguru
    return value if isinstance(value, str) else None


def _stack(line: dict[str, Any]) -> str:
    value = _first(line, (*_STACK, *_SHORT))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0]  # structlog's, the last of a chain first
    if isinstance(value, dict):
        value = _first(value, _TRACES) or _named(value)
    elif isinstance(value, str) and isinstance(kind := line.get("errorType"), str):
        value = f"{kind}: {value}"  # AWS Lambda
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = "\n".join(each.removesuffix("\n") for each in value)  # as format_exception gives it
    return value if isinstance(value, str) else ""
