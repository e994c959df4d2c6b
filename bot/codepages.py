"""Texts as UTF-8: those of Windows come in UTF-16 too, and Russian ones in one of three old code pages."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGES = ("cp1251", "cp866", "koi8-r")
"""Of Windows, of its console, and of old servers."""
_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_COMMON = frozenset("оеаинтсрвлкмдпу")
"""Letters that make up three quarters of Russian; read in another page they become rare ones and capitals."""
_LEAST = 0.4
"""Share of them among what is not ASCII: text in UTF-8 that was cut badly stays far below it."""


def as_utf8(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same text, cut anywhere, as UTF-8, and without the NUL bytes that a rotated log may begin with."""
    decoder: codecs.IncrementalDecoder | None = None
    is_known = False
    for number, piece in enumerate(pieces):
        encoding = _MARKS.get(piece[:2]) if number == 0 else None
        if encoding is None and not is_known and not piece.isascii():
            encoding, is_known = page(piece), True
        if encoding is not None:
            decoder, is_known = codecs.getincrementaldecoder(encoding)("replace"), True
        if decoder is None:
            yield piece.replace(b"\0", b"") if b"\0" in piece else piece
        else:
            yield decoder.decode(piece).encode("utf-8", "replace")


def page(data: bytes) -> str | None:
    """The old code page of a Russian text; None where it is UTF-8, or of none of them."""
    text = data.decode("utf-8", "replace")
    foreign = [char for char in text if not char.isascii()]
    if 2 * text.count("\ufffd") <= len(foreign):
        return None
    shares = {name: _share(data.decode(name, "replace")) for name in PAGES}
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= _LEAST else None


def _share(text: str) -> float:
    foreign = [char for char in text if not char.isascii()]
    return sum(char in _COMMON for char in foreign) / len(foreign)
