"""Where a record begins and ends, and what it states.

A record is what a program meant as one message: a line with a log head, or a line of its own, and what
belongs to it: a Python traceback (chained and grouped ones too), a Node or Java stack, wrapped lines.
Its *statements* are the few places in it where words count: the body behind a log head, the last line of each
traceback, an error line at column 0. Words anywhere else are somebody's prose.

Nothing in here runs for a line that holds nothing that the scanner looks for, or stands beside one that does.
"""

from __future__ import annotations

import re
from collections import deque
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from logrules.core.literals.digits import like
from logrules.core.literals.search import Hit
from logrules.core.model import Form, Origin, Record, Severity
from logrules.core.reading import heads, jsonlogs, stacks, tracebacks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REACH = 64 * 1024
"""Bytes that a record may look back, and that it may grow to; a longer line counts as its first part only."""
STATEMENT = 4096
"""Characters of a statement that are looked at: patterns are anchored at its start."""

TRACEBACK = tracebacks.HEAD
"""Stated by every record with a traceback, after the exceptions: for what is known of none of them."""
CUT_OFF = f"{TRACEBACK} (cut off)"
"""…and whose last line is missing."""
ELISION = "..."
"""What documentation, and who pastes less than there was, writes for a traceback's frames."""
INSIDE = "(cut off) in "
"""…stated with the library's file and function that its last frame names."""
_GOES_ON = re.compile(
    r"(?:future|task|protocol|transport|handle|asyncgen|client_session|connector): <|connections: \["
    r"|\.\.\. \d+ more|Original description:|\([Bb]ackground on this error"
    r"|\[SQL: |\[parameters: |DETAIL:|HINT:|\[b'|[}\])]{1,3}[;,]?$|Caused by: "
    r"|The server responded with: \{"  # Slack
)
STACK = '"stack":'
DUMPED = 4
"""Columns by which Node indents an error that it prints behind a message or in an object."""
_DOTNET = 6
"""Columns by which .NET's console indents all of a message but its first line, which is the logger's name."""
_MARGIN = 2
"""Columns by which what is pasted may be moved, as behind the item of a list."""
_GROUP = re.compile(r" +[|+]|\+-[-+]*+(?: \d+ -+)?$")
_RULER = re.compile(r"<{3}[^<>]{0,120}>{3}$|[-=*#~_]{4,}(?: [ \w.:/#-]{0,80} [-=*#~_]{4,})?$")
"""What parts one piece of output from the next: nothing that follows belongs to it."""
_INDENT = re.compile(rb"(?:[ \t]|\xc2\xa0)*+")
_INDENTS = (b" ", b"\t", b"\xc2\xa0")
_NARROWEST = 3
"""Bytes by which a block is moved of which none is a tab: fewer may be a traceback's own."""
_TELLS = re.compile(r"[:=!#@|\[({\u2600-\u27bf\U0001f300-\U0001faff]|\d{3}|[.…]$")
"""What of a line that stands alone, moved, shows that a program has printed it."""
_MARKS = (b"\xff", b"\xfe")
"""How UTF-16 begins."""
_LOUDEST = Severity.CRITICAL.rank
_SHORT, _RECENT = 1024, 256
"""Bytes of a line that is remembered, and how many are: each is looked at more than once."""
_KINDS = 2048
"""Lines of which is remembered how all look that differ in their digits alone."""


class Statement(NamedTuple):
    """Words that count, how they stand, and the number of their line."""

    form: Form
    text: str
    line: int


class Parsed(NamedTuple):
    """A record with what it states and the numbers of what was found in it."""

    record: Record
    statements: tuple[Statement, ...]
    logged: bool
    """Whether it came through a logger, or its traceback was printed by one who caught the exception."""
    uncaught: bool
    """Whether it is the whole traceback of an exception that nobody caught: what ends a process."""
    hits: frozenset[int]
    fields: dict[str, Any] | None
    """A JSON line's own keys."""
    like: bytes | None = None
    """What stands for all that differ in their digits alone, if it states nothing but its head's words."""


class _Kind(Enum):
    HEAD = auto()
    JSON = auto()
    BLANK = auto()
    TRACE = auto()
    CHAIN = auto()
    PLAIN = auto()


