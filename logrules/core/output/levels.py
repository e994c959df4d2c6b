"""How loud each line of a stream is, for many lines at once.

A line is as loud as the level that stands in its head, or in its JSON or logfmt; the lines of a traceback,
and those that are indented, are as loud as the line that they continue. What says nothing is an information,
whatever stream it came on: Python's own logging writes everything to standard error.

No line is looked at in which no word for another level stands.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from logrules.core.literals.scanner import Literal, Scanner
from logrules.core.model import Severity
from logrules.core.reading import heads

if TYPE_CHECKING:
    from collections.abc import Iterator

FARTHEST = 200
"""Bytes of a line in which its level stands; in JSON it may stand anywhere."""

_TRACEBACK = b"Traceback (most recent call last)"
_CHAINED = (b"During handling of", b"The above exception", b"Traceback (")
_WORDS = {word.lower().encode(): heads.severity(word) for word in heads.LEVELS if word.isascii()}
_ROOTS = tuple(
    b"debug trace verbose silly dbg trc debu warn wrn err severe exception crit fatal panic alert emerg fata "
    b"ftl pnc".split()
)
"""How the words for every level but info begin; a longer one is met by its beginning."""
_NUMBERED = tuple(b'"level":%d' % first for first in (1, 2, 4, 5, 6))
_SCANNER = Scanner(
    [
        *(Literal(root, caseless=True) for root in _ROOTS),
        *(Literal(number) for number in _NUMBERED),
        Literal(_TRACEBACK),
    ]
)

_WORD = re.compile(rb"(?i:" + b"|".join(sorted(_WORDS, reverse=True)) + rb")(?![A-Za-z0-9_])")
_IS_CLOSED = re.compile(rb" {0,5}[\])>]|:(?:\s|$)")
"""What must follow a level in small letters."""
_CLASS = re.compile(rb"(?:[a-z_]\w*\.){0,9}[A-Z]\w{0,80}(?:Error|Exception)(?=:? |:?\r?\n)")
_KEY = re.compile(
    rb'(?:["{ ,]|^)(?:level|severity|levelname|loglevel|log\.level|lvl)(?:\\?"? ?[:=] ?\\?"?)\Z',
    re.IGNORECASE,
)
_CALM = re.compile(
    rb"(?<![A-Za-z])(?:INFO|INFORMATION|NOTICE|SUCCESS|LOG|(?i:info|notice)(?= {0,10}[\])>:]))(?![A-Za-z_])"
)
_PROSE = re.compile(
    rb"(?<!\w)[a-z]{2,20}(?:[,.]? [a-z]{2,20}[:, ]|: ?['\"`])"
    rb"|[\xc3-\xf4][\x80-\xbf]+[,.]? [\xc3-\xdf][\x80-\xbf]"
)
"""Two small words in a row, or one before a quotation: somebody speaks there, it is no logger's head."""
_NUMBER = re.compile(rb"\d{1,3}")
_QUOTES = (b'"', b"'", b"`")
_INDENTED = (b" ", b"\t", b"\\t")
"""How a line begins that is indented; the last is a tab in a text escaped for JSON."""
_CONTINUED = b" \t\r\n\\"
"""The first byte of a line that may continue the one before it, tracebacks apart."""
_DIGITS = b"0123456789"
_REMEMBERED = 4096
_REST = 6
"""Bytes behind the beginning of a level's word in which the word ends, and what closes it."""


Run = tuple[int, int, Severity]
"""Lines of one level, from one offset to another."""


