"""Text that is no UTF-8: what programs write on Windows, and old servers, where nobody asks for UTF-8.

Python's `open` and a redirected `print` write there in the code page of the country.
"""

from __future__ import annotations

import codecs
import re

RUSSIAN = ("cp1251", "cp866", "koi8-r")
"""Of Windows, of its console, and of old servers."""
_COMMON = frozenset("оеаинтсрвлкмдпу")
"""Letters that make up three quarters of Russian; read in another page they become rare ones and capitals."""
_LEAST = 0.4
"""Share of them among what is not ASCII."""
_WORD = re.compile(rb"[\x80-\xff]{3}")
_WESTERN = re.compile(rb"[\x80-\xff]{2}|[\x81\x8d\x8f\x90\x9d\xd7\xf7\xfe\xff]")
"""What a word of cp1252 does not have: two letters beyond ASCII in a row, bytes that mean nothing."""


def as_utf8(lines: bytes, longest: int) -> bytes:
    """Whole lines, each as UTF-8 if its page can be told.

    Each is judged by itself and by its first `longest` bytes, so that the answer does not depend on how a log
    was cut.
    """
    if lines.isascii() or _is_utf8(lines):
        return lines
    return b"".join([_line(each, longest) for each in lines.splitlines(keepends=True)])


def page(data: bytes) -> str | None:
    """The code page of a text; None where it is UTF-8, or was and is damaged, or where it cannot be told."""
    foreign = _foreign(data.decode("utf-8", "replace"))
    if 2 * foreign.count("\ufffd") <= len(foreign):
        return None
    if _WORD.search(data):
        shares = {name: _share(data.decode(name, "replace")) for name in RUSSIAN}
        best = max(shares, key=lambda name: shares[name])
        return best if shares[best] >= _LEAST else _chinese(data)
    return None if _WESTERN.search(data) else "cp1252"


def _line(line: bytes, longest: int) -> bytes:
    first = line[:longest]
    name = None if first.isascii() or _is_utf8(first) else page(first)
    return line.decode(name, "replace").encode() if name else line


def _is_utf8(data: bytes) -> bool:
    try:
        codecs.utf_8_decode(data, "strict", False)  # noqa: FBT003 - it may end inside a character
    except UnicodeDecodeError:
        return False
    return True


def _foreign(text: str) -> str:
    return "".join([char for char in text if not char.isascii()])


def _share(text: str) -> float:
    foreign = _foreign(text)
    return sum(char in _COMMON for char in foreign) / len(foreign)


def _chinese(data: bytes) -> str | None:
    """Whether each byte beyond ASCII has its other half, as in the Chinese that logs are written in."""
    try:
        data.decode("gb2312")
    except UnicodeDecodeError:
        return None
    return "gb2312"
