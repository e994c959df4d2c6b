"""Texts as UTF-8: those of Windows come in UTF-16 too, and in the old code page of their country."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from logrules.core.reading.charsets import page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


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
