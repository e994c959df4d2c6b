"""The event: one JSON line, schema version 1.

Keys stand in the order of the fields below. What is cut first, when a line grows too long, stands last.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from logrules.core.model import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from logrules.core.match import Match
    from logrules.core.ruleset.codes import Code

T = TypeVar("T")

MAX_BYTES = 16_000
"""Hard cap of a line, newline included: container log drivers split lines at 16 KiB."""

BREAKING = re.compile(rb"\xe2\x80[\xa8\xa9]|\xc2[\x80-\x9f]|\x7f")
"""U+2028, U+2029, C1 controls (with U+0085) and DEL: JSON lets them pass, viewers break the line there."""

_OURS = frozenset({"timestamp", "level", "code", "v", "fatal", "line", "count", "lang", "pid", "epoch"})
"""Fields that hold words and numbers of our own, hence nothing to redact."""

_GATHERED = (dict, list, tuple, set, frozenset)
_DEPTH = 6
"""How deep attrs may be nested; deeper, or around in circles, it is cut."""

_NAMES = ("reason", "rule", "event_id", "logger", "service", "instance", "type")
_LONGEST_NAME = 200
"""Characters that are left of a name in a line that is too long."""


class Error(msgspec.Struct, frozen=True, omit_defaults=True):
    """An exception: its type, what it says and where it came from."""

    type: str
    message: str
    stack: str = ""


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


_ARE_OURS = tuple(name in _OURS for name in Event.__struct_fields__)


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with six digits, so that text order is time order."""
    return stamp(seconds).decode()


def stamp(seconds: float) -> bytes:
    """`timestamp` in bytes, for whoever writes lines of their own."""
    global _latest  # noqa: PLW0603  replaced as a whole, so that no thread takes one half of it
    second, beginning = _latest
    passed = seconds - second
    if not 0 <= passed < _WHOLE:
        second = math.floor(seconds + (1 - _WHOLE))
        passed = max(0, seconds - second)
        beginning = _beginning(second)
        _latest = second, beginning
    return b"%b%06dZ" % (beginning, int(passed * 1e6 + 0.5))


_latest: tuple[int, bytes] = 0, b"1970-01-01T00:00:00."
"""The second that was stamped last, and how its time stamps begin: the next one is often of the same."""
_WHOLE = 1 - 5e-7
"""Seconds from which on a part of one is rounded up to a whole one."""


@lru_cache(64)
def _beginning(second: int) -> bytes:
    return datetime.fromtimestamp(second, UTC).isoformat()[:19].encode() + b"."


def label(text: str | None, chars: int) -> str | None:
    """A release or environment: Sentry drops one with a slash, a blank or a control character.

    An event in which half a character stands it drops as a whole.
    """
    cleaned = re.sub(r"[\s/\\\x00-\x1f\ud800-\udfff]+", "-", text or "").strip("-.")[:chars]
    return cleaned if cleaned.lower() not in {"", "none", "latest"} else None


def of_match(
    match: Match, code: Code | None, lang: str, *, pid: int | None = None, error: Error | None = None
) -> Event:
    """The event that says what a match means: the code's own words, and the text it rests on as `raw`.

    A code that nobody knows, of a newer version perhaps, has no words. `error` says more than the text: it
    stands in its place.
    """
    return Event(
        timestamp=timestamp(match.time),
        level=match.level,
        code=match.code,
        message=match.message,
        remediation=code.why(match.reason).remediation(lang) if code else UNSET,
        service=match.service,
        instance=match.instance,
        fatal=match.fatal,
        reason=match.reason or UNSET,
        line=_or_unset(match.line),
        count=match.count if match.count > 1 else UNSET,
        rule=match.rule or UNSET,
        lang=lang if code else UNSET,
        pid=_or_unset(pid),
        epoch=_or_unset(match.epoch),
        attrs=match.attrs or UNSET,
        error=_or_unset(error),
        raw=UNSET if error else match.evidence or UNSET,
    )


class Told:
    """The events of many matches, as lines; those of one kind differ in little.

    What they have in common is redacted and written once.
    """

    def __init__(self, codes: Mapping[str, Code], lang: str, redact: Callable[[str], str]) -> None:
        self._codes, self._lang, self._redact = codes, lang, redact
        self._kinds: dict[tuple[object, ...], _Kind] = {}

    def line(self, match: Match) -> bytes:
        """The same as `encode` makes of `of_match`."""
        is_plain = match.count == 1 and not match.attrs and match.epoch is None
        if is_plain and match.line is not None and match.evidence:
            kind = self._kind(match)
            message, raw = (_quoted(text, self._redact) for text in (match.message, match.evidence))
            line = kind.line(timestamp(match.time), message, match.line, raw)
            if len(line) <= MAX_BYTES:
                return line
        return encode(self._event(match), self._redact)

    def _kind(self, match: Match) -> _Kind:
        key = match.code, match.reason, match.level, match.fatal, match.rule, match.service, match.instance
        known = self._kinds.get(key)
        if known is None:
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            event = self._event(match)
            event.v = 1
            known = self._kinds[key] = _kind(_plain(event, self._redact))
        return known

    def _event(self, match: Match) -> Event:
        return of_match(match, self._codes[match.code], self._lang)


