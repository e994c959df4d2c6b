"""Whether a text shows a secret that looks alive: which kind, never the value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from logrules.core.literals.scanner import Literal, Scanner
from logrules.core.redact import HINTS, MASK, Redactor

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("token", "url", "other")
"""From the worst on."""
LONGEST = 16_384
"""Bytes of one line that are looked at."""
LOOKED_AT = 20_000
"""Lines of one text that are taken apart, of those in which a word announces a secret."""

_ANNOUNCED = Scanner([Literal(hint.encode(), caseless=True) for hint in HINTS])
_TOKEN = re.compile(rb"(?::|%3[Aa])[A-Za-z0-9_-]{30}")
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----\s{1,8}[A-Za-z0-9+/=]{16}")
"""The one secret of several lines."""
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
        self._left = LOOKED_AT

    def feed(self, lines: bytes) -> None:
        """Look at whole lines, in UTF-8."""
        if _PRIVATE_KEY.search(lines):
            self.kinds.add("other")
        looked_at = 0
        for at in self._suspects(lines):
            if at < looked_at:
                continue
            if len(self.kinds) == len(KINDS) or not self._left:
                return
            self._left -= 1
            begin = lines.rfind(b"\n", 0, at) + 1
            looked_at = lines.find(b"\n", at) + 1 or len(lines) + 1
            self._line(lines[begin : min(looked_at, begin + LONGEST)].decode("utf-8", "replace"))

    def _suspects(self, lines: bytes) -> list[int]:
        """Where a secret may be, in order; a token of which one is known says nothing new."""
        found = [end - 1 for end, _ in _ANNOUNCED.scan(lines)]
        if "token" not in self.kinds:
            found += [token.start() for token in _TOKEN.finditer(lines)]
        return sorted(found)

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
