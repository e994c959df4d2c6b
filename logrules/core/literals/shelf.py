"""What a log must hold for an expression to match: thousands of wants, packed until they are asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple, overload

import msgspec

from logrules.core.literals.codepages import spoilt
from logrules.core.literals.scanner import Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DIGIT = re.compile(rb"[0-9]")
_RECENT = 256
"""What is wanted that stays unpacked."""


class Wanted(NamedTuple):
    """What a log holds wherever one expression matches."""

    parts: tuple[tuple[Literal, ...], ...]
    """One literal of each, in this order and apart from one another, in one line; caseless in small."""
    rarest: int = 0
    """Which part is met most seldom: the one by which it is found."""
    spans: bool = False
    """The parts may stand in different lines, `REACH` apart; then the rarest is the last."""
    begins: bool = False
    """The first part begins a statement, hence not within a word."""

    @property
    def is_numberless(self) -> bool:
        """Whether a line's numbers have no say in it, nor have the lines before."""
        return not (self.spans or _DIGIT.search(b"".join(word for part in self.parts for word, _ in part)))


packed = msgspec.msgpack.Encoder().encode
"""Something wanted as it is kept: most of it is asked for once a day, if ever."""
_decoded = msgspec.msgpack.Decoder(Wanted).decode


def unpacked(data: bytes) -> Wanted:
    """What was packed; its words as they are, and as they look where they were taken for an old code page."""
    wanted = _decoded(data)
    return wanted._replace(parts=tuple(map(_as_seen, wanted.parts)))


def _as_seen(part: tuple[Literal, ...]) -> tuple[Literal, ...]:
    if all(word.isascii() for word, _ in part):
        return part
    return tuple(Literal(data, caseless) for word, caseless in part for data in (word, *spoilt(word)))


class Shelf(Sequence[Wanted]):
    """Much that is wanted, packed until it is asked for."""

    def __init__(self, packs: Iterable[bytes]) -> None:
        self._packs = list(packs)
        self.at = lru_cache(_RECENT)(self._unpacked)

    def __len__(self) -> int:
        return len(self._packs)

    def __iter__(self) -> Iterator[Wanted]:
        return map(unpacked, self._packs)

    @overload
    def __getitem__(self, number: int) -> Wanted: ...
    @overload
    def __getitem__(self, number: slice) -> list[Wanted]: ...
    def __getitem__(self, number: int | slice) -> Wanted | list[Wanted]:
        return self.at(number) if isinstance(number, int) else [*map(unpacked, self._packs[number])]

    def bare(self) -> Iterator[Wanted]:
        """All of it without what old code pages make of words beyond ASCII, which is most of the work."""
        return map(_decoded, self._packs)

    def digest(self, key: bytes) -> str:
        """A name for just this, in this order, and for `key`."""
        return blake2b(b"\0".join([key, *self._packs]), digest_size=16).hexdigest()

    def _unpacked(self, number: int) -> Wanted:
        return unpacked(self._packs[number])
