"""What is inside a file that somebody sent: text as it is, .gz and .zip within bounds, nothing else."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    class Readable(Protocol):
        """What bytes are read from."""

        def read(self, size: int, /) -> bytes:
            """The next bytes, at most `size`."""


CHUNK = 256 * 1024
TOTAL = 100 * 1_000_000
"""Bytes that are read of one file, unpacked; then it is cut short."""
RATIO = 300
"""Times that an archive may grow: logs that repeat themselves stay below 200, bombs are at 1000."""
FREE = 2_000_000
"""Bytes from which the ratio counts: short ones prove nothing."""
MEMBERS = 50
"""Files in one archive."""

_BROKEN = (zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, NotImplementedError)
_HEAD = 64 * 1024
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_ARCHIVES = (b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\xfd7zXZ", b"BZh", b"\x28\xb5\x2f\xfd")
_TAR = slice(257, 262)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_CONTROLS = bytes({*range(9), *range(14, 27), *range(28, 32)})
_TOLERATED = 0.02
"""Share of control characters in a text: some logs have a few."""


class RefusedError(Exception):
    """Why a file is not read: a key of `Texts.refused`."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Content:
    """The texts in a file, piece by piece.

    Args:
        data: The file as it was sent.
    """

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self.cut_short = False
        self.skipped = 0
        """Members that are no text."""
        self._raw = io.BytesIO(data)
        self._read = 0

    @property
    def share(self) -> float:
        """How much of the file has been read, from 0 to 1."""
        return self._raw.tell() / self.size if self.size else 1.0

    def texts(self) -> Iterator[Iterator[bytes]]:
        """Each text, as its pieces. Raises RefusedError."""
        head = self._raw.getvalue()[:_HEAD]
        if not head:
            raise RefusedError("empty")
        if head.startswith(_GZIP):
            with gzip.GzipFile(fileobj=self._raw) as file:
                yield self._one(file, "nested")
        elif head.startswith((_ZIP, _EMPTY_ZIP)):
            try:
                yield from self._members()
            except _BROKEN as error:
                raise RefusedError("broken") from error
        else:
            yield self._one(self._raw, "format")

    def _members(self) -> Iterator[Iterator[bytes]]:
        with zipfile.ZipFile(self._raw) as archive:
            files = [each for each in archive.infolist() if not each.is_dir()]
            if not files:
                raise RefusedError("empty")
            if len(files) > MEMBERS:
                raise RefusedError("crowd")
            found = False
            for each in files:
                if each.flag_bits & 1:
                    raise RefusedError("locked")
                if each.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                    raise RefusedError("format")
                with archive.open(each) as file:
                    head = _next(file, _HEAD)
                    if fault := _fault(head):
                        self.skipped += 1
                        continue
                    found = True
                    yield self._pieces(head, file)
                if self.cut_short:
                    return
            if not found:
                raise RefusedError(fault or "empty")

    def _one(self, file: Readable, archive: str) -> Iterator[bytes]:
        """The only text; `archive` says what is wrong if it is none."""
        head = _next(file, _HEAD)
        if fault := _fault(head):
            raise RefusedError(archive if fault == "nested" else fault)
        return self._pieces(head, file)

    def _pieces(self, head: bytes, file: Readable) -> Iterator[bytes]:
        data = head
        while data:
            self._read += len(data)
            if self._read > FREE and self._read > RATIO * self.size:
                raise RefusedError("bomb")
            if self._read > TOTAL:
                self.cut_short = True
                return
            yield data
            data = _next(file, CHUNK)


def _next(file: Readable, size: int) -> bytes:
    try:
        return file.read(size)
    except _BROKEN as error:
        raise RefusedError("broken") from error


def _fault(head: bytes) -> str | None:
    """Why this is no text, by how it begins."""
    if head.startswith((_GZIP, _ZIP, *_ARCHIVES)) or head[_TAR] == b"ustar":
        return "nested"
    if head.startswith(_UTF_16):
        return None
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return "binary" if controls > _TOLERATED * len(head) else None