_BEGINNINGS = frozenset({_Kind.HEAD, _Kind.JSON})


class _Look(NamedTuple):
    """What a line is by itself."""

    text: str
    stamp: str | None
    """Its prefix's."""
    indent: int
    kind: _Kind
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
        return _Look(text, stamp, indent, _Kind.BLANK, None, margin)
    if not indent and jsonlogs.begins(words):
        return _Look(text, stamp, indent, _Kind.JSON, None, margin)
    if tracebacks.begins(words):
        return _Look(text, stamp, indent, _Kind.TRACE, None, margin)
    if tracebacks.chains(words):
        return _Look(text, stamp, indent, _Kind.CHAIN, None, margin)
    head = heads.head(text)
    return _Look(text, stamp, indent, _Kind.HEAD if head else _Kind.PLAIN, head, margin)


class _Form(NamedTuple):
    """Where all that a line is stands in it: the same place in all lines that are like it."""

    text: int
    stamp: slice | None
    indent: int
    kind: _Kind
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
        if self.kind is not _Kind.HEAD:
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
    return look.kind is _Kind.HEAD and not (stacks.is_announced(look.text) or look.text.endswith(TRACEBACK))


def _is_anew(look: _Look) -> bool:
    """Whether a line goes on nothing that stands in one line."""
    if look.kind is not _Kind.PLAIN:
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
    if len(_forms) >= _KINDS:
        _forms.clear()
    look = _look(raw)
    _forms[shape] = (_form(raw, look) or False) if shape in _forms else True
    return look


def rank(level: Severity | None) -> int:
    """How loud a record is; one without a level may be as loud as any."""
    return _LOUDEST if level is None else level.rank


def begins(raw: bytes) -> bool:
    """Whether a record begins with a line whatever stands before it, so that a log can be cut there."""
    text = heads.ANSI.sub(b"", raw.rstrip(b"\r\n"))
    if len(text) >= REACH or text[:1] in _MARKS or b"\r" in text or b"\0" in text:
        return False
    if text.startswith(_INDENTS):  # whether it is part of a block is told by what stands before it
        return False
    return _look(text + b"\n").kind in _BEGINNINGS


class _Line:
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
        if self.kind is not _Kind.JSON:
            return rank(self._form.level if self._form else self.head.level if self.head else None)
        fields = jsonlogs.fields(self.text)
        return rank(jsonlogs.read(fields).level if fields is not None else None)

    @property
    def goes_on(self) -> bool:
        """Whether it is no beginning, though nothing stands before its words."""
        return _goes_on(self.text)

    def stands_alone(self, after: _Line) -> bool:
        """Whether it is a record by itself, as far as the forms of both of them say."""
        if after.kind in _BEGINNINGS:
            return True
        return bool(self._form and self._form.alone and after._form and after._form.anew)

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
        if self.kind is _Kind.PLAIN:
            return self.indent > 0 or self.goes_on
        return self.kind not in {_Kind.HEAD, _Kind.JSON}


