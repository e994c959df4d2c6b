"""Secrets in what somebody prints: said once for each, and never with its value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from logrules.core.literals.scanner import Literal, Scanner
from logrules.core.redact import shapes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHORTEST = 8
"""Characters of a value that is told of; a shorter one is some word's part too often."""
FORM = "a bot's token"
"""What is known of a token that no setting holds."""

_BEGINNINGS = (b":AA", b"%3AAA", b"%3aAA")
"""How the second half of every token that Telegram gives out begins, as it stands and inside a URL."""
_TOKEN = re.compile(rb"(?<![0-9])[0-9]{6,20}(?::|%3[Aa])[A-Za-z0-9_-]{30,256}(?![A-Za-z0-9_-])")
_LONGEST_ID = 20
_REACH = 384
"""Bytes of what was read before that are looked at once more: no token is longer."""


class Leak(NamedTuple):
    """Where a secret was seen for the first time."""

    name: str
    """The setting that holds it, or what it is by its form."""
    stream: str
    line: int

    @property
    def message(self) -> str:
        """One sentence for people."""
        return f"The command's {self.stream} shows {self.name} at line {self.line}: who reads the log has it."

    @property
    def attrs(self) -> dict[str, str | int]:
        """The same for programs."""
        return {"secret": self.name, "stream": self.stream, "line": self.line}


class _Stream:
    def __init__(self) -> None:
        self.tail = b""
        self.line = 1


class Leaks:
    """Reads what several streams print, cut anywhere, and tells each secret once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        named = {shape: name for shape, name in shapes(environ).items() if _is_distinct(shape)}
        self._names = [f"the value of {name}" for name in named.values()]
        values = [shape.encode("utf-8", "surrogateescape") for shape in named]
        self._scanner = Scanner([Literal(value) for value in (*values, *_BEGINNINGS)])
        self._reach = max([_REACH, *(len(value) for value in values)])
        self._told: set[str] = set()
        self._streams: dict[str, _Stream] = {}

    def feed(self, stream: str, data: bytes) -> list[Leak]:
        """The secrets that were not seen before."""
        state = self._streams.setdefault(stream, _Stream())
        text, begun = state.tail + data, state.line - state.tail.count(b"\n")
        leaks = [
            Leak(name, stream, begun + text.count(b"\n", 0, at))
            for at, name in self._found(text)
            if self._is_news(name)
        ]
        state.line += data.count(b"\n")
        state.tail = text[-self._reach :]
        return leaks

    def _found(self, text: bytes) -> Iterator[tuple[int, str]]:
        hits = self._scanner.scan(text)
        if not hits:
            return
        values = {hit.end: self._names[hit.literal] for hit in hits if hit.literal < len(self._names)}
        yield from values.items()
        for hit in hits if FORM not in self._told else ():
            if hit.literal >= len(self._names):
                token = _TOKEN.search(text, max(0, hit.end - _LONGEST_ID - 6), hit.end + _REACH)
                # One that ends with the bytes may go on, and is met again with what follows.
                if token and token.end() not in values and token.end() < len(text):
                    yield token.end(), FORM

    def _is_news(self, name: str) -> bool:
        is_news = name not in self._told
        self._told.add(name)
        return is_news


def _is_distinct(shape: str) -> bool:
    """Whether it is no mere word, which may stand in a log for itself."""
    return len(shape) >= SHORTEST and not (shape.isalpha() and shape.lower() == shape)
