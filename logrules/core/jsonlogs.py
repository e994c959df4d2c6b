"""What a JSON log line says: message, level, time and stack, wherever its library put them."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from logrules.core import heads
from logrules.core.model import Severity

_MESSAGE = ("message", "msg", "event", "text", "log", "body")
_LEVEL = ("level", "severity", "levelname", "log.level", "loglevel", "lvl")
_STAMP = ("timestamp", "time", "ts", "@timestamp", "asctime", "datetime")
_STACK = ("exception", "exc_info", "traceback", "stack", "stack_trace", "exc_text", "error", "err")


class Said(NamedTuple):
    """The fields that count."""

    message: str
    level: Severity | None
    stamp: str | None
    stack: str


def fields(text: str) -> dict[str, Any] | None:
    """The keys of a JSON object; None if `text` is none."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


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
    return Said(_message(line), _level(line), _stamp(_first(line, _STAMP)), _stack(line))


def _first(line: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((line[name] for name in names if line.get(name) not in (None, "")), None)


def _message(line: dict[str, Any]) -> str:
    return next((line[name] for name in _MESSAGE if isinstance(line.get(name), str)), "")


def _level(line: dict[str, Any]) -> Severity | None:
    value = _first(line, _LEVEL)
    if isinstance(value, int):
        return heads.pino(value) if "pid" in line or "hostname" in line else heads.python_level(value)
    return heads.severity(value)


def _stamp(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("repr")  # loguru
    return value if isinstance(value, str) else None


def _stack(line: dict[str, Any]) -> str:
    value = _first(line, _STACK)
    if isinstance(value, dict):
        value = value.get("stack") or value.get("message")
    return value if isinstance(value, str) else ""
