"""Which lines belong to one record: what a program printed as one message."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from logrules.core.model import Severity
from logrules.core.reading import stacks, tracebacks
from logrules.core.reading.looks import REACH, TRACEBACK, Kind, Line, line_at

if TYPE_CHECKING:
    from collections.abc import Iterator

ELISION = "..."
"""What documentation, and who pastes less than there was, writes for a traceback's frames."""
STACK = '"stack":'
DUMPED = 4
"""Columns by which Node indents an error that it prints behind a message or in an object."""
_DOTNET = 6
"""Columns by which .NET's console indents all of a message but its first line, which is the logger's name."""
_RULER = re.compile(r"<{3}[^<>]{0,120}>{3}$|[-=*#~_]{4,}(?: [ \w.:/#-]{0,80} [-=*#~_]{4,})?$")
"""What parts one piece of output from the next: nothing that follows belongs to it."""


class Draft:
    """A record while its lines come in."""

    def __init__(self, first: Line) -> None:
        self.lines = [first]
        self.margin: int | None = None  # the indentation of the traceback that is open
        self.traced = False  # a traceback was begun
        self.quoted = False  # …by somebody who only tells of it
        self.framed = False  # …and shows a frame
        self.elided = False  # …with dots for all of its frames, as in a text that explains something
        self.ruled = first.kind is Kind.PLAIN and bool(_RULER.match(first.text))  # nothing belongs to it
        self.each = False  # …and each of its lines has the head that its first has
        self.finished = False  # a traceback's last line was seen
        self.chained = False  # …and the words that announce another
        self.blank = False
        self.flat = False  # the line before is a frame without its indentation: what follows is its code
        self.headed = False  # its first line is there
        self.outermost: bool | None = None  # …and its first frame is a module's own; of several, the last's
        self.edge: int | None = None  # the first traceback's indentation; a group's parts stand further in
        # Bun shows code, and so does Prisma.
        self.excerpt = first.kind is Kind.PLAIN and (
            stacks.is_excerpt(first.text) or stacks.is_arrow(first.text)
        )
        # Code follows, and a caret.
        self.shown = self.excerpt or (first.kind is Kind.PLAIN and stacks.is_place(first.text))
        self.pointed = False  # the caret was seen: what follows is the error
        self.crashed = first.kind is Kind.PLAIN and stacks.is_last_word(first.text)
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
        frames = (line.text.lstrip() for line in reversed(self.lines) if line.kind is Kind.TRACE)
        return tracebacks.library(next(frames, ""))

    @property
    def opening(self) -> int | None:
        """The number of its first frame, if it is a traceback without its beginning."""
        first = self.lines[0]
        alone = first.kind is Kind.PLAIN and (first.indent or not tracebacks.is_complaint(first.text))
        if self.headed or not (alone or first.kind is Kind.TRACE):
            return None
        frames = (at for at, line in enumerate(self.lines) if line.kind is Kind.TRACE)
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
        return bool(self.outermost and told and not (self.quoted or self.elided or self.logged))

    def takes(self, line: Line) -> bool:
        """Whether `line` belongs to it; takes it if so."""
        if self.margin is not None and (words := tracebacks.unquoted(line.text)):
            line.text = words
        elif self.chained and tracebacks.is_quoted(line.text):
            line.text, line.kind = TRACEBACK, Kind.TRACE
        if self.traced and line.kind is Kind.HEAD and self._repeats(line):
            line.unhead()
        if (
            self.lines[0].kind is Kind.JSON
            or line.end - self.lines[0].start > REACH
            or not self._belongs(line)
        ):
            return False
        if line.kind is Kind.BLANK:
            self.blank = True
        else:
            self._follow(line)
            self.blank = False
        self.lines.append(line)
        return True

    def _repeats(self, line: Line) -> bool:
        """Whether `line` has the same head as the one before it, for both are of one traceback."""
        first, head = self.lines[0], line.head
        if head is None or head.level != (first.head.level if first.head else None):
            return False
        if not self.each:
            self.each = first.begins(line)
            return self.each
        if self.finished:
            return tracebacks.chains(head.body) or (self.chained and tracebacks.begins(head.body))
        ends = tracebacks.points(head.body) or tracebacks.may_end(head.body)
        return self.flat or ends or head.body.startswith(" ") or tracebacks.begins(head.body)

    def _belongs(self, line: Line) -> bool:
        if line.kind in {Kind.HEAD, Kind.JSON}:
            return False
        if line.kind is Kind.BLANK:
            return True
        if self.ruled:
            return False
        if self.shown or stacks.is_version(line.text):
            return self._is_told(line)
        if line.kind is Kind.CHAIN:
            return self.finished or (self.frame is not None and line.indent > 0)
        return self._goes_on(line)

    def _goes_on(self, line: Line) -> bool:
        if self.margin is not None:
            if self._wrapped(line):
                return True
            shown = line.text.strip() == ELISION or tracebacks.points(line.text)
            flat = not self.blank and (self.flat or shown or line.kind is Kind.TRACE)
            frame = line.kind is Kind.TRACE and tracebacks.is_frame(line.text.lstrip())  # loguru leaves gaps
            return flat or frame or line.indent > self.margin or tracebacks.may_end(line.text[self.margin :])
        if line.kind is Kind.TRACE:
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

    def _wrapped(self, line: Line) -> bool:
        """Whether a console has cut the line before, so that this is its rest."""
        return not self.blank and tracebacks.is_wrapped(self.lines[-1].text, line.text)

    def _is_deeper(self, line: Line) -> bool:
        """Whether it stands further in than the first line; all of what is pasted may have a margin."""
        first = self.lines[0]
        words = line.text.lstrip()
        of_stack = stacks.is_frame(words) or words.startswith(ELISION)
        alike = first.kind is Kind.PLAIN and not of_stack
        return line.indent > (first.indent if alike else first.margin)

    def _complains(self, line: Line) -> bool:
        """Whether a logged error is followed by the exception that it speaks of."""
        head = self.lines[0].head
        loud = bool(head and head.level and head.level.rank >= Severity.ERROR.rank)
        return loud and stacks.is_error(line.text)

    def _is_told(self, line: Line) -> bool:
        """Whether Node tells it of an error that nobody caught: the code, a caret, the error, its version."""
        if stacks.is_version(line.text):
            return self.frame is not None or bool(self.last_lines)
        if self.pointed or line.indent > 0 or stacks.is_caret(line.text) or stacks.is_excerpt(line.text):
            return True
        return not self.blank and len(self.lines) == 1 and not tracebacks.names_class(line.text)

    def _announces(self, trace: Line) -> bool:
        """A traceback belongs to a head that may speak of it; an information is not followed by its own."""
        first = self.lines[0]
        if first.head:
            head = first.head
            calm = head.level is None and not tracebacks.is_complaint(head.body)
            told = self.quiet or calm or tracebacks.is_farewell(head.body)
            return trace.indent > first.margin or not told
        return trace.indent > first.margin or tracebacks.is_caught(first.text)

    def _follow(self, line: Line) -> None:
        number = len(self.lines) if line is not self.lines[0] else 0
        if self._shows(line, number):
            return
        if self.outermost is None:
            self.outermost = tracebacks.outermost(line.text)
        if line.kind is Kind.TRACE:
            self._open(line)
        elif line.kind is Kind.CHAIN:
            self.chained = True
        elif self.flat and not tracebacks.names_class(line.text):
            self.flat = False
        elif self.margin is not None and line.text.strip() == ELISION:
            self.elided = self.elided or (line.indent > 0 and not self.framed)
        elif self.margin is not None and (tracebacks.points(line.text) or self._wrapped(line)):
            pass
        elif self.margin is not None and line.indent <= self.margin:
            self.last_lines.append(number)
            self.margin, self.finished, self.chained = None, True, False
        elif line.text.endswith(TRACEBACK):  # behind a head in one line; behind anything else it is quoted
            self.margin, self.traced = 0, True
            self.quoted = line.kind is not Kind.HEAD  # until a frame shows that it is whole, if in Markdown
        else:
            self._stack(line, number)

    def _stack(self, line: Line, number: int) -> None:
        """What a line of a stack adds: an error, or a call that led to it."""
        words = line.text.lstrip()
        dumped = 0 < line.indent <= DUMPED
        if self.lines[0].kind is Kind.HEAD:
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

    def _shows(self, line: Line, number: int) -> bool:
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

    def _open(self, line: Line) -> None:
        self.traced = True
        words = line.text.lstrip()
        if tracebacks.is_frame(words):
            self.framed, self.elided = True, False  # who leaves out some frames has a log
            self.quoted = self.quoted and not tracebacks.is_quoted(self.lines[0].text)
            self.margin = max(0, line.indent - 2) if self.margin is None else self.margin
            self.flat = line.indent <= self.margin
        else:
            self.margin, self.finished, self.flat = line.indent, False, False
            self.headed = True
            self.edge = line.indent if self.edge is None else self.edge
            if line.indent <= self.edge:
                self.outermost = None  # Python tells the causes first


def drafts(data: bytes) -> Iterator[Draft]:
    """Every record of a text that is whole."""
    draft = None
    at = 0
    while at < len(data):
        line = line_at(data, at)
        at = line.end
        if draft is None or not draft.takes(line):
            if draft:
                yield draft
            draft = Draft(line)
    if draft:
        yield draft
