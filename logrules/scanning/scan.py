"""`logrules scan`: files and pipes → engine → one JSON line per event, or a summary at a terminal.

Large files and several are read by all processors, with the same output.
"""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from logrules.core.engine import Engine, Policy
from logrules.core.model import Chunk, Exit, LogrulesError, Origin
from logrules.core.redact import Redactor, secrets_in
from logrules.scanning.findings import Coverage, Events, Findings, People
from logrules.scanning.logfiles import CHUNK, opened
from logrules.streams import OutputError, complain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from logrules.core.effects import Effect
    from logrules.core.ruleset.rulebook import Rulebook
    from logrules.rules import Rules
    from logrules.scanning.findings import Taken
    from logrules.scanning.logfiles import LogFile
    from logrules.scanning.parts import Part

    Advance = Callable[[int], None]

LARGE = 64 * 1024 * 1024
"""Bytes from which a scan takes long enough to be watched."""
MANY = 16 * 1024 * 1024
"""…and from which it is worth more than one process."""


class _Task(NamedTuple):
    """What does not change from file to file."""

    rulebook: Rulebook
    findings: Findings
    now: float
    """One moment for all files: a record in them never grows old."""


def scan(
    files: Sequence[str], known: Rules, *, as_json: bool, coverage: bool = False, jobs: int | None = None
) -> int:
    """Classify `files` (`-` is standard input). Returns 0, found or not, and 78 if one could not be read.

    With `coverage` the rules that were met are told instead of the events. `jobs` is the number of processes;
    as many as there are processors by default.
    """
    people = sys.stdout.isatty() and not as_json
    findings = _findings(known, people=people, as_json=as_json, coverage=coverage)
    task = _Task(known.rulebook, findings, time.time())
    watched = sys.stderr.isatty() and (people or not sys.stdout.isatty())
    sizes = [_size(path) for path in files]
    with _progress(sum(filter(None, sizes)), watched=watched) as advance:
        if (count := _jobs(sizes, jobs)) > 1:
            faults = _side_by_side(files, task, count, advance)
        else:
            faults = [_scanned(path, task, advance) for path in files]
    findings.end()
    return Exit.CONFIG if any(faults) else Exit.OK


def _findings(known: Rules, *, people: bool, as_json: bool, coverage: bool) -> Findings:
    redact = Redactor(secrets_in(os.environ))
    if coverage:
        return Coverage(known, as_json=as_json)
    return People(known, redact) if people else Events(known, redact)


def _size(path: str) -> int | None:
    """Bytes of a file; None of what is none, or is not there."""
    try:
        about = os.stat(path)  # noqa: PTH116  a Path would cost more than the call
    except OSError:
        return None
    return about.st_size if path != "-" and stat.S_ISREG(about.st_mode) else None


def _jobs(sizes: Sequence[int | None], asked: int | None) -> int:
    """How many processes are worth it: a pipe is read as it comes, and no system but Linux forks well."""
    if sys.platform != "linux" or None in sizes or sum(filter(None, sizes)) < MANY:
        return 1
    return len(os.sched_getaffinity(0)) if asked is None else asked


@contextmanager
def _progress(size: int, *, watched: bool) -> Iterator[Advance]:
    """A bar for somebody who waits for large files."""
    if not watched or size < LARGE:
        yield lambda _: None
        return
    from logrules.scanning.summary import bar

    with bar(size) as advance:
        yield advance


# --- one after another


def _scanned(path: str, task: _Task, advance: Advance) -> str | None:
    """Classify a file, and tell as it is read; why it could not be, which is said and stops no other."""
    before = 0
    try:
        with opened(path) as file:
            for effects in _decided(file, task, Engine(task.rulebook, Policy(acts=False))):
                task.findings.add(effects)
                task.findings.give(task.findings.take())
                if file.is_file:
                    advance(file.position() - before)
                    before = file.position()
    except (BrokenPipeError, OutputError):
        raise
    except (OSError, LogrulesError) as error:
        return _said(path, _why(error))
    return None


def _why(error: OSError | LogrulesError) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror}. Name a log file, or - for standard input"
    return str(error)


def _said(path: str, why: str) -> str:
    complain(f"cannot read {path}: {why}")
    return why


def _decided(file: LogFile, task: _Task, engine: Engine) -> Iterator[list[Effect]]:
    """What follows from a file, chunk by chunk."""
    origin = _origin(file.path)
    if file.is_file:
        try:
            for data in file.chunks():
                yield engine.feed(Chunk(origin, data, task.now))
        except (OSError, LogrulesError):
            yield engine.end(origin, task.now)  # what could be read counts
            raise
        yield engine.end(origin, task.now)
        return
    while (read := file.read() if _wait(file.fd, engine) else None) != b"":
        now = time.time()
        yield engine.feed(Chunk(origin, read, now)) if read else engine.tick(now)
    yield engine.end(origin, time.time())


def _origin(path: str) -> Origin:
    service = os.environ.get("LOGRULES_SERVICE") or ("stdin" if path == "-" else os.path.basename(path))  # noqa: PTH119
    return Origin(service, path, "text")


def _wait(fd: int, engine: Engine) -> bool:
    """Whether a pipe has something to read, or its end, before a record must be closed."""
    sys.stdout.flush()  # a pipe may be silent for hours
    if engine.deadline is None or sys.platform == "win32":  # where only sockets can be waited for
        return True
    return bool(select.select([fd], [], [], max(0.0, engine.deadline - time.time()))[0])


# --- side by side


def _side_by_side(files: Sequence[str], task: _Task, jobs: int, advance: Advance) -> list[str | None]:
    """The same by several processes, in the same order."""
    from logrules.scanning import parts

    planned = parts.planned(files)
    task.rulebook.search.prepare()  # once, for all that are forked
    faults: list[str | None] = []

    def work(part: Part, first_line: Callable[[bytes], int]) -> tuple[Taken, str | None, int]:
        return _read(part, first_line, task)

    for part, (taken, why, size) in zip(planned, parts.each(planned, work, jobs), strict=True):
        task.findings.give(taken)
        faults.append(_said(part.path, why) if why else None)
        advance(size)
    return faults


def _read(part: Part, first_line: Callable[[bytes], int], task: _Task) -> tuple[Taken, str | None, int]:
    """What is found in a part, why it could not be read, and how many bytes it has."""
    engine, findings = Engine(task.rulebook, Policy(acts=False)), task.findings
    size = 0
    try:
        with opened(part.path) as file:
            if part.is_whole:
                for effects in _decided(file, task, engine):
                    findings.add(effects)
                return findings.take(spool=True), None, file.size
            os.lseek(file.fd, part.start, os.SEEK_SET)
            origin = _origin(part.path)
            data = b"" if part.end is None else part.read(file.fd)
            engine.begin(origin, first_line(data))
            size = len(data)
            for chunk in parts_of(data) if data else file.chunks():
                findings.add(engine.feed(Chunk(origin, chunk, task.now)))
            findings.add(engine.end(origin, task.now))
            size = size or file.position() - part.start
    except (OSError, LogrulesError) as error:
        return findings.take(spool=True), _why(error), size
    return findings.take(spool=True), None, size


def parts_of(data: bytes) -> Iterator[bytes]:
    """Bytes in chunks that a processor's caches hold."""
    return (data[at : at + CHUNK] for at in range(0, len(data), CHUNK))