class Levels:
    """One stream; remembers what its last line was, for those that continue it."""

    def __init__(self) -> None:
        self._level = Severity.INFO
        self._in_frames = False
        """A traceback's last line is still to come."""
        self._traced = False
        """…or has just come: another traceback may follow."""
        self._judged: dict[bytes, Severity | None] = {}

    def runs(self, lines: bytes) -> list[Run]:
        """Those of whole lines that are no mere information, in order."""
        runs: list[Run] = []
        done = self._go_on(lines, 0, runs)
        size = len(lines)
        for end, literal in _SCANNER.scan(lines):
            if end <= done:
                continue
            start = lines.rfind(b"\n", 0, end) + 1
            level = self._told(lines, start, end, literal)
            if level is None:
                continue
            done = lines.find(b"\n", end) + 1 or size
            self._level, self._traced = level, False
            runs.append((start, done, level))
            if self._in_frames or (done < size and lines[done] in _CONTINUED):
                done = self._go_on(lines, done, runs)
        if done < size:
            self._level, self._in_frames, self._traced = Severity.INFO, False, False
        return runs

    def _go_on(self, lines: bytes, at: int, runs: list[Run]) -> int:
        """Where the lines end that continue the one before `at`."""
        begun = at
        if self._level is not Severity.INFO:
            while at < len(lines) and self._continues(lines, at):
                at = lines.find(b"\n", at) + 1 or len(lines)
        if at > begun:
            runs.append((begun, at, self._level))
        return at

    def _continues(self, lines: bytes, at: int) -> bool:
        if lines.startswith(_INDENTED, at):
            return True
        if lines[at] in b"\r\n":
            return self._in_frames or self._traced
        if self._in_frames:
            self._in_frames = lines.startswith(_CHAINED[-1], at)
            self._traced = not self._in_frames
            return True
        if self._traced and lines.startswith(_CHAINED, at):
            self._in_frames = lines.startswith(_CHAINED[-1], at)
            return True
        return False

    def _told(self, lines: bytes, start: int, end: int, literal: int) -> Severity | None:
        """The level that the line at `start` has by what was found in it before `end`."""
        if literal == len(_ROOTS) + len(_NUMBERED):
            if lines[start : end - len(_TRACEBACK)].strip(b" \t|+>"):
                return None  # it is told of
            self._in_frames = True
            return self._level if self._level.rank > Severity.ERROR.rank else Severity.ERROR
        self._in_frames = False
        if literal < len(_ROOTS) and not lines.startswith(b"{", start):
            at = end - len(_ROOTS[literal])
            return self._of_head(lines, start, at, end) if at - start <= FARTHEST else None
        if literal >= len(_ROOTS):
            number = _NUMBER.match(lines, end - 1)
            return heads.pino(int(number[0])) if number else None
        at = end - len(_ROOTS[literal])
        word = _WORD.match(lines, at)
        return _WORDS[word[0].lower()] if word and _KEY.search(lines[max(start, at - 24) : at]) else None

    def _of_head(self, lines: bytes, start: int, at: int, end: int) -> Severity | None:
        """The same for a line like many others: one that differs in digits alone has been judged already."""
        shape = lines[start : end + _REST].translate(None, _DIGITS)
        level = self._judged.get(shape, self)
        if isinstance(level, Levels):
            if len(self._judged) >= _REMEMBERED:
                self._judged.clear()
            level = self._judged[shape] = _judge(lines, start, at)
        return level


def _judge(lines: bytes, start: int, at: int) -> Severity | None:
    """The level that the line at `start` has by the word at `at`, or by the exception that it begins with."""
    word = _WORD.match(lines, at)
    if word is not None and _heads(word[0], lines[start:at], lines[word.end() : word.end() + _REST]):
        return _WORDS[word[0].lower()]
    return Severity.ERROR if _CLASS.match(lines, start) else None


def _heads(word: bytes, before: bytes, after: bytes) -> bool:
    """Whether a logger may have written `word` as a line's level."""
    if _KEY.search(before[-24:]):
        return True
    if before.endswith(_QUOTES):
        return False
    if not word.isupper() and not (_IS_CLOSED.match(after) and _stands_alone(before)):
        return False
    return not (before[-1:].isalnum() or _CALM.search(before) or _PROSE.search(before))


def _stands_alone(before: bytes) -> bool:
    """Whether a word in small letters is not the second of two."""
    last = before[-2:]
    return not last or not (last[-1:].isalnum() or (last[-1:] == b" " and last[:1].isalpha()))


def whole(lines: bytes, runs: list[Run]) -> Iterator[Run]:
    """`runs` with those between them: all of `lines`."""
    at = 0
    for run in runs:
        if at < run[0]:
            yield at, run[0], Severity.INFO
        yield run
        at = run[1]
    if at < len(lines):
        yield at, len(lines), Severity.INFO
