"""What else must stand near a literal, before the record around it is worth a look.

A literal alone is often a common word. Most patterns cannot match without several; the scanner looks for the
rarest, and the others are looked for here, in the lines around it. It leaves out only what no pattern can
match.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from logrules.core.scanner import Hit, Literal

REACH = 4
"""Lines before and after, in which the rest of a wrapped statement may stand."""
LARGEST = 16 * 1024
"""Bytes around a literal beyond which a look at the record is cheaper than a search for words."""
_SHORTEST, _LONGEST, _MOST = 3, 32, 3
"""Letters of a word, words of a choice, and choices worth looking for."""

_ESCAPES = (b"\\n", b"\\r", b"\\t")
"""Letters that stand for a line end or a tab where a record is written out in one line, as JSON is."""
_SPOILT = frozenset(b"\"'\\\t\r\n\x1b")
_MADE_UP = b"(cut off)"
"""Stated of a traceback, and no word of it."""

Choice = tuple[bytes, ...]
"""Words of which one must be there."""


class Need(NamedTuple):
    """What one pattern needs beside one of its literals."""

    choices: tuple[Choice, ...] = ()
    begins: int = 0
    """The literal's length, if the pattern begins with it: no statement begins within a word."""


def choices(candidates: Iterable[Sequence[Literal]], chosen: Sequence[Literal]) -> tuple[Choice, ...]:
    """What is needed beside the literals `chosen`: the choices with the longest words, in small letters."""
    usable = [each for each in candidates if list(each) != list(chosen) and _is_plain(each)]
    usable.sort(key=lambda each: min(len(literal.data) for literal in each), reverse=True)
    return tuple(tuple({literal.data.lower() for literal in each}) for each in usable[:_MOST])


def _is_plain(literals: Sequence[Literal]) -> bool:
    """Whether the words look the same in a log that is JSON, or mistaken for another code page."""
    return 0 < len(literals) <= _LONGEST and all(
        len(data) >= _SHORTEST and data.isascii() and not set(data) & _SPOILT and data != _MADE_UP
        for data, _ in literals
    )


def worth(data: bytes, hits: list[Hit], needs: Sequence[Sequence[Need]]) -> list[Hit]:
    """The hits in `data` (whole lines) beside which everything stands that one of their patterns needs.

    Args:
        data: whole lines.
        hits: in order.
        needs: for each literal, what each of the patterns that want it needs beside it.
    """
    kept: list[Hit] = []
    end = -1
    around: bytes | None = b""
    stand: dict[int, list[int]] = {}
    for hit in hits:
        if hit.end > end:
            start, end = data.rfind(b"\n", 0, hit.end - 1) + 1, data.find(b"\n", hit.end - 1) + 1 or len(data)
            around = _around(data, start, end)
            stand = {}  # asked once for each literal of a line, however often it stands there
        if around is not None:
            if hit.literal not in stand:
                stand[hit.literal] = sorted(
                    {need.begins for need in needs[hit.literal] if _stands(need, around)}
                )
            if not any(_may_begin(data, hit.end, begins) for begins in stand[hit.literal]):
                continue
        kept.append(hit)
    return kept


def _stands(need: Need, around: bytes) -> bool:
    return all(any(word in around for word in choice) for choice in need.choices)


def _may_begin(data: bytes, end: int, begins: int) -> bool:
    return not begins or not _is_within_a_word(data, end - begins)


def _is_within_a_word(data: bytes, start: int) -> bool:
    before = data[max(0, start - 2) : start]
    # An `m` may be the end of a colour whose escape a viewer has dropped.
    return before[-1:].isalnum() and before not in _ESCAPES and before[-1:] != b"m"


def _around(data: bytes, start: int, end: int) -> bytes | None:
    """The lines around one, in small letters; None if not all are at hand, or they are too long."""
    for _ in range(REACH):
        if start <= 0:
            return None
        start = data.rfind(b"\n", 0, start - 1) + 1
        after = data.find(b"\n", end) + 1
        if after <= 0:
            return None
        end = after
    return data[start:end].lower() if end - start <= LARGEST else None
