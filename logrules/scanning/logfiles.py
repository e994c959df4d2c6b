"""Log files as bytes: as they are, or as gzip, bzip2, xz and Zstandard have packed them."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from logrules.core.model import LogrulesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK = 256 * 1024
SHRUNK = "it became shorter while it was read: what was cut off is missing here"
_LAST = b"\0logrules: the end\0"
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}


class LogFile(NamedTuple):
    """An open file, pipe or terminal."""

    path: str
    fd: int
    read: Callable[[], bytes]
    """The next bytes, unpacked; none at the end."""
    is_file: bool
    is_packed: bool
    size: int
    """Bytes of a file when it was opened, packed as it is."""

    def chunks(self) -> Iterator[bytes]:
        """All of a file. Raises LogrulesError where it is damaged, after everything that stands before."""
        while data := self.read():
            yield data
        if self.is_file and os.fstat(self.fd).st_size < self.position():
            raise LogrulesError(SHRUNK)

    def position(self) -> int:
        """How many of its bytes were read."""
        return os.lseek(self.fd, 0, os.SEEK_CUR)


@contextmanager
def opened(path: str) -> Iterator[LogFile]:
    """A file to be read; `-` is standard input.

    Raises OSError, and LogrulesError for what cannot be unpacked.
    """
    fd = 0 if path == "-" else os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        about = os.fstat(fd)
        is_file = stat.S_ISREG(about.st_mode)
        packed = _packed(fd) if is_file else None
        read = _unpacked(packed, fd, path) if packed else lambda: os.read(fd, CHUNK)
        yield LogFile(path, fd, read, is_file, packed is not None, about.st_size if is_file else 0)
    finally:
        if fd:
            os.close(fd)


def _packed(fd: int) -> str | None:
    at = os.lseek(fd, 0, os.SEEK_CUR)
    first = os.read(fd, 6)
    os.lseek(fd, at, os.SEEK_SET)
    return packing(first)


def _unpacked(packed: str, fd: int, path: str) -> Callable[[], bytes]:
    file = open(fd, "rb", buffering=0, closefd=False)  # noqa: SIM115  whoever has opened it closes it
    return unpacking(packed, file, path)


def packing(first: bytes) -> str | None:
    """How a file is packed that begins like this; None for one that is not, or not by any of these."""
    return next((name for magic, name in _PACKED.items() if first.startswith(magic)), None)


def unpacking(packed: str, file: Any, path: str = "FILE") -> Callable[[], bytes]:
    """A function that gives the next bytes of what `file` holds packed; none at the end.

    Raises LogrulesError, as the function does for what is damaged or cut short.
    """
    stream = _stream(packed, file, path)
    faults = _faults()

    def read() -> bytes:
        try:
            data: bytes = stream.read1(CHUNK)
        except faults as error:
            raise LogrulesError(
                f"its {packed} data is damaged or cut short ({error}): what stands before that was read"
            ) from error
        return data

    return read


def _stream(packed: str, file: Any, path: str) -> Any:
    if packed == "gzip":
        import gzip

        return gzip.GzipFile(fileobj=file)
    if packed == "bzip2":
        import bz2

        return bz2.BZ2File(file)
    if packed == "xz":
        import lzma

        return lzma.LZMAFile(file)
    try:
        import zstandard
    except ImportError:
        raise LogrulesError(
            "it is packed with Zstandard. Run: pip install 'logrules[zstd]'"
            f", or: zstdcat {path} | logrules scan -"
        ) from None
    last = zstandard.ZstdCompressor(write_checksum=True).compress(_LAST)
    source: Any = _Followed(file, last)  # nothing but `read` is asked of it
    return _Zstandard(zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True))


class _Followed:
    """A file, and some bytes behind it."""

    def __init__(self, file: Any, rest: bytes) -> None:
        self._file, self._rest = file, rest

    def read(self, size: int) -> bytes:
        """The next bytes."""
        data: bytes = self._file.read(size)
        if not data:
            data, self._rest = self._rest[:size], self._rest[size:]
        return data


class _Zstandard:
    """A stream of `zstandard`, which takes a frame that is cut short for the end of all.

    So a frame of our own stands behind it: without that at the end, something is missing before it.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._held = b""

    def read1(self, size: int) -> bytes:
        """The next bytes; none at the end. Raises EOFError for what is cut short."""
        while data := self._stream.read(size):
            data = self._held + data
            self._held = data[-len(_LAST) :]
            if len(data) > len(_LAST):
                return bytes(data[: -len(_LAST)])
        if self._held == _LAST:
            return b""
        rest, self._held = self._held, b""
        if rest:
            return rest
        raise EOFError("the end of a frame is missing")


def _faults() -> tuple[type[Exception], ...]:
    import zlib

    faults: list[type[Exception]] = [EOFError, OSError, zlib.error]
    try:
        import lzma

        faults.append(lzma.LZMAError)
    except ImportError:
        pass  # a Python without it
    try:
        import zstandard

        faults.append(zstandard.ZstdError)
    except ImportError:
        pass
    return tuple(faults)
