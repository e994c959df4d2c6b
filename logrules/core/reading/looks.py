"""What one line is by itself: a log's head, a traceback's beginning, plain. How lines look is remembered."""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Any, NamedTuple

from logrules.core.literals.digits import like
from logrules.core.model import Severity
from logrules.core.reading import heads, jsonlogs, stacks, tracebacks

REACH = 64 * 1024
"""Bytes that a record may look back, and that it may grow to; a longer line counts as its first part only."""
TRACEBACK = tracebacks.HEAD
"""Stated by every record with a traceback, after the exceptions: for what is known of none of them."""
_GOES_ON = re.compile(
    r"(?:future|task|protocol|transport|handle|asyncgen|client_session|connector): <|connections: \["
    r"|\.\.\. \d+ more|Original description:|\([Bb]ackground on this error"
    r"|\[SQL: |\[parameters: |DETAIL:|HINT:|\[b'|[}\])]{1,3}[;,]?$|Caused by: "
    r"|The server responded with: \{"  # Slack
)
_MARGIN = 2
"""Columns by which what is pasted may be moved, as behind the item of a list."""
_GROUP = re.compile(r" +[|+]|\+-[-+]*+(?: \d+ -+)?$")
_MARGINS = (b" ", b"\t", b"\xc2\xa0", b">")
_MARKS = (b"\xff", b"\xfe")
"""How UTF-16 begins."""
_LOUDEST = Severity.CRITICAL.rank
_SHORT, _RECENT = 1024, 256
"""Bytes of a line that is remembered, and how many are: each is looked at more than once."""
KINDS = 2048
"""Lines of which is remembered how all look that differ in their digits alone."""


class Kind(Enum):
    """What a line is at first sight."""

    HEAD = auto()
    JSON = auto()
    BLANK = auto()
    TRACE = auto()
    CHAIN = auto()
    PLAIN = auto()


_BEGINNINGS = frozenset({Kind.HEAD, Kind.JSON})


class _Look(NamedTuple):
    """What a line is by itself."""

    text: str
    stamp: str | None
    """Its prefix's."""
    indent: int
    kind: Kind
    head: heads.Head | None
    margin: int
    """Its block's, which was taken away."""


def _look(raw: bytes) -> _Look:
    text, stamp, margin = heads.line(raw)
    if _GROUP.match(text) and not text.startswith("|"):
        text = text.replace("|", " ", 1).replace("+", " ", 1)  # an exception group's margin
    words = text.lstrip(" \t")
    indent = len(text) - len(words) + tracebacks.is_boxed(words)
    if not words:
        return _Look(text, stamp, indent, Kind.BLANK, None, margin)
    if not indent and jsonlogs.begins(words):
        return _Look(text, stamp, indent, Kind.JSON, None, margin)
    if tracebacks.begins(words):
        return _Look(text, stamp, indent, Kind.TRACE, None, margin)
    if tracebacks.chains(words):
        return _Look(text, stamp, indent, Kind.CHAIN, None, margin)
    head = heads.head(text)
    return _Look(text, stamp, indent, Kind.HEAD if head else Kind.PLAIN, head, margin)


class _Form(NamedTuple):
    """Where all that a line is stands in it: the same place in all lines that are like it."""

    text: int
    stamp: slice | None
    indent: int
    kind: Kind
    level: Severity | None
    headed: slice | None
    """The head's stamp."""
    body: int
    alone: bool
    """Whether no plain line behind it belongs to it, unless that one says so itself…"""
    anew: bool
    """…and whether, behind such a line, it begins a record."""
    margin: int

    def of(self, raw: bytes) -> _Look:
        """What a line of this form is."""
        line = _decoded(raw)
        text, stamp = line[self.text :], self.stamp and line[self.stamp]
        if self.kind is not Kind.HEAD:
            return _Look(text, stamp, self.indent, self.kind, None, self.margin)
        head = heads.Head(self.headed and line[self.headed], self.level, text[self.body :])
        return _Look(text, stamp, self.indent, self.kind, head, self.margin)


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").rstrip()


def _form(raw: bytes, look: _Look) -> _Form | None:
    """The form of a line that was looked at; None where something in it was read differently."""
    line, head = _decoded(raw), look.head
    stamps = [stamp for stamp in (look.stamp, head.stamp if head else None) if stamp]
    body = head.body if head else ""
    if not (
        line.endswith(look.text) and look.text.endswith(body) and all(line.count(x) == 1 for x in stamps)
    ):
        return None
    stamp, headed = (_place(line, each) for each in (look.stamp, head.stamp if head else None))
    level = head.level if head else None
    text = len(line) - len(look.text)
    return _Form(
        text,
        stamp,
        look.indent,
        look.kind,
        level,
        headed,
        len(look.text) - len(body),
        _is_alone(look),
        _is_anew(look),
        look.margin,
    )


def _is_alone(look: _Look) -> bool:
    """Whether a head says nothing that is meant to go on."""
    return look.kind is Kind.HEAD and not (stacks.is_announced(look.text) or look.text.endswith(TRACEBACK))


def _is_anew(look: _Look) -> bool:
    """Whether a line goes on nothing that stands in one line."""
    if look.kind is not Kind.PLAIN:
        return look.kind in _BEGINNINGS
    text = look.text
    return not (look.indent or _goes_on(text) or stacks.is_version(text) or stacks.is_error(text))


def _goes_on(text: str) -> bool:
    """Whether a line is no beginning, though nothing stands before its words."""
    return bool(_GOES_ON.match(text)) or stacks.goes_on(text)


