"""Text that is no UTF-8: what programs write on Windows, and old servers, where nobody asks for UTF-8.

Python's `open` and a redirected `print` write there in the code page of the country.
"""

from __future__ import annotations

import codecs
import re

RUSSIAN = ("cp1251", "cp866", "koi8-r")
"""Of Windows, of its console, and of old servers."""
_COMMON = {name: "оеаинтсрвлкмдпу".encode(name) for name in RUSSIAN}
"""Letters that make up three quarters of Russian; read in another page they become rare ones and capitals."""
_LEAST = 0.4
"""Share of them among what is not ASCII."""
_SAMPLE = 1024
"""Bytes of a line that it is judged by: fewer than a cut leaves of it, which so changes no answer."""
_PIECE = 16 * 1024
"""Bytes that are looked at at once: a longer text gets fresh memory from the system each time."""
_ASCII = bytes(range(0x80))
_WORD = re.compile(rb"[\x80-\xff]{3}")
_WESTERN = re.compile(rb"[\x80-\xff]{2}|[\x81\x8d\x8f\x90\x9d\xd7\xf7\xfe\xff]")
"""What a word of cp1252 does not have: two letters beyond ASCII in a row, bytes that mean nothing."""


def as_utf8(lines: bytes) -> bytes:
    """Whole lines, each as UTF-8 if its page can be told; each is judged by itself."""
    if lines.isascii() or _is_utf8(lines):
        return lines
    return b"".join(map(_line, lines.splitlines(keepends=True)))


def page(data: bytes) -> str | None:
    """The code page of a text; None where it is UTF-8, or was and is damaged, or where it cannot be told."""
    beyond = data.translate(None, _ASCII)
    text = data.decode("utf-8", "replace")
    if 2 * text.count("\ufffd") <= len(text) - (len(data) - len(beyond)):
        return None
    if not _WORD.search(data):
        return None if _WESTERN.search(data) else "cp1252"
    common = {name: len(beyond) - len(beyond.translate(None, _COMMON[name])) for name in RUSSIAN}
    best = max(common, key=lambda name: common[name])
    if common[best] >= _LEAST * len(beyond):
        return best
    return "gb2312" if _is_chinese(data) else None


def _line(line: bytes) -> bytes:
    sample = line[:_SAMPLE]
    name = None if _is_utf8(sample) else page(sample)
    return line.decode(name, "replace").encode() if name else line


def _is_utf8(data: bytes) -> bool:
    """Whether it is; it may end inside a character."""
    at = 0
    try:
        while at < len(data):
            piece = data[at : at + _PIECE]
            read = codecs.utf_8_decode(piece, "strict", False)[1]  # noqa: FBT003 - not the end
            if not read:
                break
            at += read
    except UnicodeDecodeError:
        return False
    return True


def _is_chinese(data: bytes) -> bool:
    """Whether each byte beyond ASCII has its other half; the last may stand behind the end."""
    try:
        codecs.getincrementaldecoder("gb2312")().decode(data)
    except UnicodeDecodeError:
        return False
    return True
