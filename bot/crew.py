"""A large text is read by several processes, and told as if by one.

It is cut where a record begins whatever stands before it: so its parts say what the whole says.
"""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

from logrules.core.reading import lines
from logrules.scanning.parts import beginning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    T = TypeVar("T")

FIRST = 128 * 1024
"""Bytes of the first part: what stands in it is told before anything else."""
PART = 512 * 1024
"""Bytes of each further one."""
MOST = 4
"""Processes: each wants memory of its own."""
_LOOK = 64 * 1024
"""Bytes in which a record must begin; where none does the text goes on in the same process."""
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files"""


class Part(NamedTuple):
    """A part of a text."""

    data: bytes
    line: int | None
    """Its first line's number; None where it goes on in the middle of a record, behind the part before."""
    is_closed: bool
    """Whether a record begins behind it, or the text ends."""


def parts(text: Iterable[bytes]) -> Iterator[Part]:
    """The parts of a text, which comes in pieces."""
    data, size, number, begun = b"", FIRST, 1, False
    for piece in text:
        data += piece
        while len(data) >= size + _LOOK:
            last = size + _LOOK
            cut = beginning(data, size, last)
            end = cut or data.rfind(b"\n", 0, last) + 1 or last
            yield Part(data[:end], None if begun else number, cut is not None)
            number += lines.count(data[:end])
            data, size, begun = data[end:], PART, cut is None
    yield Part(data, None if begun else number, is_closed=True)


def processors() -> int:
    """How many processes there is room for: a small plan has less than a processor of many."""
    if sys.platform != "linux":
        return 1
    there = min(len(os.sched_getaffinity(0)), MOST)
    try:
        quota, period = map(float, _QUOTA.read_text("ascii").split())
    except (OSError, ValueError):  # none, or `max`
        return there
    return max(1, min(there, int(quota / period)))


def each(parts: Iterator[Part], read: Callable[[Part], T], jobs: int) -> Iterator[T]:
    """What `read` gives for each part, in order, by as many processes.

    The first part is read here: what `read` makes ready once, those that are forked then have by birth.
    Raises EOFError if one of them is killed.
    """
    for part in parts:
        yield read(part)
        if jobs > 1:
            break
    crew = _Crew(read, jobs)
    try:
        for part in parts:
            yield from crew.give(part)
        yield from crew.rest()
    finally:
        crew.leave()


class _Hand(NamedTuple):
    """One of the processes."""

    pid: int
    pipe: Connection


class _Crew:
    """Processes that read parts of one text."""

    def __init__(self, read: Callable[[Part], Any], jobs: int) -> None:
        self._read, self._jobs = read, jobs
        self._hands: list[_Hand] = []
        self._at_work: dict[Connection, int] = {}
        """The number of the part that each of them reads."""
        self._last: Connection | None = None
        self._given = self._told = 0
        self._found: dict[int, Any] = {}

    def give(self, part: Part) -> Iterator[Any]:
        """Have a part read; returns what is known of those before it."""
        pipe = self._last if part.line is None else None
        while pipe in self._at_work or not (pipe or self._free()):
            yield from self._next()
        self._last = pipe or self._free()
        assert self._last is not None
        self._last.send(part)
        self._at_work[self._last] = self._given
        self._given += 1

    def rest(self) -> Iterator[Any]:
        """What is still missing."""
        while self._at_work:
            yield from self._next()

    def leave(self) -> None:
        """End them."""
        for hand in self._hands:
            hand.pipe.close()
            os.kill(hand.pid, signal.SIGKILL)
            os.waitpid(hand.pid, 0)

    def _free(self) -> Connection | None:
        """Somebody without work, if need be a new one."""
        idle = next((hand.pipe for hand in self._hands if hand.pipe not in self._at_work), None)
        if idle is None and len(self._hands) < self._jobs:
            self._hands.append(_forked(self._read, self._hands))
            idle = self._hands[-1].pipe
        return idle

    def _next(self) -> Iterator[Any]:
        """Wait for one of them; what can be told in order."""
        for pipe in wait(self._at_work):
            assert isinstance(pipe, Connection)
            self._found[self._at_work.pop(pipe)] = pipe.recv()
        while self._told in self._found:
            yield self._found.pop(self._told)
            self._told += 1


def _forked(read: Callable[[Part], Any], others: Sequence[_Hand]) -> _Hand:
    ours, theirs = Pipe()
    pid = os.fork()
    if not pid:
        for pipe in (ours, *(hand.pipe for hand in others)):
            pipe.close()  # or nobody would notice the parent's end
        _serve(theirs, read)
    theirs.close()
    return _Hand(pid, ours)


def _serve(pipe: Connection, read: Callable[[Part], Any]) -> NoReturn:
    try:
        while True:
            pipe.send(read(pipe.recv()))
    finally:  # the parent has ended, or will see that this one has
        os._exit(0)
