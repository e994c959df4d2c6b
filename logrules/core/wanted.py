"""What the scanner looks for on behalf of an expression, and how that is kept for the next process."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from logrules.core import mojibake
from logrules.core.factors import candidates, factors
from logrules.core.needs import Choice, Need, choices
from logrules.core.scanner import Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_OF_FRAMES = r"\(\w{3}\s\w{3}\)\sin\s"
"""How patterns spell what is stated of a frame: words that stand nowhere in a log."""
_FRAME: tuple[Choice, ...] = ((b", line ",),)
_DIGEST = 16


class Wanted(NamedTuple):
    """What a log holds wherever one expression matches."""

    literals: tuple[Literal, ...]
    """One of them."""
    choices: tuple[Choice, ...]
    """And near it one word of each."""

    def needs(self, text: str) -> Iterator[tuple[Literal, Need]]:
        """Each literal of `text`, the expression itself, and what is needed beside it."""
        start, beside = text.encode(), Need(self.choices)
        for literal in self.literals:
            first = literal.data[:1].isalnum() and start.startswith(literal.data) and self.choices != _FRAME
            yield literal, Need(self.choices, len(literal.data)) if first else beside


def wanted(texts: Iterable[str]) -> list[Wanted]:
    """What each expression wants. Takes 0.2 ms for each: `logrules.derived` keeps it."""
    return [_wanted(text) for text in texts]


def _wanted(text: str) -> Wanted:
    found = factors(text)
    if text.startswith(_OF_FRAMES):
        return Wanted(tuple(_seen_as(_in_paths(found))), _FRAME)
    return Wanted(tuple(_seen_as(found)), choices(candidates(text), found))


def _in_paths(modules: Iterable[Literal]) -> Iterator[Literal]:
    """A frame's module, as a log spells it."""
    for data, caseless in modules:
        for end in (b"/", b"\\", b".py"):
            yield Literal(data + end, caseless)


def _seen_as(literals: Iterable[Literal]) -> Iterator[Literal]:
    """The literals, and how each looks where its UTF-8 was read in an old code page."""
    for literal in literals:
        yield literal
        for data in mojibake.spoilt(literal.data):
            yield Literal(data, literal.caseless)


def dump(known: Mapping[str, Wanted], key: bytes) -> bytes:
    """`known` for `load`; `key` stands for whatever it was derived with."""
    data = msgspec.msgpack.encode(known)
    return _digest(data, key) + data


def load(data: bytes, key: bytes) -> dict[str, Wanted]:
    """What `dump` was given. Raises ValueError unless it was that, with this very key."""
    if data[:_DIGEST] != _digest(data[_DIGEST:], key):
        raise ValueError("damaged, or of another version")
    return msgspec.msgpack.decode(data[_DIGEST:], type=dict[str, Wanted])


def _digest(data: bytes, key: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST, key=key).digest()
