"""What a record states: the few places in it where words count.

The body behind a log head, the last line of each traceback, an error line at column 0. Words anywhere else
are somebody's prose.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from logrules.core.model import Form, Origin, Record, Severity
from logrules.core.reading import heads, jsonlogs, stacks, tracebacks
from logrules.core.reading.drafting import Draft, drafts
from logrules.core.reading.looks import KINDS, TRACEBACK, Kind, Line

if TYPE_CHECKING:
    from collections.abc import Iterator

STATEMENT = 4096
"""Characters of a statement that are looked at: patterns are anchored at its start."""
CUT_OFF = f"{TRACEBACK} (cut off)"
"""…and whose last line is missing."""
INSIDE = "(cut off) in "
"""…stated with the library's file and function that its last frame names."""
_MARK = re.compile(r"[❌❎✖✗✘⛔🚨💥🔴🛑🚫⚠‼]\ufe0f? {1,3}(?=\w)")
"""What an author who only prints puts before a line where a logger has a head: it says how bad it is."""


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


_lone: dict[bytes, tuple[bool, bool]] = {}
"""Of records that state nothing but their head's words: whether they were logged, and uncaught."""


def read_alone(origin: Origin, line: Line, number: int, hits: frozenset[int], seen: float) -> Parsed:
    """The record of a line with a head that no other line belongs to: most are like one before."""
    known = _lone.get(line.like) if line.like else None
    if known is None or line.head is None:
        parsed = read(origin, Draft(line), number, hits, seen)
        if parsed.like:
            if len(_lone) >= KINDS:
                _lone.clear()
            _lone[parsed.like] = parsed.logged, parsed.uncaught
        return parsed
    record = Record(origin, number, line.text, _time((line.head.stamp, line.stamp), seen), line.head.level)
    return Parsed(record, (_headed(line, number),), *known, hits, None, line.like)


def _headed(line: Line, number: int) -> Statement:
    return Statement(Form.LOG, line.head.body if line.head else "", number)


def _time(stamps: tuple[str | None, ...], seen: float) -> float:
    times = (heads.seconds(each) for each in stamps if each)
    return next((time for time in times if time is not None), seen)


def read(origin: Origin, draft: Draft, number: int, hits: frozenset[int], seen: float) -> Parsed:
    """The record that a draft has become; the log's line `number` is its first."""
    first = draft.lines[0]
    fields = jsonlogs.fields(first.text) if first.kind is Kind.JSON else _spread(draft)
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


def _spread(draft: Draft) -> dict[str, Any] | None:
    """A log's JSON object over several lines: it has a level, as no other object has."""
    if draft.lines[0].text != "{":
        return None
    fields = jsonlogs.fields("\n".join(line.text for line in draft.lines))
    return fields if fields and jsonlogs.read(fields).level else None


def _statements(draft: Draft, number: int) -> Iterator[Statement]:
    first = draft.lines[0]
    if first.head:
        yield Statement(Form.LOG, _text(draft, 0, first.head.body), number)
    elif first.kind in {Kind.PLAIN, Kind.JSON} and first.counts and 0 not in draft.last_lines:
        stack = len(draft.lines) > 1 and stacks.is_frame(draft.lines[1].text.lstrip())
        words = _text(draft, 0, first.text)
        yield Statement(Form.TRACEBACK if stack else Form.LINE, words, number)
        if not stack and _MARK.match(first.text):
            yield Statement(Form.LOG, words, number)
    if draft.quoted or draft.elided:
        return
    yield from _embedded(first.text, number)
    yield from _keyed(first, number)
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


def _unfinished(draft: Draft, number: int) -> Iterator[Statement]:
    """What a traceback states whose last line is missing: by its `raise`, where it was, that it is one."""
    if words := tracebacks.raised(draft.lines[draft.last].text.lstrip()):
        yield Statement(Form.TRACEBACK, words, number + draft.last)
    if place := draft.place:
        yield Statement(Form.TRACEBACK, f"{INSIDE}{place}", number + draft.last)
    if (at := draft.opening) is not None:
        yield Statement(Form.TRACEBACK, draft.lines[at].text.lstrip("> "), number + at)


def _pasted(draft: Draft, number: int) -> Iterator[Statement]:
    """What the lines state into which somebody pasted a traceback, or its `raise`, with the exception."""
    for at, line in enumerate(draft.lines):
        words = tracebacks.pasted(line.text.lstrip())
        if words:
            yield Statement(Form.TRACEBACK, _text(draft, at, words), number + at)


def _embedded(text: str, number: int) -> Iterator[Statement]:
    """What a traceback states that stands in one physical line, its line ends written out."""
    yield from _shown(tracebacks.unescaped(text) or "", number)


def _keyed(first: Line, number: int) -> Iterator[Statement]:
    """What the errors state that a logger names beside the words of its complaint."""
    head = first.head
    if head and head.level and head.level.rank >= Severity.WARNING.rank:
        yield from _shown(jsonlogs.error(head.body), number)


def _shown(text: str, number: int) -> Iterator[Statement]:
    """What a text states that stands in a field of its own."""
    for draft in drafts(text.encode("utf-8", "replace")):
        for each in _statements(draft, number):
            yield Statement(Form.TRACEBACK, each.text, number)


def _text(draft: Draft, at: int, text: str) -> str:
    """A statement's words with the lines that wrap them."""
    size = len(text)
    wrapped = [text]
    for line in draft.lines[at + 1 :]:
        words = line.text.lstrip()
        if line.kind in {Kind.TRACE, Kind.CHAIN, Kind.BLANK} or stacks.is_frame(words) or size > STATEMENT:
            break
        wrapped.append(words)
        size += len(words)
    return "\n".join(wrapped)[:STATEMENT]


def _stacked(message: str, number: int) -> Iterator[Statement]:
    """What the stack states that a message holds below its words: an author's `message: error.stack`."""
    for draft in drafts(message.encode("utf-8", "replace")) if "\n" in message else ():
        for each in _statements(draft, number):
            if each.form is Form.TRACEBACK:
                yield each._replace(line=number)


def _said(said: jsonlogs.Said, number: int) -> Iterator[Statement]:
    """What a JSON line states: its message, and the traceback or stack in it or in another field."""
    message, head, trace = f"\n{said.message}".partition(f"\n{TRACEBACK}")
    if message[1:]:
        yield Statement(Form.LOG, message[1 : STATEMENT + 1], number)
        yield from _stacked(message[1:], number)
    for draft in drafts(f"{head[1:]}{trace}\n{said.stack}".encode("utf-8", "replace")):
        for each in _statements(draft, number):
            if each.form is not Form.LOG:  # loguru repeats the whole line there
                yield Statement(Form.TRACEBACK, each.text, number)
