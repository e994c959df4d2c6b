"""What a log says: each kind of event once, how often, when and where; and whether it shows a secret."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from bot.archives import Content
from bot.leaks import KINDS, Leaks
from logrules.core.effects import Annotate
from logrules.core.engine import Engine, Policy
from logrules.core.model import Chunk, Origin, Sign
from logrules.rules import rulebook, rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from logrules.core.match import Match

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


class _Log:
    """One log, fed piece by piece. Memory: one entry per code and reason, and the line that is not over."""

    def __init__(self) -> None:
        self.leaks = Leaks()
        self._found: dict[tuple[str, str | None], Finding] = {}
        self._now = time.time()
        self._begin()

    def _begin(self) -> None:
        self._engine = Engine(rulebook(), Policy(acts=False))
        self._line = b""

    def feed(self, data: bytes) -> None:
        """The next bytes, in UTF-8."""
        for effect in self._engine.feed(Chunk(_ORIGIN, data, self._now)):
            if isinstance(effect, Annotate):
                self._take(effect.match)
        lines, _, self._line = (self._line[-_REACH:] + data).rpartition(b"\n")
        self.leaks.feed(lines)

    def end(self) -> None:
        """The text is over; another may begin."""
        for effect in self._engine.end(_ORIGIN, self._now):
            if isinstance(effect, Annotate):
                self._take(effect.match)
        self.leaks.feed(self._line)
        self._begin()

    def reading(self) -> Reading:
        """What has been read, those that need somebody first."""
        ordered = sorted(self._found.values(), key=_urgency)  # stable: the first cause stays first
        return Reading(tuple(ordered[:SHOWN]), tuple(kind for kind in KINDS if kind in self.leaks.kinds))

    def _take(self, match: Match) -> None:
        # An event of ours may be anybody's text: what it calls its reason is kept only if there is one.
        reason = match.reason if match.reason in rules.specs[match.code].reasons else None
        at = None if match.time == self._now else match.time
        line = match.line or 1
        known = self._found.get((match.code, reason))
        if known is None:
            known = Finding(match.code, reason, 0, False, at, at, line, line)  # noqa: FBT003 - a field
        self._found[match.code, reason] = known._replace(
            times=known.times + match.count,
            fatal=known.fatal or match.fatal,
            first=known.first if at is None else min(at, known.first or at),
            last=known.last if at is None else max(at, known.last or at),
            last_line=line,
        )


def _urgency(finding: Finding) -> tuple[int, bool]:
    return -_SIGNS.index(rules.specs[finding.code].why(finding.reason).sign), not finding.fatal


def read_text(text: str) -> Reading:
    """What a pasted text says."""
    return _read([[text.encode("utf-8", "replace")]])


def read_file(data: bytes, tell: Callable[[float], None] = lambda _: None) -> Reading:
    """What a file says; `tell` hears now and then which share of it is read. Raises RefusedError."""
    content = Content(data, SECONDS)
    reading = _read(content.texts(), lambda: tell(content.share))
    return reading._replace(
        cut_short=content.read if content.cut_short else 0, broken=content.broken, skipped=content.skipped
    )


def _read(texts: Iterable[Iterable[bytes]], step: Callable[[], None] = lambda: None) -> Reading:
    log = _Log()
    for pieces in texts:
        for data in pieces:
            log.feed(data)
            step()
        log.end()
    return log.reading()