class _Draft:
    """A record while its lines come in."""

    def __init__(self, first: _Line) -> None:
        self.lines = [first]
        self.margin: int | None = None  # the indentation of the traceback that is open
        self.traced = False  # a traceback was begun
        self.quoted = False  # …by somebody who only tells of it
        self.ruled = first.kind is _Kind.PLAIN and bool(_RULER.match(first.text))  # nothing belongs to it
        self.finished = False  # a traceback's last line was seen
        self.chained = False  # …and the words that announce another
        self.blank = False
        self.flat = False  # the line before is a frame without its indentation: what follows is its code
        self.headed = False  # its first line is there
        self.outermost: bool | None = None  # …and its first frame is a module's own; of several, the last's
        self.edge: int | None = None  # the first traceback's indentation; a group's parts stand further in
        # Bun shows code, and so does Prisma.
        self.excerpt = first.kind is _Kind.PLAIN and (
            stacks.is_excerpt(first.text) or stacks.is_arrow(first.text)
        )
        # Code follows, and a caret.
        self.shown = self.excerpt or (first.kind is _Kind.PLAIN and stacks.is_place(first.text))
        self.pointed = False  # the caret was seen: what follows is the error
        self.crashed = first.kind is _Kind.PLAIN and stacks.is_last_word(first.text)
        self.frame: int | None = None  # the number of the line with a stack's first frame
        self.started = False  # …and one of its frames is the program's own start
        self.anonymous = False  # …or the last may be it
        self.last_lines: list[int] = []
        self._follow(first)

    @property
    def quiet(self) -> bool:
        """Whether its head says that nothing is wrong."""
        head = self.lines[0].head
        return bool(head and head.level and head.level.rank < Severity.WARNING.rank)

    @property
    def last(self) -> int:
        """The number of its last line that says anything."""
        return next(at for at in reversed(range(len(self.lines))) if not at or self.lines[at].text.strip())

    @property
    def place(self) -> str | None:
        """Where its last frame stands, if in a library."""
        frames = (line.text.lstrip() for line in reversed(self.lines) if line.kind is _Kind.TRACE)
        return tracebacks.library(next(frames, ""))

    @property
    def opening(self) -> int | None:
        """The number of its first frame, if it is a traceback without its beginning."""
        first = self.lines[0]
        alone = first.kind is _Kind.PLAIN and (first.indent or not tracebacks.is_complaint(first.text))
        if self.headed or not (alone or first.kind is _Kind.TRACE):
            return None
        frames = (at for at, line in enumerate(self.lines) if line.kind is _Kind.TRACE)
        found = next(frames, None)
        return found if found is not None and found < self.last else None  # its code follows

    @property
    def fails(self) -> bool:
        """Whether it names an error above its stack, or a logger calls it one."""
        first = self.lines[0]
        return bool(first.head or self.last_lines or stacks.names_error(first.text))

    @property
    def logged(self) -> bool:
        """Whether a logger wrote its head, or the words before its traceback say that somebody caught it."""
        first = self.lines[0]
        if first.head is not None or (self.traced and tracebacks.is_caught(first.text)):
            return True
        # A stack that is shown without more was printed by one who caught the error.
        shown = self.frame is not None and not (self.crashed or self.started or self.anonymous)
        return shown or (self.headed and self.outermost is False)

    @property
    def uncaught(self) -> bool:
        """Whether it is the traceback of an exception that nobody caught."""
        if self.crashed:
            return True
        told = self.finished or bool(self.last_lines)  # of several the last may be cut off
        return bool(self.outermost and told and not self.quoted and not self.logged)

    def takes(self, line: _Line) -> bool:
        """Whether `line` belongs to it; takes it if so."""
        if self.margin is not None and (words := tracebacks.unquoted(line.text)):
            line.text = words
        elif self.chained and tracebacks.is_quoted(line.text):
            line.text, line.kind = TRACEBACK, _Kind.TRACE
        if (
            self.lines[0].kind is _Kind.JSON
            or line.end - self.lines[0].start > REACH
            or not self._belongs(line)
        ):
            return False
        if line.kind is _Kind.BLANK:
            self.blank = True
        else:
            self._follow(line)
            self.blank = False
        self.lines.append(line)
        return True

    def _belongs(self, line: _Line) -> bool:
        if line.kind in {_Kind.HEAD, _Kind.JSON}:
            return False
        if line.kind is _Kind.BLANK:
            return True
        if self.ruled:
            return False
        if self.shown or stacks.is_version(line.text):
            return self._is_told(line)
        if line.kind is _Kind.CHAIN:
            return self.finished or (self.frame is not None and line.indent > 0)
        return self._goes_on(line)

    def _goes_on(self, line: _Line) -> bool:
        if self.margin is not None:
            shown = line.text.strip() == ELISION or tracebacks.points(line.text)
            flat = not self.blank and (self.flat or shown or line.kind is _Kind.TRACE)
            frame = line.kind is _Kind.TRACE and tracebacks.is_frame(line.text.lstrip())  # loguru leaves gaps
            return flat or frame or line.indent > self.margin or tracebacks.may_end(line.text[self.margin :])
        if line.kind is _Kind.TRACE:
            near = not self.blank or (self.last == 0 and tracebacks.is_caught(self.lines[0].text))
            return self.chained or (near and not self.finished and self._announces(line))
        first = self.lines[0]
        told = self.last == 0 and (stacks.is_announced(first.text) or self._complains(line))
        # Spring leaves a line free between what it says and the exception.
        near = not self.blank or stacks.is_frame(line.text.lstrip()) or stacks.is_qualified(line.text)
        near = near or (self.crashed and line.goes_on)
        if stacks.is_goroutine(line.text) and not (self.crashed or first.head):
            near = tracebacks.is_complaint(first.text)  # else its panic is cut off, and it begins a record
        told = told or (self.crashed and stacks.is_of_go(line.text))
        return near and (self._is_deeper(line) or line.goes_on or told)

    def _is_deeper(self, line: _Line) -> bool:
        """Whether it stands further in than the first line; all of what is pasted may have a margin."""
        first = self.lines[0]
        words = line.text.lstrip()
        of_stack = stacks.is_frame(words) or words.startswith(ELISION)
        alike = first.kind is _Kind.PLAIN and not of_stack
        return line.indent > (first.indent if alike else first.margin)

    def _complains(self, line: _Line) -> bool:
        """Whether a logged error is followed by the exception that it speaks of."""
        head = self.lines[0].head
        loud = bool(head and head.level and head.level.rank >= Severity.ERROR.rank)
        return loud and stacks.is_error(line.text)

    def _is_told(self, line: _Line) -> bool:
        """Whether Node tells it of an error that nobody caught: the code, a caret, the error, its version."""
        if stacks.is_version(line.text):
            return self.frame is not None or bool(self.last_lines)
        if self.pointed or line.indent > 0 or stacks.is_caret(line.text) or stacks.is_excerpt(line.text):
            return True
        return not self.blank and len(self.lines) == 1 and not tracebacks.names_class(line.text)

    def _announces(self, trace: _Line) -> bool:
        """A traceback belongs to a head that may speak of it; an information is not followed by its own."""
        first = self.lines[0]
        if first.head:
            head = first.head
            calm = head.level is None and not tracebacks.is_complaint(head.body)
            told = self.quiet or calm or tracebacks.is_farewell(head.body)
            return trace.indent > first.margin or not told
        return trace.indent > first.margin or tracebacks.is_caught(first.text)

    def _follow(self, line: _Line) -> None:
        number = len(self.lines) if line is not self.lines[0] else 0
        if self._shows(line, number):
            return
        if self.outermost is None:
            self.outermost = tracebacks.outermost(line.text)
        if line.kind is _Kind.TRACE:
            self._open(line)
        elif line.kind is _Kind.CHAIN:
            self.chained = True
        elif self.flat and not tracebacks.names_class(line.text):
            self.flat = False
        elif self.margin is not None and line.text.strip() == ELISION:
            self.quoted = self.quoted or line.indent > 0  # within a text that explains something
        elif self.margin is not None and tracebacks.points(line.text):
            pass
        elif self.margin is not None and line.indent <= self.margin:
            self.last_lines.append(number)
            self.margin, self.finished, self.chained = None, True, False
        elif line.text.endswith(TRACEBACK):  # behind a head in one line; behind anything else it is quoted
            self.margin, self.traced = 0, True
            self.quoted = line.kind is not _Kind.HEAD  # until a frame shows that it is whole, if in Markdown
        else:
            self._stack(line, number)

    def _stack(self, line: _Line, number: int) -> None:
        """What a line of a stack adds: an error, or a call that led to it."""
        words = line.text.lstrip()
        dumped = 0 < line.indent <= DUMPED
        if self.lines[0].kind is _Kind.HEAD:
            dumped = dumped or self.last == 0 or line.indent == _DOTNET
        told = self.lines[-1].text.strip() == STACK  # pino-pretty's
        error = stacks.is_error(words) or tracebacks.is_qualified(words)
        if stacks.is_cause(words) or ((dumped or told) and error):
            self.last_lines.append(number)
        elif stacks.is_unheard(words):
            self.crashed = self.lines[0].head is None
        elif stacks.is_frame(words):
            self.frame = number if self.frame is None else self.frame
            self.started = self.started or stacks.is_outermost(words)
            self.anonymous = stacks.is_anonymous(words)

    def _shows(self, line: _Line, number: int) -> bool:
        """Whether `line` is part of what Node prints around an error that nobody caught."""
        if stacks.is_version(line.text):
            self.crashed = True
        elif self.pointed:
            self.last_lines.append(number)
            self.shown = self.pointed = False
            self.crashed = not self.excerpt  # whose error may be one that was caught, and is only shown
        elif self.shown:
            self.pointed = stacks.is_caret(line.text) or stacks.is_arrow(line.text)
        else:
            return False
        return True

    def _open(self, line: _Line) -> None:
        self.traced = True
        words = line.text.lstrip()
        if tracebacks.is_frame(words):
            self.quoted = self.quoted and not tracebacks.is_quoted(self.lines[0].text)
            self.margin = max(0, line.indent - 2) if self.margin is None else self.margin
            self.flat = line.indent <= self.margin
        else:
            self.margin, self.finished, self.flat = line.indent, False, False
            self.headed = True
            self.edge = line.indent if self.edge is None else self.edge
            if line.indent <= self.edge:
                self.outermost = None  # Python tells the causes first


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
        after: _Line | None = None
        while self._hits:
            at = self._hits[0].end - 1 - self._base
            start = data.rfind(b"\n", 0, at) + 1
            if at < self._done - self._base or at - start > REACH:
                self._hits.popleft()  # part of a record that is out, or the far end of a monstrous line
                continue
            block = self._moved(data, at + 1)
            line = after if after and after.start == start and not block else _line(data, start, block)
            if self._floor(self._hits[0].wanted) > line.rank:
                self._hits.popleft()  # it begins a record that is too quiet for all of them
                continue
            after = _next(data, line) if line.kind is _Kind.HEAD and not block else None
            alone = after is not None and line.stands_alone(after)
            draft, closed = (None, True) if alone else self._draft(data, line, block)
            if not (closed or final):
                return
            if draft and block and not self._shows_block(data, draft):
                draft = _Draft(_line(data, start))
            first, last = (draft.lines[0], draft.lines[-1]) if draft else (line, line)
            number = self._number_of(data, first.start)
            self._done = last.end + self._base
            hits = self._hits_before(self._done)
            if draft:
                yield _parsed(self.origin, draft, number, hits, seen)
            else:
                yield _alone(self.origin, line, number, hits, seen)

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
            if data[at:after].strip():
                indent = self._block or _indent(data, at)
                is_block = data.startswith(indent, at) and _moves(indent)
                self._block = indent if is_block else b""
            self._seen = self._base + after
        return self._block or b""

    def _shows_block(self, data: bytes, draft: _Draft) -> bool:
        """Whether there is more of a block than one line: of that the words alone show nothing."""
        first = draft.lines[0]
        is_all = not self._base and len(draft.lines) == 1 and not data[: first.start].strip()
        return not is_all or bool(_TELLS.search(first.text))

    def _draft(self, data: bytes, hit: _Line, block: bytes = b"") -> tuple[_Draft, bool]:
        """The record around the line `hit`, and whether a line after it closed it."""
        start = self._begin(data, hit, block)
        draft = _Draft(_line(data, start, block))
        at = draft.lines[0].end
        while at < len(data):
            line = _line(data, at, block)
            is_outside = bool(block) and line.kind is not _Kind.BLANK and not data.startswith(block, at)
            if is_outside or not draft.takes(line):
                if draft.lines[-1].end > hit.start:
                    return draft, True
                draft = _Draft(line)
            at = line.end
        return draft, draft.lines[0].kind is _Kind.JSON

    def _begin(self, data: bytes, line: _Line, block: bytes = b"") -> int:
        """Where a record that holds a line may begin at the earliest."""
        start = line.start
        floor = max(self._done - self._base, start - REACH, 0)
        while start > floor and line.kind not in {_Kind.HEAD, _Kind.JSON}:
            before = data.rfind(b"\n", 0, start - 1) + 1
            if before < floor:
                break
            previous = _line(data, before, block)
            if not (line.may_go_on or previous.indent or previous.kind in {_Kind.TRACE, _Kind.CHAIN}):
                above = _line(data, data.rfind(b"\n", 0, max(0, before - 1)) + 1, block)
                if not _is_bridge(line, previous, above):
                    break
            start, line = before, previous
        return start

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


