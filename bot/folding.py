"""What a log says again and again is read once: its records that differ in nothing but their time.

A storm of one failure is most of what large logs hold. A record that begins whatever stands before it says
the same wherever it stands: so of each kind the first is read, and those with the earliest and latest time.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from logrules.core.reading.looks import CODE, begins, is_headed_frame

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

LEAST = 64 * 1024
"""Bytes from which it is worth it."""
_TRIED = 256
"""Records after which it is known whether a log repeats itself."""
_SHARE = 0.9
"""Kinds among them at most; else there is little to save."""
_STAMP = re.compile(
    rb"(?m)^(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[T ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
    rb"(?:[.,]\d{1,9})?(?!\d)"
)
"""A time at a line's start; of two with the same digits the lesser one is earlier."""
_SHAPE = bytes.maketrans(b"123456789", b"000000000")
_OTHER_ENDS = (b"\r", b"\0")


class Place(NamedTuple):
    """A record that is read, for all of its kind."""

    at: int
    """Its line in what is read."""
    first: int
    """The line of the first of its kind in the log."""
    last: int
    times: int
    """How many there are; 0 for one that only tells a time."""


class Folded(NamedTuple):
    """What is to be read of a log, from line 1 on."""

    data: bytes
    places: list[Place]

    def place(self, line: int) -> Place:
        """The record that holds a line."""
        return self.places[bisect_right(self.places, line, key=lambda place: place.at) - 1]


class _Record(NamedTuple):
    stamp: bytes
    start: int
    end: int
    line: int


class _Kind:
    """Records that say the same."""

    __slots__ = ("count", "earliest", "first", "last", "latest")

    def __init__(self, first: _Record) -> None:
        self.count = 1
        self.first = self.last = self.earliest = self.latest = first

    def add(self, record: _Record) -> None:
        self.count += 1
        self.last = record
        if record.stamp < self.earliest.stamp:
            self.earliest = record
        elif record.stamp > self.latest.stamp:
            self.latest = record


def folded(data: bytes, line: int) -> Folded | None:
    """What is to be read of whole records of a log, whose first line has this number; None for all of it."""
    if len(data) < LEAST or any(end in data for end in _OTHER_ENDS) or not _STAMP.match(data):
        return None
    kinds: dict[bytes, _Kind] = {}
    for number, (says, record) in enumerate(_records(data, line)):
        if number == _TRIED and len(kinds) > _SHARE * _TRIED:
            return None
        known = kinds.get(says)
        if known:
            known.add(record)
        else:
            kinds[says] = _Kind(record)
    return _chosen(data, kinds.values())


def _records(data: bytes, line: int) -> Iterator[tuple[bytes, _Record]]:
    """Each record, after what it says."""
    is_first: dict[bytes, bool] = {}
    stamps = list(_STAMP.finditer(data))
    ends = [stamp.start() for stamp in stamps[1:]]
    says, record, since = b"", None, CODE
    for stamp, end in zip(stamps, [*ends, len(data)], strict=True):
        start = stamp.start()
        words = stamp[0].translate(_SHAPE) + data[stamp.end() : end]
        begun = is_first.get(words)
        if begun is None:
            begun = is_first[words] = begins(_line(data, start, end))
        since = 0 if is_headed_frame(_line(data, start, end)) else since + 1
        if (begun and since > CODE) or record is None:
            if record:
                yield says, record
            says, record = words, _Record(stamp[0], start, end, line)
        else:
            says, record = says + words, record._replace(end=end)
        line += words.count(b"\n")
    if record:
        yield says, record


def _line(data: bytes, start: int, end: int) -> bytes:
    return data[start : data.find(b"\n", start) + 1 or end]


def _chosen(data: bytes, kinds: Collection[_Kind]) -> Folded:
    """The first of each kind, in order; behind them what else tells when."""
    chosen = [(kind.first, kind, kind.count) for kind in kinds]
    for kind in kinds:
        times = dict.fromkeys(each for each in (kind.earliest, kind.latest) if each is not kind.first)
        chosen += [(each, kind, 0) for each in times]
    places, parts, at = list[Place](), list[bytes](), 1
    for record, kind, count in chosen:
        text = data[record.start : record.end]
        if not text.endswith(b"\n"):
            text += b"\n"
        places.append(Place(at, kind.first.line, kind.last.line, count))
        parts.append(text)
        at += text.count(b"\n")
    return Folded(b"".join(parts), places)
