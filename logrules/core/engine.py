"""Bytes in, decisions out: `feed` → scan → records → what they state → effects.

The engine keeps the last bytes of each origin and what is still to be proved; it keeps no incident.
It reads no clock: `deadline` says when `tick` is due.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from logrules.core import belief
from logrules.core.belief import Policy
from logrules.core.effects import Annotate, Probe
from logrules.core.fatality import is_fatal
from logrules.core.literals.search import REACH, last_lines
from logrules.core.match import Match
from logrules.core.model import EVENTS, Chunk, Origin
from logrules.core.reading.heads import plain
from logrules.core.reading.lines import Lines
from logrules.core.reading.records import Window
from logrules.core.reading.statements import Parsed
from logrules.core.ruleset.rulebook import words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from logrules.core.effects import Effect
    from logrules.core.ruleset.rulebook import Found, Rulebook

__all__ = ["Engine", "Policy", "classify", "parse"]

PATIENCE = 0.2
"""Seconds that a record which could still go on is waited for."""
_TEXT = Origin("text", "-", "text")
_FEW = 1024
"""Bytes of lines that are kept as they are: it would cost more to look which of them are the last."""
EVIDENCE = 8000
"""Characters of a record that a match carries: of a longer one how it begins and how it ends."""


class _Stream:
    """One origin: the bytes of its unfinished line, and the window over those that are whole."""

    def __init__(self, origin: Origin, rulebook: Rulebook, line: int = 1) -> None:
        self.lines = Lines()
        self.window = Window(origin, line, rulebook.floor)
        self._hits = rulebook.hits
        self.deadline: float | None = None
        self.waits_for: int | None = None
        self._before: deque[bytes] = deque(maxlen=REACH)
        """The last lines, at least so many: what is wanted may have begun in them."""

    def push(self, lines: bytes) -> None:
        """Takes whole lines, and what is found in them, as it is read."""
        lines = plain(lines)
        if not lines:
            return
        self.window.push(lines, self._hits(lines, self._before))
        if len(lines) <= _FEW:
            self._before.append(lines)
        else:
            self._before.extend(last_lines(lines))


class Engine:
    """Classifies what many streams say and decides what follows from it."""

    def __init__(self, rulebook: Rulebook, policy: Policy) -> None:
        self.rulebook = rulebook
        self._belief = belief.Belief(rulebook.codes, policy)
        self._streams: dict[Origin, _Stream] = {}
        self._heard: set[tuple[str, str]] = set()
        """Who has spoken on an event descriptor: their own lines elsewhere are copies."""
        self._told: str | None = None

    @property
    def deadline(self) -> float | None:
        """When `tick` is due, in seconds since the epoch; None while nothing waits."""
        return min(
            (each.deadline for each in self._streams.values() if each.deadline is not None), default=None
        )

    @property
    def told(self) -> str | None:
        """The code that a guarded child has said on its event descriptor to end of."""
        return self._told

    def is_cut_short(self, now: float, *, has_token: bool) -> bool:
        """Whether an end of the child with status 0 is news: it is a bot, and has not said that it ends."""
        return self._belief.is_cut_short(now, has_token=has_token)

    def begin(self, origin: Origin, line: int) -> None:
        """A stream whose first line has this number: a part of one, cut where a record begins."""
        self._streams[origin] = _Stream(origin, self.rulebook, line)

    def feed(self, chunk: Chunk) -> list[Effect]:
        """What follows from bytes that were read."""
        stream = self._streams.get(chunk.origin)
        if stream is None:
            stream = self._streams[chunk.origin] = _Stream(chunk.origin, self.rulebook)
        lines = stream.lines.feed(chunk.data)
        if not lines:
            return []
        stream.push(lines)
        if stream.waits_for is None and stream.window.is_idle():
            return []
        return self._closed(stream, chunk.seen, final=False)

    def tick(self, now: float, *, busy: Collection[Origin] = ()) -> list[Effect]:
        """Closes the records that have waited long enough; `busy` are streams with more to read already."""
        due = [
            stream
            for origin, stream in self._streams.items()
            if stream.deadline is not None and stream.deadline <= now and origin not in busy
        ]
        return [effect for stream in due for effect in self._closed(stream, now, final=True)]

    def end(self, origin: Origin, now: float) -> list[Effect]:
        """The stream is over: closes what is open in it."""
        stream = self._streams.pop(origin, None)
        if stream is None:
            return []
        stream.push(stream.lines.close())
        return self._closed(stream, now, final=True)

    def ended(self, status: int, now: float) -> list[Effect]:
        """The child's own end with `status` proves the bad signs of its last seconds."""
        return list(self._belief.ended(status, now))

    def answer(self, probe: Probe, true: bool, now: float) -> list[Effect]:  # noqa: FBT001 - a probe's answer
        """What follows from a probe's answer: `true` says that the bad sign is real."""
        return list(self._belief.answer(probe, now)) if true else []

    def _closed(self, stream: _Stream, now: float, *, final: bool) -> list[Effect]:
        effects: list[Effect] = []
        for parsed in stream.window.take(now, final=final):
            effects.extend(self._effects(parsed, now))
        if stream.window.waits_for != stream.waits_for:
            stream.waits_for = stream.window.waits_for
            stream.deadline = None if stream.waits_for is None else now + PATIENCE
        return effects

    def _effects(self, parsed: Parsed, now: float) -> Iterator[Effect]:
        origin = parsed.record.origin
        own = _own_event(parsed, self.rulebook)
        if origin.stream == EVENTS:
            if own:
                self._heard.add(origin[:2])
                self._told = own.code if own.fatal else self._told
                yield from self._belief.spoken(own, now)
            return
        if own and origin[:2] in self._heard:
            return
        match = own or self._match(parsed)
        if match:
            yield from self._belief.read(match, now)

    def _match(self, parsed: Parsed) -> Match | None:
        found = self.rulebook.state(parsed)
        return _made(found, parsed, self.rulebook) if found else None


