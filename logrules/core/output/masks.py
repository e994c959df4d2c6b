"""Secrets out of bytes on their way: whole lines at once, and lines that are not whole yet.

Only lines in which a secret, or a word that announces one, is found are taken apart; one scan finds them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from logrules.core.literals.scanner import Literal, Scanner
from logrules.core.redact import HINTS, MASK, Redactor, secrets_in, shapes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TOKEN = re.compile(rb"(?::|%3[Aa])[A-Za-z0-9_-]{30}")
_UNFINISHED = re.compile(
    rb"(?:(?<![0-9])[0-9]{6,20}(?:(?::|%(?:3[Aa]?)?)[A-Za-z0-9_-]{0,256})?"
    rb"|://[^\s]{0,512}"
    rb"|(?<![\w-])(?:rnd_|gh[pousr]_|github_pat_|glpat-|sk-|xox[abprs]-|sntry[su]_|eyJ)[\w.=+/-]{0,512})\Z"
)
"""What may become a secret by its form when more of its line comes."""
_FARTHEST = 1024
_PEM, _PEM_END = b"PRIVATE KEY-----", b"-----END"
_LONGEST_KEY = 8192
"""Bytes of a private key that are masked at most, should its end never come."""
_LEAST_LINE = 16
"""Characters from which a line of a secret of several lines is a secret for itself."""
_LEAST_PART = 6


class Masks:
    """The secrets of one environment, for one stream."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        known = shapes(environ)
        lines = {
            line for shape in known if "\n" in shape for line in shape.split("\n") if len(line) >= _LEAST_LINE
        }
        self._redact = Redactor([*secrets_in(environ), *lines])
        self._values = [_bytes(shape) for shape in {*known, *lines}]
        hints = [Literal(hint.encode(), caseless=True) for hint in (*HINTS, "%3a")]
        self._scanner = Scanner([*(Literal(value) for value in self._values), *hints])
        self._key_left = 0
        """Bytes of a private key that may still come."""
        self._begun = self._told = b""
        """What of the unfinished line has been let out: as it was, and as it was told."""

    def whole(self, lines: bytes) -> bytes:
        """Whole lines without secrets; the first is the rest of the one that was begun, if one was."""
        if self._begun:
            end = lines.find(b"\n") + 1
            first = self._rest(lines[:end])
            self._begun = self._told = b""
            return first + self._masked(lines[end:])
        return self._masked(lines)

    def part(self, data: bytes) -> tuple[bytes, bytes]:
        """What of an unfinished line may go out by now, and what must wait: it could become a secret."""
        waits = self._waiting(data)
        now = data[: len(data) - waits]
        return self._rest(now), data[len(data) - waits :]

    def last(self, data: bytes) -> bytes:
        """The end of a line that nothing ended; a secret that was cut short is masked as far as it goes."""
        told = self._rest(data)
        waits = self._partial(told)
        self._begun = self._told = b""
        return told[:-waits] + MASK.encode() if waits >= _LEAST_PART else told

    def _rest(self, data: bytes) -> bytes:
        """More of the line that was begun, read together with what came before."""
        begun = (self._begun + data)[-64 * _FARTHEST :]
        told = self._masked(begun)
        same = (
            _common(self._told, told) if len(begun) == len(self._begun) + len(data) else len(told) - len(data)
        )
        self._begun, self._told = begun, told
        return told[max(0, same) :]

    def _masked(self, lines: bytes) -> bytes:
        kept = b""
        if self._key_left:
            kept, lines = self._past_key(lines)
        parts, at = [kept], 0
        for start, end in self._suspects(lines):
            parts += lines[at:start], self._hidden(lines[start:end])
            at = end
        parts.append(lines[at:])
        if _PEM in lines:
            self._note_key(lines)
        return b"".join(parts)

    def _suspects(self, lines: bytes) -> Iterator[tuple[int, int]]:
        """The lines that may hold a secret; neighbours in one piece, a private key in one with its head."""
        found = [(hit.end - self._length(hit.literal), hit.end) for hit in self._scanner.scan(lines)]
        found += [match.span() for match in _TOKEN.finditer(lines)]
        open_at, open_end = -1, -1
        for first, last in sorted(found):
            if last <= open_end:
                continue
            start = lines.rfind(b"\n", 0, first) + 1
            end = lines.find(b"\n", last - 1) + 1 or len(lines)
            if lines.startswith(_PEM, first) or _PEM in lines[start:end]:
                close = lines.find(_PEM_END, end)
                end = (lines.find(b"\n", close) + 1 or len(lines)) if close >= 0 else len(lines)
            if start > open_end:
                if open_end >= 0:
                    yield open_at, open_end
                open_at = start
            open_end = max(open_end, end)
        if open_end >= 0:
            yield open_at, open_end

    def _length(self, literal: int) -> int:
        return len(self._scanner.literals[literal].data)

    def _hidden(self, lines: bytes) -> bytes:
        return _bytes(self._redact(lines.decode("utf-8", "surrogateescape")))

    def _note_key(self, lines: bytes) -> None:
        begun = lines.rfind(b"-----BEGIN ")
        if lines.find(_PEM, begun) > begun >= 0 and lines.find(_PEM_END, begun) < 0:
            self._key_left = _LONGEST_KEY

    def _past_key(self, lines: bytes) -> tuple[bytes, bytes]:
        end = lines.find(_PEM_END)
        cut = end if 0 <= end <= self._key_left else min(len(lines), self._key_left)
        self._key_left = 0 if end >= 0 else self._key_left - cut
        return b"", lines[cut:]

    def _waiting(self, data: bytes) -> int:
        """How many bytes at the end could be a secret's beginning."""
        form = _UNFINISHED.search(data[-_FARTHEST:])
        by_form = len(form[0]) if form else 0
        return max(by_form, self._partial(data))

    def _partial(self, data: bytes) -> int:
        """The longest end of `data` with which a known value begins."""
        longest = 0
        for value in self._values:
            tail = data[-(len(value) - 1) :] if len(value) > 1 else b""
            at = tail.find(value[:1])
            while at >= 0 and len(tail) - at > longest:
                if value.startswith(tail[at:]):
                    longest = len(tail) - at
                    break
                at = tail.find(value[:1], at + 1)
        return longest


def _common(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    if other.startswith(one):
        return len(one)
    return next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