class _Kind(NamedTuple):
    """What stands between the fields in which the events of one kind differ."""

    before_message: bytes
    before_line: bytes
    before_raw: bytes

    def line(self, timestamp: str, message: bytes, number: int, raw: bytes) -> bytes:
        """One of them."""
        return b'{"timestamp":"%b",%b"message":%b,%b"line":%d,%b"raw":%b}\n' % (
            *(timestamp.encode(), self.before_message, message, self.before_line),
            *(number, self.before_raw, raw),
        )


def _kind(plain: dict[str, Any]) -> _Kind:
    parts: list[dict[str, Any]] = [{}]
    for name, value in plain.items():
        if name in {"message", "line", "raw"}:
            parts.append({})
        elif name != "timestamp":
            parts[-1][name] = value
    before_message, before_line, before_raw, _ = (_unbroken(part)[1:-1] + b"," for part in parts)
    return _Kind(before_message, before_line, before_raw)


def _quoted(text: str, redact: Callable[[str], str]) -> bytes:
    return _unbroken(_text(text, redact))


_MOST_KINDS = 512


def _or_unset(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value


def encode(event: Event, redact: Callable[[str], str]) -> bytes:
    """One line, newline included, redacted, at most `MAX_BYTES` long. Never raises for what a field holds."""
    event.v = 1
    return _fitting(_plain(event, redact))


def _fitting(plain: dict[str, Any]) -> bytes:
    line = _line(plain)
    return line if len(line) <= MAX_BYTES else _line(_shortened(plain))


def _plain(event: Event, redact: Callable[[str], str]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, is_ours, value in zip(
        Event.__struct_fields__, _ARE_OURS, msgspec.structs.astuple(event), strict=True
    ):
        if value is UNSET:
            continue
        if is_ours:
            plain[name] = value
        else:
            plain[name] = _text(value, redact) if type(value) is str else clean(value, redact)
    return plain


def said(fields: Mapping[str, Any], redact: Callable[[str], str]) -> bytes:
    """Some fields of an event as a JSON object, redacted. Never raises for what a field holds."""
    return _unbroken(
        {name: value if name in _OURS else clean(value, redact) for name, value in fields.items()}
    )


def quoted(text: object, redact: Callable[[str], str]) -> bytes:
    """`text` as JSON, redacted. Never raises, whatever it is."""
    return _unbroken(clean(text, redact))


def clean(value: Any, redact: Callable[[str], str], depth: int = _DEPTH) -> Any:
    """`value` as JSON can say it, every text in it redacted."""
    if isinstance(value, str):
        return _text(value, redact)
    if isinstance(value, int):  # a bool is one, too
        return value if abs(value) < 1 << 63 else hex(value)  # the encoder takes 64 bits
    if value is None or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, _GATHERED):
        return _clean_items(value, redact, depth - 1) if depth else "…"
    if isinstance(value, msgspec.Struct):
        told = {key: item for key, item in msgspec.structs.asdict(value).items() if item is not UNSET}
        return clean(told, redact, depth)
    return _text(_shown(value), redact)


def _clean_items(value: Any, redact: Callable[[str], str], depth: int) -> Any:
    if not isinstance(value, dict):
        return [clean(item, redact, depth) for item in tuple(value)]
    cleaned = {}
    for key, item in value.copy().items():  # a copy: another thread may be filling it
        name = redact(key) if type(key) is str and key.isascii() else _text(_shown(key), redact)
        cleaned[name] = redact(item) if type(item) is str and item.isascii() else clean(item, redact, depth)
    return cleaned


def _text(text: str, redact: Callable[[str], str]) -> str:
    # A lone surrogate (a file name, a broken decode) would stop the encoder.
    return redact(text if text.isascii() else text.encode("utf-8", "backslashreplace").decode())


def _shown(value: Any) -> str:
    try:
        return value if isinstance(value, str) else repr(value)
    except Exception:  # noqa: BLE001  a foreign __repr__ may raise anything; its line must not be lost
        return f"<{type(value).__name__} whose repr fails>"


def _line(plain: dict[str, Any]) -> bytes:
    return _unbroken(plain) + b"\n"


def _unbroken(plain: object) -> bytes:
    """JSON in which nothing breaks a line."""
    data = msgspec.json.encode(plain)
    plainly = data.isascii() and b"\x7f" not in data
    return data if plainly else BREAKING.sub(_escaped, data)


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(found[0].decode())


def _shortened(plain: dict[str, Any]) -> dict[str, Any]:
    """The same event with its texts cut, the least needed first, until it fits."""
    plain = {**plain, "truncated": True}
    error = plain["error"] = dict(plain.get("error", {}))
    for holder, key in ((holder, key) for holder in (plain, error) for key in _NAMES if key in holder):
        holder[key] = holder[key][:_LONGEST_NAME]
    texts = (plain, "raw"), (error, "stack"), (error, "message")
    for holder, key in (*texts, (plain, "attrs"), (plain, "remediation"), (plain, "message")):
        excess = len(_line(plain)) - MAX_BYTES
        if excess > 0 and key in holder:
            holder[key] = _cut(holder[key], excess) if isinstance(holder[key], str) else {}
    return {key: value for key, value in plain.items() if value or key != "error"}


def _cut(text: str, excess: int) -> str:
    """`text` without its end, so that its line is `excess` bytes shorter: of one character up to six."""
    room = len(_unbroken(text)) - excess
    ends = range(1, min(len(text), max(0, room)) + 1)
    return text[: bisect_right(ends, room, key=lambda end: len(_unbroken(text[:end])))]
