"""Words in a log that took their UTF-8 for an old code page: `Бот` is `Р‘РѕС‚` there, or `Ð‘Ð¾Ñ‚`.

Most of what is wanted beyond ASCII would be such words: they are made when they are asked for, and not kept.
"""

from __future__ import annotations

PAGES = ("cp1251", "cp1252", "mac_roman")
"""Windows in Russian, Windows in the West, and old Macs."""


def _letter(byte: int, page: str) -> str:
    """What a byte became; a byte that a page does not define is kept, as browsers do."""
    try:
        return bytes([byte]).decode(page)
    except UnicodeDecodeError:
        return chr(byte)


LETTERS = {page: [_letter(byte, page) for byte in range(256)] for page in PAGES}
"""By a page and a byte."""
_TABLES = [
    {byte: letter for byte, letter in enumerate(LETTERS[page]) if ord(letter) != byte} for page in PAGES
]


def spoilt(words: bytes) -> tuple[bytes, ...]:
    """What UTF-8 `words` look like in a log that went through each of the code pages."""
    if words.isascii():
        return ()
    text = words.decode("latin-1")
    return tuple(text.translate(table).encode() for table in _TABLES)