def _line(data: bytes, start: int, block: bytes = b"") -> _Line:
    end = data.find(b"\n", start) + 1
    return _Line(data, start, end or len(data), block)


def _next(data: bytes, line: _Line) -> _Line | None:
    return _line(data, line.end) if line.end < len(data) else None


def _indent(data: bytes, start: int) -> bytes:
    found = _INDENT.match(data, start, start + REACH)
    return found[0] if found else b""


def _moves(block: bytes) -> bool:
    """Whether what stands before the words of many lines shows that they were pasted as a block."""
    return len(block) >= _NARROWEST or b"\t" in block


def _is_bridge(line: _Line, previous: _Line, above: _Line) -> bool:
    """Whether `previous`, which begins like a record, stands between two lines of one."""
    if stacks.is_announced(previous.text) or (previous.kind is _Kind.HEAD and stacks.is_error(line.text)):
        return True
    if previous.text.endswith(TRACEBACK) or stacks.is_version(line.text):
        return True
    if previous.kind is _Kind.BLANK:
        return stacks.is_caret(above.text) or stacks.is_arrow(above.text)
    if stacks.is_arrow(previous.text) or stacks.is_place(previous.text):
        return True
    if tracebacks.points(previous.text) or tracebacks.points(line.text):
        return True
    return above.kind is _Kind.TRACE and previous.kind is _Kind.PLAIN  # code, pasted without its indentation


