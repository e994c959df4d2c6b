"""What a log says: each kind of event once, how often, when and where; and whether it shows a secret."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from bot.archives import CHUNK, Content
from bot.crew import Part, each, parts
from bot.folding import Folded, folded
from bot.leaks import KINDS, Leaks
from logrules.core.effects import Annotate
from logrules.core.engine import Engine, Policy
from logrules.core.model import Chunk, Origin, Sign
from logrules.core.reading.looks import begins
from logrules.rules import rulebook, rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from logrules.core.effects import Effect

    Tell = Callable[[float, "Found"], None]

SHOWN = 30
"""Kinds of events that are kept of one log, the worst first."""
SECONDS = 20.0
"""For one file; then it is cut short."""
_REACH = 65_536
"""Bytes of a line that is not over which are kept."""
_ORIGIN = Origin("text", "-", "text")
_SIGNS = list(Sign)


class Finding(NamedTuple):
    """Every event of one code with one reason. Holds no word of the log."""

    code: str
    reason: str | None
    times: int
    fatal: bool
    first: float | None
    """Seconds since the epoch; None where the log tells no time."""
    last: float | None
    first_line: int
    last_line: int


class Reading(NamedTuple):
    """What is known of a log once it is read."""

    findings: tuple[Finding, ...] = ()
    leaks: tuple[str, ...] = ()
    """Kinds of secrets, the worst first."""
    cut_short: int = 0
    """Bytes after which it was not read on; 0 if all of it was."""
    broken: bool = False
    """It is damaged behind what was read."""
    skipped: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found in it."""
        return not self.findings and not self.leaks

    @property
    def is_trouble(self) -> bool:
        """Whether anything in it needs somebody."""
        worst = [rules.specs[each.code].why(each.reason).sign for each in self.findings[:1]]
        return bool(self.leaks) or bool({Sign.BAD, Sign.WARN} & set(worst))

    def as_json(self) -> dict[str, Any]:
        """For the way between processes."""
        return self._asdict()

    @classmethod
    def of_json(cls, plain: dict[str, Any]) -> Reading:
        """The way back."""
        return cls(
            tuple(Finding(*each) for each in plain["findings"]),
            tuple(plain["leaks"]),
            plain["cut_short"],
            plain["broken"],
            plain["skipped"],
        )


class Found(NamedTuple):
    """What stands in a part of a log, or in all of it."""

    findings: dict[tuple[str, str | None], Finding]
    """By code and reason, the first one met first."""
    leaks: set[str]

    def add(self, more: Found) -> None:
        """What stands behind it."""
        self.leaks.update(more.leaks)
        for key, new in more.findings.items():
            known = self.findings.get(key)
            self.findings[key] = new if known is None else _sum(known, new)

    def reading(self) -> Reading:
        """What has been read, those that need somebody first."""
        ordered = sorted(self.findings.values(), key=_urgency)  # stable: the first cause stays first
        return Reading(tuple(ordered[:SHOWN]), tuple(kind for kind in KINDS if kind in self.leaks))


class _Log:
    """Texts, read part by part. Memory: an entry per code and reason, a part, the line that is not over."""

    def __init__(self) -> None:
        self._leaks = Leaks()
        self._now = time.time()
        self._fold: Folded | None = None

    def read(self, part: Part) -> Found:
        """What is found in a part, in UTF-8; what is still open there is found in the one behind it."""
        found, data = Found({}, self._leaks.kinds), part.data
        if part.line is not None:
            fold = folded(data, part.line) if part.is_closed else None
            data, line = (fold.data, 1) if fold else (data, part.line)
            self._fold, self._line = fold, b""
            self._engine = Engine(rulebook(), Policy(acts=False))
            self._engine.begin(_ORIGIN, line)
        for at in range(0, len(data), CHUNK):
            self._take(found, self._engine.feed(Chunk(_ORIGIN, data[at : at + CHUNK], self._now)))
        lines, _, self._line = (self._line[-_REACH:] + data).rpartition(b"\n")
        self._leaks.feed(lines)
        if part.is_closed:
            self._take(found, self._engine.end(_ORIGIN, self._now))
            self._leaks.feed(self._line)
        return found

    def _take(self, found: Found, effects: list[Effect]) -> None:
        for effect in effects:
            if not isinstance(effect, Annotate):
                continue
            match = effect.match
            # An event of ours may be anybody's text: what it calls its reason is kept only if there is one.
            reason = match.reason if match.reason in rules.specs[match.code].reasons else None
            at = None if match.time == self._now else match.time
            first = last = match.line or 1
            times = match.count
            if self._fold:
                place = self._fold.place(first)
                first, last = first - place.at + place.first, last - place.at + place.last
                times *= place.times
            new = Finding(match.code, reason, times, match.fatal, at, at, first, last)
            known = found.findings.get((match.code, reason))
            found.findings[match.code, reason] = new if known is None else _sum(known, new)


def _sum(known: Finding, new: Finding) -> Finding:
    """Both, of one code and reason."""
    first, last = known.first, known.last
    if new.first is not None and new.last is not None:
        first = new.first if first is None or new.first < first else first
        last = new.last if last is None or new.last > last else last
    times, fatal = known.times + new.times, known.fatal or new.fatal
    lines = min(known.first_line, new.first_line), max(known.last_line, new.last_line)
    return Finding(*known[:2], times, fatal, first, last, *lines)


def _urgency(finding: Finding) -> tuple[int, bool]:
    return -_SIGNS.index(rules.specs[finding.code].why(finding.reason).sign), not finding.fatal


_UNSEEN = {
    **dict.fromkeys([0x061C, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF, *range(0x202A, 0x202F)]),
    **dict.fromkeys(range(0x2066, 0x206A)),
    **dict.fromkeys([0x00A0, 0x2007, 0x202F, *range(0x2000, 0x2007), *range(0x2008, 0x200B)], " "),
}
"""What a chat or a page puts around words that run from right to left, and its own kinds of spaces."""
_SPOKEN = 600
"""Characters of a line that may tell of an error."""
_QUOTES = re.compile(r"[:>,]\s+|\s[-\u2013\u2014]\s+|[\"'`\u00ab\u201c\u201e\u2018(\[]")
"""Behind what the error may begin."""


def read_text(text: str) -> Reading:
    """What a pasted text says; or somebody's line that tells of an error."""
    text = text.translate(_UNSEEN)
    data = text.encode("utf-8", "replace")
    reading = _read([[data]])
    if not reading.is_empty or len(text) > _SPOKEN or "\n" in text.strip() or begins(data):
        return reading
    told = (_read([[text[found.end() :].encode("utf-8", "replace")]]) for found in _QUOTES.finditer(text))
    return next((each for each in told if each.is_trouble), reading)


def read_file(data: bytes, tell: Tell = lambda _share, _found: None, jobs: int = 1) -> Reading:
    """What a file says. Raises RefusedError.

    Args:
        data: The file as it was sent.
        tell: Hears now and then which share of it is read, and what was found by then.
        jobs: How many processes may read it.
    """
    content = Content(data, SECONDS)
    reading = _read(content.texts(), lambda found: tell(content.share, found), jobs)
    return reading._replace(
        cut_short=content.read if content.cut_short else 0, broken=content.broken, skipped=content.skipped
    )


def _read(
    texts: Iterable[Iterable[bytes]], step: Callable[[Found], None] = lambda _: None, jobs: int = 1
) -> Reading:
    all_ = Found({}, set())
    pieces = (part for text in texts for part in parts(text))
    for found in each(pieces, _Log().read, jobs):
        all_.add(found)
        step(all_)
    return all_.reading()
