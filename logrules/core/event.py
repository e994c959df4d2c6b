"""The event: one JSON line, schema version 1.

Keys stand in the order of the fields below. What is cut first, when a line grows too long, stands last.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType

from logrules.core.model import Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from logrules.core.codes import Code
    from logrules.core.model import Match

MAX_BYTES = 16_000
"""Hard cap of a line, newline included: container log drivers split lines at 16 KiB."""

_LINE_BREAKS = (  # valid inside JSON, but viewers and str.splitlines() break the line there
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
    ("\u0085".encode(), b"\\u0085"),
)


class Error(msgspec.Struct, frozen=True, omit_defaults=True):
    """An exception: its type, what it says and where it came from."""

    type: str
    message: str
    stack: str | UnsetType = UNSET


class Event(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a program says in one line; see docs/design.md section 4."""

    timestamp: str
    level: Severity
    code: str | UnsetType = UNSET
    message: str
    remediation: str | UnsetType = UNSET
    service: str
    instance: str
    v: int | UnsetType = UNSET  # set to 1 by encode; a default would be omitted
    fatal: bool | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    line: int | UnsetType = UNSET
    count: int | UnsetType = UNSET
    event_id: str | UnsetType = UNSET
    rule: str | UnsetType = UNSET
    lang: str | UnsetType = UNSET
    pid: int | UnsetType = UNSET
    epoch: int | UnsetType = UNSET
    logger: str | UnsetType = UNSET
    attrs: dict[str, Any] | UnsetType = UNSET
    error: Error | UnsetType = UNSET
    raw: str | UnsetType = UNSET
    truncated: bool | UnsetType = UNSET


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with six digits, so that text order is time order."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def of_match(match: Match, code: Code, lang: str) -> Event:
    """The event that says what a match means: the code's own words, and the text it rests on as `raw`."""
    why = code.why(match.reason)
    return Event(
        timestamp=timestamp(match.time),
        level=match.level,
        code=match.code,
        message=match.message,
        remediation=why.steps.joined(lang),
        service=match.service,
        instance=match.instance,
        fatal=match.fatal,
        reason=match.reason or UNSET,
        line=UNSET if match.line is None else match.line,
        rule=match.rule or UNSET,
        lang=lang,
        epoch=UNSET if match.epoch is None else match.epoch,
        attrs=match.attrs or UNSET,
        raw=match.evidence or UNSET,
    )


def encode(event: Event, redact: Callable[[str], str]) -> bytes:
    """One line, newline included, redacted, at most `MAX_BYTES` long. Never raises for what a field holds."""
    event.v = 1
    plain = clean(msgspec.to_builtins(event, enc_hook=repr), redact)
    line = _line(plain)
    if len(line) > MAX_BYTES:
        line = _line(_shortened(plain))
    return line


def clean(value: Any, redact: Callable[[str], str]) -> Any:
    """Plain data that every encoder takes: all strings redacted and valid UTF-8, numbers within 64 bits."""
    if isinstance(value, str):
        # A lone surrogate (a file name, a broken decode) would stop the encoder.
        return redact(value.encode("utf-8", "backslashreplace").decode())
    if isinstance(value, dict):
        return {clean(str(key), redact): clean(item, redact) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item, redact) for item in value]
    if isinstance(value, int) and abs(value) >= 1 << 63:
        return str(value)  # the encoder takes 64 bits
    return value


def _line(plain: dict[str, Any]) -> bytes:
    line = msgspec.json.encode(plain)
    for found, escaped in _LINE_BREAKS:
        line = line.replace(found, escaped)
    return line + b"\n"


def _shortened(plain: dict[str, Any]) -> dict[str, Any]:
    """The same event with its longest texts cut, the least needed first, until it fits."""
    plain = {**plain, "truncated": True}
    error = plain["error"] = dict(plain["error"]) if "error" in plain else {}
    error_first = ((plain, "raw"), (error, "stack"), (error, "message"))
    for holder, key in (*error_first, (plain, "attrs"), (plain, "remediation"), (plain, "message")):
        excess = len(_line(plain)) - MAX_BYTES
        if excess > 0 and key in holder:
            holder[key] = _cut(holder[key], excess) if key != "attrs" else {}
    return {key: value for key, value in plain.items() if value or key != "error"}


def _cut(text: str, excess: int) -> str:
    """`text` without its last `excess` bytes, at a character's boundary; each is at least one byte of the line."""
    data = text.encode()
    return data[: max(0, len(data) - excess)].decode("utf-8", "ignore")