_lone: dict[bytes, tuple[bool, bool]] = {}
"""Of records that state nothing but their head's words: whether they were logged, and uncaught."""


def _alone(origin: Origin, line: _Line, number: int, hits: frozenset[int], seen: float) -> Parsed:
    """The record of a line with a head that no other line belongs to: most are like one before."""
    known = _lone.get(line.like) if line.like else None
    if known is None or line.head is None:
        parsed = _parsed(origin, _Draft(line), number, hits, seen)
        if parsed.like:
            if len(_lone) >= _KINDS:
                _lone.clear()
            _lone[parsed.like] = parsed.logged, parsed.uncaught
        return parsed
    record = Record(origin, number, line.text, _time((line.head.stamp, line.stamp), seen), line.head.level)
    return Parsed(record, (_headed(line, number),), *known, hits, None, line.like)


def _headed(line: _Line, number: int) -> Statement:
    return Statement(Form.LOG, line.head.body if line.head else "", number)


def _time(stamps: tuple[str | None, ...], seen: float) -> float:
    times = (heads.seconds(each) for each in stamps if each)
    return next((time for time in times if time is not None), seen)


def _parsed(origin: Origin, draft: _Draft, number: int, hits: frozenset[int], seen: float) -> Parsed:
    first = draft.lines[0]
    fields = jsonlogs.fields(first.text) if first.kind is _Kind.JSON else _spread(draft)
    if fields is not None:
        said = jsonlogs.read(fields)
        stamp, level = said.stamp, said.level
        # An object without a message is no log line: an API's answer, which stands for itself.
        statements = tuple(_said(said, number)) or tuple(_statements(draft, number))
    else:
        stamp, level, _ = first.head or (None, None, "")
        statements = tuple(_statements(draft, number))
    time = _time((stamp, first.stamp), seen)
    text = "\n".join(line.text for line in draft.lines).rstrip()
    logged = draft.logged or fields is not None
    record = Record(origin, number, text, time, level)
    plain = len(draft.lines) == 1 and first.head and statements == (_headed(first, number),)
    return Parsed(record, statements, logged, draft.uncaught, hits, fields, first.like if plain else None)


