"""Where in the text of a TOML file a value stands, as an editor counts: the parser of the standard library
does not tell.

A tokenizer, not a parser: `place` is asked about texts that were parsed, `depth` about any, before they are.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str | int, ...]
"""Keys and indices that lead to a value: `("pattern", 1, "any", 0)`."""

_TOKEN = re.compile(
    r"""
    (?P<text>\"{3}(?:[^\\\"]|\\.|\"(?!\"\"))*+\"{3,5} | '{3}(?:[^']|'(?!''))*+'{3,5}
      | \"(?:[^\\\"\n]|\\.)*+\" | '[^'\n]*+')
  | (?P<comment>\#[^\n]*+)
  | (?P<newline>\n)
  | (?P<space>[ \t\r]++)
  | (?P<mark>[\[\]{},=.])
  | (?P<bare>[^\s\[\]{},=.\#\"']++|.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Place(NamedTuple):
    """A line and a column, both from 1."""

    line: int
    column: int


def place(text: str, path: Path) -> Place | None:
    """Where the value at `path` stands in `text`, or the nearest thing around it; None for the whole file."""
    found = _places(text)
    for length in range(len(path), 0, -1):
        at = found.get(path[:length])
        if at is not None:
            line = text.count("\n", 0, at) + 1
            return Place(line, at - (text.rfind("\n", 0, at) + 1) + 1)
    return None


def depth(text: str) -> int:
    """How deep values in `text` can be nested: brackets in brackets, and dots in one line's keys."""
    most = open_ = dots = 0
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "newline":
            dots = 0
        elif token.lastgroup == "mark":
            dots += token[0] == "."
            open_ = max(0, open_ + (token[0] in "[{") - (token[0] in "]}"))
            most = max(most, open_, dots)
    return most


def _places(text: str) -> dict[Path, int]:
    """The offset of every value, key by key."""
    reader = _Reader(text)
    reader.read()
    return reader.found


class _Reader:
    """Reads a document once. Whatever it does not understand it passes over."""

    def __init__(self, text: str) -> None:
        self._tokens: Iterator[re.Match[str]] = (
            each for each in _TOKEN.finditer(text) if each.lastgroup not in {"comment", "space"}
        )
        self._token: re.Match[str] | None = None
        self._counts: dict[Path, int] = {}
        self.found: dict[Path, int] = {}

    def read(self) -> None:
        """Go through the document."""
        table: Path = ()
        self._next()
        while self._token:
            if self._token["newline"]:
                self._next()
            elif self._token[0] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _next(self) -> None:
        self._token = next(self._tokens, None)

    def _is(self, mark: str) -> bool:
        return self._token is not None and self._token[0] == mark

    def _header(self) -> Path:
        start = self._token.start() if self._token else 0
        self._next()
        listed = self._is("[")
        if listed:
            self._next()
        path = self._resolved(self._key())
        if listed:
            number = self._counts[path] = self._counts.get(path, -1) + 1
            self.found.setdefault(path, start)
            path = (*path, number)
        for length in range(1, len(path)):
            self.found.setdefault(path[:length], start)
        self.found[path] = start
        while self._token and not self._token["newline"]:
            self._next()
        return path

    def _resolved(self, key: Path) -> Path:
        """A header's path: below a list of tables it means the last of them."""
        path: Path = ()
        for part in key:
            path = (*path, part)
            if path in self._counts and len(path) < len(key):
                path = (*path, self._counts[path])
        return path

    def _key(self) -> Path:
        parts: list[str] = []
        while self._token and not self._token["newline"] and self._token[0] not in {"=", "]", ",", "}"}:
            if self._token[0] != ".":
                parts.append(_unquoted(self._token[0]))
            self._next()
        return tuple(parts)

    def _pair(self, table: Path) -> None:
        start = self._token.start() if self._token else 0
        path = (*table, *self._key())
        for length in range(len(table) + 1, len(path) + 1):
            self.found.setdefault(path[:length], start)
        if self._is("="):
            self._next()
            self._value(path)
        elif self._token and not self._token["newline"]:
            self._next()

    def _value(self, path: Path) -> None:
        """The value that begins at the token; the token after it is the next one."""
        if self._is("["):
            self._list(path)
        elif self._is("{"):
            self._inline(path)
        else:  # a text, a number, a date: all that stands before the next mark
            while (
                self._token and not self._token["newline"] and self._token[0] not in {",", "]", "}", "[", "{"}
            ):
                self._next()

    def _list(self, path: Path) -> None:
        self._next()
        number = 0
        while self._token and not self._is("]"):
            if self._token["newline"] or self._token[0] in {",", "}", "="}:
                number += self._is(",")
                self._next()
                continue
            self.found[(*path, number)] = self._token.start()
            self._value((*path, number))
        self._next()

    def _inline(self, path: Path) -> None:
        self._next()
        while self._token and not self._is("}"):
            if self._token["newline"] or self._token[0] in {",", "]", "[", "{", "="}:
                self._next()
            else:
                self._pair(path)
        self._next()


def _unquoted(text: str) -> str:
    if text.startswith("'"):
        return text[1:-1]
    if text.startswith('"'):
        try:
            return str(json.loads(text))
        except ValueError:  # an escape that only TOML knows
            return text[1:-1]
    return text
