"""Lines out of bytes, wherever those were cut: each whole or cut for its length, each ended by one newline.

What is given back does not depend on how the bytes came: not inside UTF-8, not between CR and LF, not inside
a line of gigabytes. CR ends a line too: progress bars draw with it, and old Macs knew nothing else.
"""

from __future__ import annotations

import codecs
import re

from logrules.core.reading.charsets import as_utf8

LONGEST = 64 * 1024
"""Bytes of a line that are kept; the rest of a longer one is passed over."""
_ENDS = re.compile(rb"\r+\n?")
_EITHER = re.compile(rb"\r+\n?|\n")
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HALF = tuple(bom[:1] for bom in UTF16)


def count(data: bytes) -> int:
    """How many lines end in bytes that are no UTF-16 and do not end between CR and LF."""
    data = data.replace(b"\0", b"") if b"\0" in data else data
    return data.count(b"\n") if b"\r" not in data else len(_EITHER.findall(data))


class Lines:
    """One stream of bytes on its way to whole lines; keeps the unfinished one, of at most `LONGEST` bytes."""

    def __init__(self) -> None:
        self._rest = b""
        self._passes_over = False
        """It is inside a line that was cut."""
        self._begun = False
        self._utf16: codecs.IncrementalDecoder | None = None
        self._is_between = False
        """Nothing of what was read has a say in what comes."""

    def feed(self, data: bytes) -> bytes:
        """What has become whole lines by now."""
        if (
            self._is_between
            and data.endswith(b"\n")
            and len(data) <= LONGEST
            and b"\r" not in data
            and b"\0" not in data
        ):
            return as_utf8(data)  # as most that is read line by line
        whole = self._cut(self._plain(data))
        self._is_between = self._begun and not (self._rest or self._passes_over or self._utf16)
        return whole

    def close(self) -> bytes:
        """The last line, if nothing ended it."""
        rest = self._cut(b"\n") if self._rest else b""
        self._passes_over = self._is_between = False
        return rest

    def _cut(self, data: bytes) -> bytes:
        data = self._rest + data
        held = b"\r" if data.endswith(b"\r") else b""  # a newline may follow, and make one end of the two
        if b"\r" in data:
            data = _ENDS.sub(b"\n", data.rstrip(b"\r"))
        if self._passes_over:
            end = data.find(b"\n") + 1
            self._passes_over = not end
            data = data[end:] if end else b""
        end = data.rfind(b"\n") + 1
        whole, rest = data[:end], data[end:]
        if len(rest) > LONGEST:
            whole, rest = whole + rest[:LONGEST] + b"\n", b""
            self._passes_over = True
        self._rest = rest + held
        return _shortened(as_utf8(whole))

    def _plain(self, data: bytes) -> bytes:
        """`data` as UTF-8 where a byte order mark says that it is UTF-16; without NUL bytes."""
        if not self._begun:
            start = self._rest + data
            if start in _HALF:
                return data
            self._begun = bool(start)
            if start.startswith(UTF16):
                self._utf16 = codecs.getincrementaldecoder("utf-16")("replace")
                data, self._rest = start, b""
        if self._utf16:
            data = self._utf16.decode(data).encode()
        return data.replace(b"\0", b"") if b"\0" in data else data


def _shortened(data: bytes) -> bytes:
    """Whole lines, of which none is longer than `LONGEST` and its newline."""
    parts, start, at = [], 0, 0
    while len(data) - at > LONGEST:
        end = data.rfind(b"\n", at, at + LONGEST + 1) + 1  # the last line that ends in time: few steps
        if not end:
            parts.append(data[start : at + LONGEST])
            start = data.index(b"\n", at + LONGEST)
            end = start + 1
        at = end
    return b"".join([*parts, data[start:]]) if parts else data