def _spread(draft: _Draft) -> dict[str, Any] | None:
    """A log's JSON object over several lines: it has a level, as no other object has."""
    if draft.lines[0].text != "{":
        return None
    fields = jsonlogs.fields("\n".join(line.text for line in draft.lines))
    return fields if fields and jsonlogs.read(fields).level else None


def _statements(draft: _Draft, number: int) -> Iterator[Statement]:
    first = draft.lines[0]
    if first.head:
        yield Statement(Form.LOG, _text(draft, 0, first.head.body), number)
    elif first.kind in {_Kind.PLAIN, _Kind.JSON} and first.counts and 0 not in draft.last_lines:
        stack = len(draft.lines) > 1 and stacks.is_frame(draft.lines[1].text.lstrip())
        yield Statement(Form.TRACEBACK if stack else Form.LINE, _text(draft, 0, first.text), number)
    if draft.quoted:
        return
    yield from _embedded(first.text, number)
    yield from _pasted(draft, number)
    if inner := stacks.inner(first.text):
        yield Statement(Form.TRACEBACK, inner, number)
    for at in draft.last_lines:
        yield Statement(Form.TRACEBACK, _text(draft, at, draft.lines[at].text.lstrip()), number + at)
    if draft.margin is not None:
        yield from _unfinished(draft, number)
    if draft.frame is not None and draft.fails:  # for errors of which nothing more is known
        yield Statement(Form.TRACEBACK, draft.lines[draft.frame].text.lstrip(), number + draft.frame)
    if draft.traced:
        yield Statement(Form.TRACEBACK, TRACEBACK if draft.margin is None else CUT_OFF, number)


