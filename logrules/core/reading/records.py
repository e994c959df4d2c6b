"""Where a record begins and ends.

A record is what a program meant as one message: a line with a log head, or a line of its own, and what
belongs to it: a Python traceback (chained and grouped ones too), a Node or Java stack, wrapped lines.

Nothing in here runs for a line that holds nothing that the scanner looks for, or stands beside one that does.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from logrules.core.literals.search import Hit
from logrules.core.reading import stacks, tracebacks
from logrules.core.reading.drafting import Draft
from logrules.core.reading.looks import CODE, FRAME, REACH, TRACEBACK, Kind, Line, line_after, line_at
from logrules.core.reading.statements import Parsed, read, read_alone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from logrules.core.model import Origin

_MARGIN = re.compile(rb"> ?|(?:[ \t]|\xc2\xa0)*+")
_QUOTATION = b">"
"""How each line of a block begins that Markdown shows as a quotation."""
_NARROWEST = 3
"""Bytes by which a block is moved of which none is a tab: fewer may be a traceback's own."""
_TELLS = re.compile(r"[:=!#@|\[({\u2600-\u27bf\U0001f300-\U0001faff]|\d{3}|[.…]$")
"""What of a line that stands alone, moved, shows that a program has printed it."""


_TRACEBACK = TRACEBACK.encode()


def _none(_wanted: frozenset[int]) -> int:
    return 0


