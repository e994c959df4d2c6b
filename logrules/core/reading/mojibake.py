r"""Letters that did not survive their way: `вњ…`, `âœ…`, `‚úÖ` and `\u2705` are all a check mark.

The first three are UTF-8 that was read in an old code page; the last is how JSON in ASCII spells it out, and
Python on a stream that cannot write it.

Only what a bot's log is full of is repaired, Cyrillic and emoji, and only where nothing else explains the
letters; all other text stays as it is.
"""

from __future__ import annotations

import re

from logrules.core.literals.codepages import LETTERS, PAGES
from logrules.core.literals.spelled import unspelled

_SURE = 3
"""So many Cyrillic letters in a row are no accident."""
_HARD_BLANK = 0xA0
_BYTES = {page: {letter: byte for byte, letter in enumerate(letters)} for page, letters in LETTERS.items()}


def _any(page: str, *spans: tuple[int, int]) -> str:
    """A class of the letters that bytes of these spans became."""
    letters = (LETTERS[page][byte] for first, last in spans for byte in range(first, last + 1))
    return "[" + "".join(map(re.escape, letters)) + "]"


def _shape(page: str) -> re.Pattern[str]:
    tail = _any(page, (0x80, 0xBF))
    cyrillic = _any(page, (0xD0, 0xD1)) + tail
    # Punctuation, arrows, clocks, boxes, dingbats; not all of the plane, which quotation marks can imitate.
    sign = (
        _any(page, (0xE2, 0xE2))
        + _any(page, (0x80, 0x80), (0x84, 0x84), (0x86, 0x86), (0x8C, 0x8F), (0x94, 0x9E), (0xA4, 0xAD))
        + f"(?:{tail}|(?<={_any(page, (0x9A, 0x9A))})\\ )"  # viewers make a plain blank of a hard one
    )
    selector = "".join(re.escape(LETTERS[page][byte]) for byte in b"\xef\xb8\x8f")
    emoji = "".join(re.escape(LETTERS[page][byte]) for byte in b"\xf0\x9f") + tail + tail
    return re.compile(f"(?P<sure>(?:{emoji}|{sign}|(?:{cyrillic}){{{_SURE}}}))|{selector}|{cyrillic}")


_SHAPES = {page: _shape(page) for page in PAGES}
_SUSPECTS = re.compile(
    "|".join(
        _any(page, (0xD0, 0xD1), (0xE2, 0xE2), (0xF0, 0xF0)) + _any(page, (0x80, 0xBF)) for page in PAGES
    )
)
"""How each of these begins: seldom met in Russian as it is written."""


def repaired(text: str) -> str:
    """`text` as it was written."""
    if "\\" in text:
        text = unspelled(text.encode("utf-8", "replace")).decode()
    if text.isascii() or not _SUSPECTS.search(text):
        return text
    # The letters of one page may look like a sign of another: the page that explains most is the one.
    page = max(PAGES, key=lambda page: _explained(text, page))
    if not _explained(text, page):
        return text
    return _SHAPES[page].sub(lambda found: _read(found[0], page), text)


def _explained(text: str, page: str) -> int:
    """How many letters nothing but `page` explains."""
    return sum(len(found["sure"]) for found in _SHAPES[page].finditer(text) if found["sure"])


def _read(letters: str, page: str) -> str:
    return bytes(_BYTES[page][letter] if letter != " " else _HARD_BLANK for letter in letters).decode(
        "utf-8", "replace"
    )