def _unfinished(draft: _Draft, number: int) -> Iterator[Statement]:
    """What a traceback states whose last line is missing: by its `raise`, where it was, that it is one."""
    if words := tracebacks.raised(draft.lines[draft.last].text.lstrip()):
        yield Statement(Form.TRACEBACK, words, number + draft.last)
    if place := draft.place:
        yield Statement(Form.TRACEBACK, f"{INSIDE}{place}", number + draft.last)
    if (at := draft.opening) is not None:
        yield Statement(Form.TRACEBACK, draft.lines[at].text.lstrip("> "), number + at)


def _pasted(draft: _Draft, number: int) -> Iterator[Statement]:
    """What the lines state into which somebody pasted a traceback, or its `raise`, with the exception."""
    for at, line in enumerate(draft.lines):
        words = tracebacks.pasted(line.text.lstrip())
        if words:
            yield Statement(Form.TRACEBACK, _text(draft, at, words), number + at)


def _embedded(text: str, number: int) -> Iterator[Statement]:
    """What a traceback states that stands in one physical line, its line ends written out."""
    for draft in _drafts((tracebacks.unescaped(text) or "").encode("utf-8", "replace")):
        for each in _statements(draft, number):
            yield Statement(Form.TRACEBACK, each.text, number)


def _text(draft: _Draft, at: int, text: str) -> str:
    """A statement's words with the lines that wrap them."""
    size = len(text)
    wrapped = [text]
    for line in draft.lines[at + 1 :]:
        words = line.text.lstrip()
        if line.kind in {_Kind.TRACE, _Kind.CHAIN, _Kind.BLANK} or stacks.is_frame(words) or size > STATEMENT:
            break
        wrapped.append(words)
        size += len(words)
    return "\n".join(wrapped)[:STATEMENT]


def _said(said: jsonlogs.Said, number: int) -> Iterator[Statement]:
    """What a JSON line states: its message, and the traceback or stack in it or in another field."""
    message, head, trace = f"\n{said.message}".partition(f"\n{TRACEBACK}")
    if message[1:]:
        yield Statement(Form.LOG, message[1 : STATEMENT + 1], number)
    for draft in _drafts(f"{head[1:]}{trace}\n{said.stack}".encode("utf-8", "replace")):
        for each in _statements(draft, number):
            if each.form is not Form.LOG:  # loguru repeats the whole line there
                yield Statement(Form.TRACEBACK, each.text, number)


def _drafts(data: bytes) -> Iterator[_Draft]:
    """Every record of a text that is whole."""
    draft = None
    at = 0
    while at < len(data):
        line = _line(data, at)
        at = line.end
        if draft is None or not draft.takes(line):
            if draft:
                yield draft
            draft = _Draft(line)
    if draft:
        yield draft
