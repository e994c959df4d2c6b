"""What is inside a file that somebody sent: texts, packed or not, within bounds, and nothing else."""

from __future__ import annotations

import io
import tarfile
import time
import zipfile
import zlib
from typing import TYPE_CHECKING

from bot.codepages import as_utf8
from logrules.core.model import LogrulesError
from logrules.scanning import logfiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    class Readable(Protocol):
        """What bytes are read from."""

        def read(self, size: int = -1, /) -> bytes:
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

_BROKEN = (
    zlib.error,
    zipfile.BadZipFile,
    tarfile.TarError,
    LogrulesError,
    EOFError,
    OSError,
    NotImplementedError,
)
_HEAD = 64 * 1024
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_CLOSED = (b"7z\xbc\xaf\x27\x1c", b"Rar!")
"""Archives that nothing here opens."""
_TAR = slice(257, 262)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_CONTROLS = bytes({*range(1, 9), *range(14, 27), *range(28, 32)})
_TOLERATED = 0.02
"""Share of control characters in a text: some logs have a few."""


class RefusedError(Exception):
    """Why a file is not read: a key of `texts.REFUSED`."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Content:
    """The texts in a file, piece by piece, as UTF-8.

    Args:
        data: The file as it was sent.
        seconds: For reading it; then it is cut short.
    """

    def __init__(self, data: bytes, seconds: float) -> None:
        self.size = len(data)
        self.read = 0
        """Bytes by now, unpacked."""
        self.cut_short = False
        self.broken = False
        """It is damaged, behind what has been read."""
        self.skipped = 0
        """Members that are no text."""
        self._raw = io.BytesIO(data)
        self._until = time.monotonic() + seconds

    @property
    def share(self) -> float:
        """How much of the file has been read, from 0 to 1."""
        return self._raw.tell() / self.size if self.size else 1.0

    def texts(self) -> Iterator[Iterator[bytes]]:
        """Each text, as its pieces. Raises RefusedError."""
        try:
            yield from self._texts()
        except _BROKEN as error:
            self.damaged(error)

    def _texts(self) -> Iterator[Iterator[bytes]]:
        head = self._raw.getvalue()[:_HEAD]
        if not head:
            raise RefusedError("empty")
        if head.startswith(_ZIP):
            yield from self._members(self._zipped())
            return
        packed = logfiles.packing(head)
        stream = _Unpacked(self._unpacking(packed)) if packed else self._raw
        file = _Bounded(self, stream)
        head = file.read(_HEAD)
        if not head:
            raise RefusedError("empty")
        if head[_TAR] == b"ustar":
            yield from self._members(self._tarred(_Bounded(self, stream, head)))
        elif fault := _fault(head):
            raise RefusedError("nested" if packed and fault == "format" else fault)
        else:
            yield as_utf8(_pieces(head, file))

    def _unpacking(self, packed: str) -> Callable[[], bytes]:
        try:
            return logfiles.unpacking(packed, self._raw)
        except LogrulesError as error:  # what unpacks it is not installed
            raise RefusedError("format") from error

    def _members(self, files: Iterator[Readable]) -> Iterator[Iterator[bytes]]:
        """The texts among the files in an archive."""
        why = "empty"
        found = False
        for number, file in enumerate(files):
            if number >= MEMBERS:
                raise RefusedError("crowd")
            head = file.read(_HEAD)
            if fault := _fault(head) if head else "empty":
                why = "nested" if fault == "format" else fault
                self.skipped += fault != "empty"
                continue
            found = True
            yield as_utf8(_pieces(head, file))
            if self.cut_short:
                return
        if not found:
            raise RefusedError(why)

    def _zipped(self) -> Iterator[Readable]:
        with zipfile.ZipFile(self._raw) as archive:
            files = [each for each in archive.infolist() if not each.is_dir()]
            if len(files) > MEMBERS:
                raise RefusedError("crowd")
            for each in files:
                if each.flag_bits & 1:
                    raise RefusedError("locked")
                if each.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                    raise RefusedError("format")
                with archive.open(each) as file:
                    yield _Bounded(self, file)

    def _tarred(self, stream: Readable) -> Iterator[Readable]:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK) as archive:  # type: ignore[call-overload]
            for each in archive:
                file = archive.extractfile(each) if each.isreg() else None
                if file is not None:
                    yield file

    def damaged(self, error: Exception) -> None:
        """It cannot be read on. Raises RefusedError where nothing of it was read."""
        if not self.read:
            raise RefusedError("broken") from error
        self.broken = not self.cut_short  # else that is why

    def note(self, read: int) -> None:
        """So many bytes more were unpacked. Raises RefusedError for a bomb."""
        self.read += read
        if self.read > FREE and self.read > RATIO * self.size:
            raise RefusedError("bomb")
        self.cut_short = self.read > TOTAL or time.monotonic() > self._until


class _Bounded:
    """A stream of which no more is read than its content may; `head` was read before."""

    def __init__(self, content: Content, stream: Readable, head: bytes = b"") -> None:
        self._content, self._stream, self._head = content, stream, head

    def read(self, size: int = CHUNK, /) -> bytes:
        """The next bytes; none at the end, or where it is cut short."""
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        if self._content.cut_short:
            return b""
        try:
            data = self._stream.read(size)
        except _BROKEN as error:
            self._content.damaged(error)
            return b""
        self._content.note(len(data))
        return data


class _Unpacked:
    """What a function gives piece by piece, as a stream."""

    def __init__(self, more: Callable[[], bytes]) -> None:
        self._more = more
        self._rest = b""

    def read(self, size: int = CHUNK, /) -> bytes:
        """The next bytes: as many as asked for, but at the end."""
        parts = [self._rest]
        have = len(self._rest)
        while have < size and (data := self._more()):
            parts.append(data)
            have += len(data)
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]


def _pieces(head: bytes, file: Readable) -> Iterator[bytes]:
    data = head
    while data:
        yield data
        data = file.read(CHUNK)


def is_archive(head: bytes | bytearray) -> bool:
    """Whether there is something in it, by how it begins."""
    return (
        head.startswith((*_ZIP, *_CLOSED))
        or logfiles.packing(bytes(head[:16])) is not None
        or head[_TAR] == b"ustar"
    )


def _fault(head: bytes) -> str | None:
    """Why this is no text, by how it begins."""
    if is_archive(head):
        return "format"
    if head.startswith(_UTF_16):
        return None
    text = head.replace(b"\0", b"")  # what a rotated log begins with; and UTF-16 that does not say so
    controls = len(text) - len(text.translate(None, _CONTROLS))
    return "binary" if controls > _TOLERATED * len(text) or not text else None