class Window:
    """The last bytes of one origin, and the records that are cut out of them around each hit."""

    def __init__(self, origin: Origin, line: int = 1, floor: Callable[[frozenset[int]], int] = _none) -> None:
        self.origin = origin
        self._floor = floor  # the rank of the lowest level at which one of them counts
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._base = 0  # where the first part stands in the stream
        self._counted = 0  # up to here lines were counted: each byte once
        self._number = line  # …and the next one has this number
        self._done = 0  # up to here every record was handed out
        self._hits: deque[Hit] = deque()
        self._block: bytes | None = None  # by what all lines were moved so far, if any was there
        self._seen = 0  # …and up to where that is known

    @property
    def waits_for(self) -> int | None:
        """Where the first hit stands whose record is not closed yet."""
        return self._hits[0].end if self._hits else None

    def is_idle(self) -> bool:
        """Whether no record is open in which anything was found; forgets what is too old."""
        if self._hits:
            return False
        if self._size > 2 * REACH:
            self._forget()
        return True

    def push(self, data: bytes, hits: list[Hit]) -> None:
        """Adds whole lines and the hits in them."""
        if hits:
            offset = self._base + self._size
            self._hits.extend([Hit(end + offset, wanted) for end, wanted in hits])
        self._parts.append(data)
        self._size += len(data)

    def take(self, seen: float, *, final: bool) -> Iterator[Parsed]:
        """The records with hits that are closed; with `final` the last one too."""
        if self._hits:
            yield from self._cut(self._joined(), seen, final=final)
        self._forget()

    def _joined(self) -> bytes:
        data = b"".join(self._parts)
        self._parts = deque([data])  # what is one already is joined for nothing
        return data

    def _cut(self, data: bytes, seen: float, *, final: bool) -> Iterator[Parsed]:
        after: Line | None = None
        while self._hits:
            at = self._hits[0].end - 1 - self._base
            start = data.rfind(b"\n", 0, at) + 1
            if at < self._done - self._base or at - start > REACH:
                self._hits.popleft()  # part of a record that is out, or the far end of a monstrous line
                continue
            block = self._moved(data, at + 1)
            line = after if after and after.start == start and not block else line_at(data, start, block)
            if self._floor(self._hits[0].wanted) > line.rank:
                self._hits.popleft()  # it begins a record that is too quiet for all of them
                continue
            after = line_after(data, line) if line.kind is Kind.HEAD and not block else None
            alone = after is not None and line.stands_alone(after) and self._opening(data, line) is None
            draft, closed = (None, True) if alone else self._draft(data, line, block)
            if not (closed or final):
                return
            if draft and block and not self._shows_block(data, draft):
                draft = Draft(line_at(data, start))
            first, last = (draft.lines[0], draft.lines[-1]) if draft else (line, line)
            number = self._number_of(data, first.start)
            self._done = last.end + self._base
            hits = self._hits_before(self._done)
            if draft:
                yield read(self.origin, draft, number, hits, seen)
            else:
                yield read_alone(self.origin, line, number, hits, seen)

    def _number_of(self, data: bytes, start: int) -> int:
        """The number of the line that begins at `start`."""
        if start + self._base >= self._counted:
            self._number += data.count(b"\n", self._counted - self._base, start)
            self._counted = start + self._base
            return self._number
        return self._number - data.count(b"\n", start, self._counted - self._base)

    def _hits_before(self, end: int) -> frozenset[int]:
        found = frozenset[int]()
        while self._hits and self._hits[0].end <= end:
            wanted = self._hits.popleft().wanted
            found = found | wanted if found else wanted
        return found

    def _moved(self, data: bytes, end: int) -> bytes:
        """By what all lines up to `end` are moved: the stream is a block that was pasted. It seldom is."""
        while self._block != b"" and self._seen < self._base + end:
            at = self._seen - self._base
            after = data.find(b"\n", at) + 1 or len(data)
            if data[at:after].strip().strip(_QUOTATION):
                margin = self._block or _margin(data, at)
                is_block = data.startswith(margin, at) and _moves(margin)
                self._block = margin if is_block else b""
            self._seen = self._base + after
        return self._block or b""

    def _shows_block(self, data: bytes, draft: Draft) -> bool:
        """Whether there is more of a block than one line: of that the words alone show nothing."""
        first, last = draft.lines[0], draft.lines[-1]
        if data.startswith(_QUOTATION, first.start):
            is_one = all(line.kind is Kind.BLANK for line in draft.lines[1:])
            is_one = is_one and not data.startswith(_QUOTATION, last.end)
            return not is_one or self._base > 0 or bool(data[: first.start].strip())
        is_all = not self._base and len(draft.lines) == 1 and not data[: first.start].strip()
        return not is_all or bool(_TELLS.search(first.text))

    def _draft(self, data: bytes, hit: Line, block: bytes = b"") -> tuple[Draft, bool]:
        """The record around the line `hit`, and whether a line after it closed it."""
        start = self._begin(data, hit, block)
        draft = Draft(line_at(data, start, block))
        at = draft.lines[0].end
        while at < len(data):
            line = line_at(data, at, block)
            is_outside = bool(block) and line.kind is not Kind.BLANK and not data.startswith(block, at)
            if is_outside or not draft.takes(line):
                if draft.lines[-1].end > hit.start:
                    return draft, True
                draft = Draft(line)
            at = line.end
        return draft, draft.lines[0].kind is Kind.JSON

    def _begin(self, data: bytes, line: Line, block: bytes = b"") -> int:
        """Where a record that holds a line may begin at the earliest."""
        start = line.start
        if line.kind is Kind.HEAD:
            return start if (opening := self._opening(data, line)) is None else opening
        floor = max(self._done - self._base, start - REACH, 0)
        while start > floor and line.kind not in {Kind.HEAD, Kind.JSON}:
            before = data.rfind(b"\n", 0, start - 1) + 1
            if before < floor:
                break
            previous = line_at(data, before, block)
            if not (line.may_go_on or previous.indent or previous.kind in {Kind.TRACE, Kind.CHAIN}):
                above = line_at(data, data.rfind(b"\n", 0, max(0, before - 1)) + 1, block)
                if not _is_bridge(line, previous, above):
                    break
            start, line = before, previous
        return start

    def _opening(self, data: bytes, line: Line) -> int | None:
        """Where the traceback begins whose lines all have heads, should `line` be one of them."""
        floor = max(self._done - self._base, line.start - REACH, 0)
        near = line.start
        for _ in range(CODE):
            near = data.rfind(b"\n", floor, max(floor, near - 1)) + 1 or floor
        if data.find(FRAME, near, line.end) < 0:
            return None
        at = data.rfind(_TRACEBACK, floor, line.start)
        return None if at < 0 else max(floor, data.rfind(b"\n", 0, at) + 1)

    def _forget(self) -> None:
        """Drops what no record can reach back to; in large steps, so that single lines stay cheap."""
        keep = REACH
        if self._hits:
            keep += self._base + self._size - self._hits[0].end + REACH
        if self._size <= 2 * keep:
            return
        data = self._joined()
        cut = data.find(b"\n", self._size - keep) + 1
        self._moved(data, cut)
        if self._counted < self._base + cut:
            self._number_of(data, cut)
        self._parts = deque([data[cut:]])
        self._size -= cut
        self._base += cut


def _margin(data: bytes, start: int) -> bytes:
    found = _MARGIN.match(data, start, start + REACH)
    return found[0] if found else b""


def _moves(block: bytes) -> bool:
    """Whether what stands before the words of many lines shows that they were pasted as a block."""
    return len(block) >= _NARROWEST or b"\t" in block or block.startswith(_QUOTATION)


def _is_bridge(line: Line, previous: Line, above: Line) -> bool:
    """Whether `previous`, which begins like a record, stands between two lines of one."""
    if stacks.is_announced(previous.text) or (previous.kind is Kind.HEAD and stacks.is_error(line.text)):
        return True
    if previous.text.endswith(TRACEBACK) or stacks.is_version(line.text):
        return True
    if previous.kind is Kind.BLANK:
        return stacks.is_caret(above.text) or stacks.is_arrow(above.text)
    if stacks.is_arrow(previous.text) or stacks.is_place(previous.text):
        return True
    pointed = tracebacks.points(previous.text) or tracebacks.points(line.text)
    if pointed or tracebacks.is_wrapped(above.text, previous.text):
        return True
    return above.kind is Kind.TRACE and previous.kind is Kind.PLAIN  # code, pasted without its indentation
