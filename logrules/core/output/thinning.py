"""Fewer lines than a platform takes: what says the least is left out first, and counted.

A line that came before, but for its digits, says less than a new one, and an information less than an error.
Each kind may fill so much of what the last minute may hold, and then no more: what is more telling always
finds room that the rest has left. An event of ours is never left out.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

from logrules.core.model import Severity
from logrules.core.output.levels import Levels, whole

if TYPE_CHECKING:
    from logrules.core.output.levels import Run

MINUTE = 60.0
FOR_US = 0.02
"""The part that is kept free for lines of our own."""
_SHARE = {(False, True): 0.7, (False, False): 0.85, (True, True): 0.95, (True, False): 1.0}
"""What lines may fill that are (an error, a repetition)."""
_DIGITS = b"0123456789"
_SHAPES, _EXAMPLES = 8192, 256
_TELLING = 200
"""Bytes by which lines are compared."""
_EXAMPLE = 2048
_CODE = b'"code":"'
_EVENT = re.compile(rb'\{"timestamp":"[^"\n]{20,40}","level":"[a-z]{4,8}","code":"[A-Z][A-Z0-9_]{2,47}",')


class Thinned(NamedTuple):
    """What was left out in a minute."""

    came: int
    left_out: int
    repeated: int
    errors: int
    example: bytes
    """How the line begins that was left out most often, as it came first. Redact it, then cut it."""


class Thinner:
    """All streams of one command together."""

    def __init__(self, lines_per_minute: int) -> None:
        self._room = lines_per_minute - max(2, int(lines_per_minute * FOR_US))
        self._slots: deque[tuple[int, int]] = deque()
        """Second, and lines that went out in it."""
        self._used = 0
        self._levels: dict[str, Levels] = {}
        self._seen: dict[bytes, None] = {}
        self._seen_before: dict[bytes, None] = {}
        self._turn = 0.0
        self._came = self._repeated = self._errors = 0
        self.left_out = 0
        """Lines, since the last report."""
        self._often: Counter[bytes] = Counter()
        self._examples: dict[bytes, bytes] = {}

    def thin(self, stream: str, lines: bytes, now: float) -> bytes:
        """Of whole lines those that may go out."""
        self._pass_time(now)
        came = lines.count(b"\n")
        self._came += came
        runs = self._levels.setdefault(stream, Levels()).runs(lines)
        if self._used >= self._room and _CODE not in lines:
            self.left_out += came
            self._errors += sum(
                lines.count(b"\n", start, end) for start, end, level in runs if _is_loud(level)
            )
            return b""
        kept = [line for run in whole(lines, runs) for line in self._of_run(lines, run)]
        self._slots.append((int(now), len(kept)))
        return b"".join(kept)

    def report(self) -> Thinned:
        """What was left out since this was last asked."""
        example = next((self._examples[shape] for shape, _ in self._often.most_common(1)), b"")
        said = Thinned(self._came, self.left_out, self._repeated, self._errors, example)
        self._came = self.left_out = self._repeated = self._errors = 0
        self._often.clear()
        self._examples.clear()
        return said

    def _of_run(self, lines: bytes, run: Run) -> list[bytes]:
        start, end, level = run
        loud = _is_loud(level)
        return [
            line for line in lines[start:end].splitlines(keepends=True) if self._goes_out(line, loud=loud)
        ]

    def _goes_out(self, line: bytes, *, loud: bool) -> bool:
        shape = line[:_TELLING].translate(None, _DIGITS)
        is_repeated = shape in self._seen or shape in self._seen_before
        if len(self._seen) < _SHAPES:
            self._seen[shape] = None
        if self._used < self._room * _SHARE[loud, is_repeated] or _EVENT.match(line):
            self._used += 1
            return True
        self.left_out += 1
        self._repeated += is_repeated
        self._errors += loud
        if shape in self._examples or len(self._examples) < _EXAMPLES:
            self._examples.setdefault(shape, line[:_EXAMPLE])
            self._often[shape] += 1
        return False

    def _pass_time(self, now: float) -> None:
        while self._slots and self._slots[0][0] < now - MINUTE:
            self._used -= self._slots.popleft()[1]
        if now - self._turn >= MINUTE:
            self._turn = now
            self._seen, self._seen_before = {}, self._seen


def _is_loud(level: Severity) -> bool:
    return level.rank >= Severity.ERROR.rank
