"""Lines of a program as events of schema 1, many at once; what is an event already keeps its fields.

A line says nothing of its own but its words and its level: no code. It is cut where an event would grow
longer than one may be, and marked.
"""

from __future__ import annotations

import re

import msgspec

from logrules.core.event import BREAKING, MAX_BYTES, Event, encode
from logrules.core.model import Severity
from logrules.core.output.levels import Levels, whole
from logrules.core.reading import jsonlogs
from logrules.core.reading.heads import ANSI

_SAFE = bytes(set(range(0x20, 0x7F)) - set(b'"\\')) + b"\n"
"""What stands in a JSON text as it is."""
_NO_CONTROL = bytes(range(0x20, 0x100))
_BREAKING = (b"\xe2\x80", b"\xc2", b"\x7f")
_SHORT = {0x09: b"\\t", 0x0D: b"\\r"}
_MARK = b"\x01"
"""Stands for an event among lines of text while these are dealt with: no text has it in it."""
_MARKED, _ESCAPED_MARK = _MARK + b"\n", b"\\u0001\n"
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ODD = frozenset({"record", "_meta", "fields", "short_message", "log"})
"""Keys of objects that say more than what stands in them one beside the other."""
_NAMES = frozenset({"service", "instance"})
_REMEMBERED = 1024


class Wrapper:
    """Makes events of one stream's lines."""

    def __init__(self, service: str, instance: str) -> None:
        self._service = service
        self._instance = instance
        self._names = b'"service":%b,"instance":%b' % (_json(service), _json(instance))
        self._after = b'",%b,"v":1}\n' % self._names
        self._levels = Levels()
        self._stamp = ""
        self._befores: dict[Severity, bytes] = {}
        self._words: dict[tuple[str, bytes, bool], Severity | None] = {}
        """What loggers' own words and numbers for a level have been found to mean."""

    def __call__(self, lines: bytes, stamp: str) -> bytes:
        """Whole lines as events, all with the same time stamp."""
        if b"\x1b" in lines:
            lines = ANSI.sub(b"", lines)
        if b"\r" in lines:  # one byte is found many times as fast as two
            lines = lines.replace(b"\r\n", b"\n")
        if b"{" not in lines or not (lines.startswith(b"{") or b"\n{" in lines):
            return self._texts(lines, [], stamp)
        if _MARK in lines and lines.count(b"\n") > 1:
            return b"".join(self(line, stamp) for line in _each(lines))
        texts, objects = self._sorted(lines, stamp)
        return self._texts(texts, objects, stamp)

    def _sorted(self, lines: bytes, stamp: str) -> tuple[bytes, list[bytes]]:
        """The lines that are mere text, with a mark where an event stood, and these events."""
        texts, objects, at = [], [], 0
        while at < len(lines):
            if lines.startswith(b"{", at):
                end = lines.find(b"\n", at) + 1 or len(lines)
                made = self._object(lines[at:end], stamp)
                if made:
                    objects.append(made)
                texts.append(_MARKED if made else lines[at:end])
            else:
                end = lines.find(b"\n{", at) + 1 or len(lines)
                texts.append(lines[at:end])
            at = end
        return b"".join(texts), objects

    def cut(self, line: bytes, stamp: str) -> bytes:
        """The event of a line of which the end is not to be waited for."""
        line = ANSI.sub(b"", line)
        return self._one(line, self._level_of(line), stamp, cut=True)

    def _texts(self, lines: bytes, objects: list[bytes], stamp: str) -> bytes:
        """Lines that are no JSON: what they say is escaped, all at once."""
        text = _escaped(lines)
        befores, events, parts = self._beginnings(stamp), iter(objects), []
        room = MAX_BYTES - len(self._after) - len(befores[Severity.CRITICAL])
        if len(text) > room and not _fits(text, room):
            each = ((line, self._level_of(line)) for line in _each(lines))
            return b"".join(
                next(events) if line == _MARKED and objects else self._one(line.rstrip(b"\n"), level, stamp)
                for line, level in each
            )
        for start, end, level in whole(text, self._levels.runs(text)):
            before, part = befores[level], text[start:end]
            for at, piece in enumerate(part.split(_ESCAPED_MARK) if objects else (part,)):
                if at:
                    parts.append(next(events))
                if piece:
                    parts += before, piece[:-1].replace(b"\n", self._after + before), self._after
        return b"".join(parts)

    def _beginnings(self, stamp: str) -> dict[Severity, bytes]:
        """How events of each level begin."""
        if stamp != self._stamp:
            self._stamp = stamp
            self._befores = {level: _before(stamp, level) for level in Severity}
        return self._befores

    def _level_of(self, line: bytes) -> Severity:
        """How loud one line is; it is read as it would be among others, escaped."""
        text = _escaped(line)
        ((_, _, level),) = whole(text, self._levels.runs(text))
        return level

    def _one(self, line: bytes, level: Severity, stamp: str, *, cut: bool = False) -> bytes:
        event = Event(
            timestamp=stamp,
            level=level,
            message=line.decode("utf-8", "replace"),
            service=self._service,
            instance=self._instance,
        )
        if cut:
            event.truncated = True
        return encode(event, str)

    def _object(self, line: bytes, stamp: str) -> bytes | None:
        """The event that a line of JSON is; None for one that has no level or no message."""
        try:
            if len(line) <= MAX_BYTES and _is_clean(line) and (made := self._event(line, stamp)):
                return made
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # no JSON at all
        return self._renamed(line, stamp)

    def _event(self, line: bytes, stamp: str) -> bytes | None:
        """A logger's flat object, its level and message by our names; None if it is not as simple as that."""
        fields = _FIELDS.decode(line)
        if not _ODD.isdisjoint(fields):
            return None
        level_name = next((name for name in jsonlogs.LEVEL if name in fields), None)
        name = next((name for name in jsonlogs.MESSAGE if name in fields), None)
        if level_name is None or name is None:
            return None
        level, message = self._level(level_name, fields), bytes(fields[name])
        if level is None or not message.startswith(b'"') or message.startswith((b'""', b'"{')):
            return None
        if name in jsonlogs.WRITTEN and not jsonlogs.CHAT.isdisjoint(fields):
            return None
        if name == "message" and level_name == "level" and bytes(fields["level"]) == b'"%b"' % level.encode():
            return line
        del fields[name]
        fields.pop("level", None)
        time = bytes(fields.pop("timestamp", b"")) or b'"%b"' % stamp.encode()
        parts = [b'{"timestamp":%b,"level":"%b","message":%b' % (time, level.encode(), message)]
        if not fields.keys() & _NAMES:
            parts.append(self._names)
        if fields:
            parts.append(msgspec.json.encode(fields)[1:-1])
        return b",".join(parts) + b"}\n"

    def _level(self, name: str, fields: dict[str, msgspec.Raw]) -> Severity | None:
        key = name, bytes(fields[name]), "pid" in fields or "hostname" in fields
        if key not in self._words:
            if len(self._words) >= _REMEMBERED:
                self._words.clear()
            told = {name: msgspec.json.decode(key[1]), "message": "-", **({"pid": 1} if key[2] else {})}
            self._words[key] = jsonlogs.read(told).level
        return self._words[key]

    def _renamed(self, line: bytes, stamp: str) -> bytes | None:
        """The same for whatever else a logger makes; None for what has no level or no message."""
        try:
            fields = jsonlogs.fields(line.decode("utf-8", "replace").rstrip())
        except (msgspec.MsgspecError, ValueError):
            return None
        said = jsonlogs.read(fields) if fields else None
        if fields is None or said is None or said.level is None or not said.message:
            return None
        own = {"timestamp": stamp, "level": said.level, "message": said.message}
        names = {"service": self._service, "instance": self._instance}
        event = {**own, **names, **fields, "level": said.level, "message": said.message}
        data = BREAKING.sub(_spelled, msgspec.json.encode(event)) + b"\n"
        return (
            data if len(data) <= MAX_BYTES else self._one(said.message.encode(), said.level, stamp, cut=True)
        )


