"""Whether a text shows a secret that looks alive: which kind, never the value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from logrules.core.redact import HINTS, MASK, Redactor

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("token", "url", "other")
"""From the worst on."""
LONGEST = 16_384
"""Characters of one line that are looked at."""

_HINT = re.compile("|".join([r":AA|%3AAA|\d{6}:", *map(re.escape, HINTS)]), re.IGNORECASE)
_FORMS = {
    "token": re.compile(r"\d{6,}(?::|%3[Aa])\*\*\*"),
    "url": re.compile(r"://[^\s/@*]*:?\*\*\*@"),
}
_PLACEHOLDER = re.compile(
    r"(?i)[<\[{$%(].*|.*\*\*\*.*|x+|.*(?:your|example|placeholder|change_?me|redacted|hidden|masked|removed).*"
    r"|pass(?:word)?|postgres|secret|token|user|admin|root|test|none|null"
)
_MASKED_BY_HAND = 4
"""Different characters that a real secret has more of: `AAAA…` and `123123` are nobody's."""
_SHORTEST = 6


class Leaks:
    """Gathers the kinds of secrets that lines show."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self._redact = Redactor()

    def feed(self, text: str) -> None:
        """Look at whole lines."""
        if len(self.kinds) == len(KINDS) or not _HINT.search(text):
            return
        if self._redact(text) != text:
            for line in text.split("\n"):
                if _HINT.search(line, 0, LONGEST):
                    self._line(line[:LONGEST])

    def _line(self, line: str) -> None:
        hidden = self._redact(line)
        if hidden == line or not any(map(_is_alive, _values(line, hidden))):
            return
        kinds = [kind for kind, form in _FORMS.items() if _more(form, hidden, line)]
        self.kinds.update(kinds or ["other"])


def _more(form: re.Pattern[str], hidden: str, line: str) -> bool:
    """Whether redaction made it: what had been masked by hand is there on both sides."""
    return len(form.findall(hidden)) > len(form.findall(line))


def _values(line: str, hidden: str) -> Iterator[str]:
    """What stood where the masks are now."""
    first, *pieces = hidden.split(MASK)
    at = len(first)
    for number, piece in enumerate(pieces, 1):
        end = line.find(piece, at) if piece else len(line)
        if end < 0 or number == len(pieces):
            end = len(line) - len(piece)
        yield line[at:end]
        at = end + len(piece)


def _is_alive(value: str) -> bool:
    return (
        len(value) >= _SHORTEST
        and len(set(value)) > _MASKED_BY_HAND
        and not _PLACEHOLDER.fullmatch(value.strip("\"'"))
    )
