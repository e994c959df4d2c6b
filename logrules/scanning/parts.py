"""Parts of files, on all processors, with results in order.

A file is cut where a record begins whatever stands before it (`core.reading.looks.begins`): then its
parts say what the whole says. Each part is read by one process, which is forked with all that it needs.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from logrules.core.model import LogrulesError
from logrules.core.reading import lines, looks
from logrules.scanning.logfiles import SHRUNK, LogFile, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    T = TypeVar("T")

PART = 4 * 1024 * 1024
"""Bytes of a part: milliseconds of work, or seconds where every line is a failure."""
_LOOK = 256 * 1024
"""Bytes in which a record must begin; where none does a part is longer."""


class Part(NamedTuple):
    """A part of a file, or all of it."""

    path: str
    first: int
    """The number of its file's first part."""
    number: int
    start: int
    end: int | None
    """Where it ends; None is where the file does, whenever that is read."""

    @property
    def is_whole(self) -> bool:
        """Whether it is all of its file."""
        return not self.start and self.end is None

    def read(self, fd: int) -> bytes:
        """All of its bytes. Raises LogrulesError if they are no longer there."""
        size = (self.end or 0) - self.start
        found: list[bytes] = []
        while size and (data := os.read(fd, size)):
            found.append(data)
            size -= len(data)
        if size:
            raise LogrulesError(SHRUNK)
        return b"".join(found)


def planned(paths: Sequence[str]) -> list[Part]:
    """The parts of some files; one of what cannot be read, for whoever tries."""
    parts: list[Part] = []
    for path in paths:
        try:
            with opened(path) as file:
                starts: list[int] = cuts(file)
        except (OSError, LogrulesError):
            starts = [0]
        first = len(parts)
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], None], strict=True)):
            parts.append(Part(path, first, first + number, start, end))
    return parts


def cuts(file: LogFile) -> list[int]:
    """Where the parts of a file begin."""
    found = [0]
    if not file.is_file or file.is_packed or _read(file.fd, 0, 2) in lines.UTF16:
        return found
    at = PART
    while at + PART < file.size:
        begin = _begin(file.fd, at)
        if begin is not None:
            found.append(begin)
        at = max(at, found[-1]) + PART
    return found


def _begin(fd: int, at: int) -> int | None:
    """Where the first record begins behind a place of a file; None if that is far."""
    start = beginning(_read(fd, at, _LOOK))
    return None if start is None else at + start


def beginning(data: bytes, at: int = 0, until: int | None = None) -> int | None:
    """Where the first record begins behind a place, whatever stands before it; None if none does."""
    start, since = data.find(b"\n", at, until) + 1, 0
    while start:
        end = data.find(b"\n", start, until) + 1
        since = 0 if looks.is_headed_frame(data[start : end or until]) else since + 1
        if end and since > looks.CODE and looks.begins(data[start:end]):
            return start
        start = end
    return None


def _read(fd: int, at: int, size: int) -> bytes:
    os.lseek(fd, at, os.SEEK_SET)
    data = os.read(fd, size)
    os.lseek(fd, 0, os.SEEK_SET)
    return data


def each(parts: Sequence[Part], work: Callable[[Part, Callable[[bytes], int]], T], jobs: int) -> Iterator[T]:
    """What `work` gives for each part, in order; it runs in `jobs` processes, with what it knows by now.

    `work` is given the part, and a function that takes the part's bytes and gives its first line's number.
    Raises LogrulesError if one of the processes is killed.
    """
    context = multiprocessing.get_context("fork")
    counts = context.Array("q", [-1] * len(parts))
    known = context.Condition()
    _JOB[:] = [work, counts, known]
    with ProcessPoolExecutor(jobs, context, initializer=_ready) as pool:
        waiting: deque[Any] = deque()
        left = iter(parts)
        try:
            for part in left:
                waiting.append(pool.submit(_worked, part))
                if len(waiting) > jobs + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise LogrulesError(
                "a process of this scan was killed, perhaps for want of memory. Run it again with --jobs 1"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_JOB: list[Any] = []
"""What the forked processes are to do."""


def _ready() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends them


def _worked(part: Part) -> Any:
    work, counts, known = _JOB

    def first_line(data: bytes) -> int:
        _tell(part, lines.count(data))
        with known:  # earlier parts were begun earlier
            known.wait_for(lambda: -1 not in counts[part.first : part.number])
            return 1 + int(sum(counts[part.first : part.number]))

    try:
        return work(part, first_line)
    finally:
        _tell(part, 0)


def _tell(part: Part, count: int) -> None:
    _, counts, known = _JOB
    with known:
        if counts[part.number] < 0:
            counts[part.number] = count
        known.notify_all()