def _place(line: str, part: str | None) -> slice | None:
    return slice(at := line.index(part), at + len(part)) if part else None


_exactly = lru_cache(_RECENT)(_look)
_forms: dict[bytes, _Form | bool] = {}
"""How lines look that were met before; True of those that were met once, False of those that have no form."""


def _remembered(raw: bytes, shape: bytes) -> _Look:
    """The same of a line like others: no expression in all this tells one digit from another."""
    if _forms.get(shape) is False:
        return _exactly(raw)
    if len(_forms) >= KINDS:
        _forms.clear()
    look = _look(raw)
    _forms[shape] = (_form(raw, look) or False) if shape in _forms else True
    return look


def rank(level: Severity | None) -> int:
    """How loud a record is; one without a level may be as loud as any."""
    return _LOUDEST if level is None else level.rank


FRAME, CODE = b'File "', 4
"""A traceback's frame; lines behind one that has a head, which may be of the same traceback: code, marks."""


def is_headed_frame(raw: bytes) -> bool:
    """Whether a line may be a frame behind a head: of it and the next `CODE` none begins a record."""
    return bool(raw[: max(0, raw.find(FRAME))].strip())


def begins(raw: bytes) -> bool:
    """Whether a record begins with a line whatever stands before it, so that a log can be cut there.

    But for `is_headed_frame`: behind one of these it may go on.
    """
    text = heads.ANSI.sub(b"", raw.rstrip(b"\r\n"))
    if len(text) >= REACH or text[:1] in _MARKS or b"\r" in text or b"\0" in text:
        return False
    if text.startswith(_MARGINS):  # whether it is part of a block is told by what stands before it
        return False
    return _look(text + b"\n").kind in _BEGINNINGS


class Line:
    """One line; `takes` may find that it is something else."""

    __slots__ = ("_form", "_raw", "end", "head", "indent", "kind", "like", "margin", "stamp", "start", "text")

    def __init__(self, data: bytes, start: int, end: int, block: bytes = b"") -> None:
        self.start, self.end = start, end
        raw = data[start : min(end, start + REACH)].removeprefix(block)
        # Digits may stand for letters in JSON.
        self.like = like(raw) if end - start <= _SHORT and not raw.startswith(b"{") else None
        form = _forms.get(self.like) if self.like else None
        self._form = form if isinstance(form, _Form) else None
        if self._form is not None:
            self._raw, self.kind, self.indent = raw, self._form.kind, self._form.indent
            self.margin = self._form.margin
            return
        look = _remembered(raw, self.like) if self.like else _look(raw)
        self.text, self.stamp, self.indent, self.kind, self.head, self.margin = look

    def __getattr__(self, name: str) -> Any:
        """What it says, where its form is known: most lines are looked at for their level or kind alone."""
        if name not in {"text", "stamp", "head"} or self._form is None:
            raise AttributeError(name)
        self.text, self.stamp, _, _, self.head, _ = self._form.of(self._raw)
        return getattr(self, name)

    @property
    def rank(self) -> int:
        """How loud the record is that it begins, or any that it does not."""
        if self.kind is not Kind.JSON:
            return rank(self._form.level if self._form else self.head.level if self.head else None)
        fields = jsonlogs.fields(self.text)
        return rank(jsonlogs.read(fields).level if fields is not None else None)

    @property
    def goes_on(self) -> bool:
        """Whether it is no beginning, though nothing stands before its words."""
        return _goes_on(self.text)

    def stands_alone(self, after: Line) -> bool:
        """Whether it is a record by itself, as far as the forms of both of them say."""
        alone = bool(self._form and self._form.alone)
        if after.kind in _BEGINNINGS:
            return alone or not self.begins(after)
        return alone and bool(after._form and after._form.anew)

    def begins(self, after: Line) -> bool:
        """Whether it announces a traceback, of which `after` is the first frame behind a head of its own."""
        opens = self.kind in {Kind.HEAD, Kind.TRACE} and self.text.endswith(TRACEBACK)
        return opens and after.head is not None and tracebacks.is_file(after.head.body.lstrip())

    def unhead(self) -> None:
        """Take its head for a prefix: it is part of what the line before says."""
        look = _look((self.head.body if self.head else self.text).encode("utf-8", "replace"))
        self.text, self.indent, self.kind, self.head = look.text, look.indent, look.kind, None
        if self.kind in _BEGINNINGS:
            self.kind = Kind.PLAIN

    @property
    def counts(self) -> bool:
        """Whether it states something on its own: at column 0, or where those who paste it put it."""
        if not self.indent or tracebacks.is_qualified(words := self.text.lstrip()):
            return True
        pasted = self.indent <= _MARGIN and self.text.startswith(" ")
        return pasted and not (stacks.is_frame(words) or stacks.is_excerpt(self.text))

    @property
    def may_go_on(self) -> bool:
        """Whether it could belong to the line before it."""
        if self.kind is Kind.PLAIN:
            return self.indent > 0 or self.goes_on
        return self.kind not in {Kind.HEAD, Kind.JSON}


def line_at(data: bytes, start: int, block: bytes = b"") -> Line:
    """The line that begins at `start`, without what moves its block."""
    end = data.find(b"\n", start) + 1
    return Line(data, start, end or len(data), block)


def line_after(data: bytes, line: Line) -> Line | None:
    """The line behind another, if there is one."""
    return line_at(data, line.end) if line.end < len(data) else None