def _made(found: Found, parsed: Parsed, rulebook: Rulebook) -> Match:
    pattern, record = found.pattern, parsed.record
    code = rulebook.codes[pattern.code].why(pattern.reason)
    return Match(
        code=pattern.code,
        reason=pattern.reason,
        fatal=is_fatal(found.pattern, parsed.uncaught, record.text[:EVIDENCE], code),
        level=code.severity,
        message=words(found.statement),
        service=record.origin.service,
        instance=record.origin.instance,
        time=record.time,
        line=found.statement.line,
        rule=pattern.rule,
        form=found.statement.form,
        evidence=_excerpt(record.text),
    )


def _own_event(parsed: Parsed, rulebook: Rulebook) -> Match | None:
    """The match that one of our own event lines states, if the record is one."""
    fields = parsed.fields
    if not fields or fields.get("v") != 1 or fields.get("code") not in rulebook.codes:
        return None
    code = rulebook.codes[fields["code"]]
    reason = fields.get("reason")
    fatal = fields.get("fatal")
    epoch = fields.get("epoch")
    attrs = fields.get("attrs")
    return Match(
        code=code.code,
        reason=reason if isinstance(reason, str) else None,
        fatal=fatal if isinstance(fatal, bool) else code.fatal,
        level=parsed.record.level or code.severity,
        message=str(fields.get("message", "")),
        service=str(fields.get("service") or parsed.record.origin.service),
        instance=str(fields.get("instance") or parsed.record.origin.instance),
        time=parsed.record.time,
        line=parsed.record.line,
        rule="event",
        evidence=_excerpt(parsed.record.text),
        epoch=epoch if isinstance(epoch, int) else None,
        attrs=attrs if isinstance(attrs, dict) else {},
    )


def _excerpt(text: str) -> str:
    half = EVIDENCE // 2
    return text if len(text) <= EVIDENCE else f"{text[:half]}\n…\n{text[-half:]}"


def classify(rulebook: Rulebook, text: str) -> list[Match]:
    """What one text says: the matches in it, in order; each record gives one at most."""
    engine = Engine(rulebook, Policy(acts=False))
    effects = engine.feed(Chunk(_TEXT, _bytes(text), 0.0)) + engine.end(_TEXT, 0.0)
    return [effect.match for effect in effects if isinstance(effect, Annotate)]


def parse(rulebook: Rulebook, text: str) -> Iterator[Parsed]:
    """The records of one text in which the rulebook has something to look for."""
    stream = _Stream(_TEXT, rulebook)
    stream.push(stream.lines.feed(_bytes(text)) + stream.lines.close())
    return stream.window.take(0.0, final=True)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