def _is_clean(line: bytes) -> bool:
    """Whether it may go out as it stands. Raises UnicodeDecodeError."""
    return b"\x7f" not in line and (line.isascii() or (bool(line.decode()) and not BREAKING.search(line)))


def _before(stamp: str, level: Severity) -> bytes:
    return b'{"timestamp":"%b","level":"%b","message":"' % (stamp.encode(), level.encode())


def _json(text: str) -> bytes:
    return BREAKING.sub(_spelled, msgspec.json.encode(text.encode("utf-8", "replace").decode()))


def _spelled(found: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(found[0].decode())


def _escaped(text: bytes) -> bytes:
    """`text`, line by line, as the inside of a JSON text; what is no UTF-8 becomes U+FFFD."""
    unsafe = text.translate(None, _SAFE)
    if not unsafe:
        return text
    if not unsafe.isascii():
        try:
            text.decode()
        except UnicodeDecodeError:
            text = text.decode("utf-8", "replace").encode()
    if b"\\" in unsafe:
        text = text.replace(b"\\", b"\\\\")
    if b'"' in unsafe:
        text = text.replace(b'"', b'\\"')
    for control in set(unsafe.translate(None, _NO_CONTROL)):
        text = text.replace(bytes([control]), _SHORT.get(control) or b"\\u%04x" % control)
    if any(sign in unsafe for sign in _BREAKING) and BREAKING.search(text):
        text = BREAKING.sub(_spelled, text)
    return text


def _each(lines: bytes) -> list[bytes]:
    """Whole lines, one by one; `splitlines` would part them at carriage returns, too."""
    return [line + b"\n" for line in lines.split(b"\n")[:-1]]


def _fits(text: bytes, room: int) -> bool:
    """Whether no line of `text` is longer than `room`."""
    at = 0
    while len(text) - at > room:
        end = text.rfind(b"\n", at, at + room + 1) + 1
        if not end:
            return False
        at = end
    return True
