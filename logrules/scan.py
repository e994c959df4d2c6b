"""`logrules scan`: files and pipes → engine → one JSON line per event, or a summary at a terminal."""

from __future__ import annotations

import json
import os
import select
import stat
import sys
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from logrules.core.effects import Annotate
from logrules.core.engine import Engine, Policy
from logrules.core.event import encode, of_match
from logrules.core.model import Chunk, Exit, LogrulesError, Origin
from logrules.core.redact import Redactor, secrets_in
from logrules.streams import OutputError, complain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from logrules.core.effects import Effect
    from logrules.core.match import Match
    from logrules.rules import Rules

    Out = Callable[[Match], None]

CHUNK = 256 * 1024
LARGE = 64 * 1024 * 1024
"""Bytes from which a scan takes long enough to be watched."""
_COMPRESSED = {b"\x1f\x8b": "zcat", b"\x28\xb5": "zstdcat", b"BZ": "bzcat", b"\xfd7": "xzcat"}


def scan(files: Sequence[str], known: Rules, *, as_json: bool, coverage: bool = False) -> int:
    """Classify `files` (`-` is standard input). Returns 0, found or not, and 78 if one could not be read.

    With `coverage` the rules that were met are told instead of the events.
    """
    engine = Engine(known.rulebook, Policy(acts=False))
    redact = Redactor(secrets_in(os.environ))
    people = sys.stdout.isatty() and not as_json
    with _told(engine, redact, known, people=people, as_json=as_json, coverage=coverage) as out:
        readable = [_scanned(path, engine, out, watched=people) for path in files]
    return Exit.OK if all(readable) else Exit.CONFIG


def _told(
    engine: Engine, redact: Redactor, known: Rules, *, people: bool, as_json: bool, coverage: bool
) -> AbstractContextManager[Out]:
    if coverage:
        return _coverage(engine, as_json=as_json)
    return _people(redact, known) if people else _events(redact, known)


@contextmanager
def _coverage(engine: Engine, *, as_json: bool) -> Iterator[Out]:
    """How often each rule was met, the most frequent first; at the end those that never were."""
    met = Counter({pattern.rule: 0 for pattern in engine.rulebook.patterns})
    yield lambda match: met.update([match.rule or ""])
    for rule, count in sorted(met.items(), key=lambda each: (-each[1], each[0])):
        print(json.dumps({"rule": rule, "count": count}) if as_json else f"{count or 'never':>8}  {rule}")


@contextmanager
def _events(redact: Redactor, known: Rules) -> Iterator[Out]:
    """One JSON line per event."""

    def write(match: Match) -> None:
        event = of_match(match, known.specs[match.code], known.lang)
        try:
            sys.stdout.buffer.write(encode(event, redact))
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"cannot write the output: {error.strerror or error}") from error

    yield write
    sys.stdout.buffer.flush()


@contextmanager
def _people(redact: Redactor, known: Rules) -> Iterator[Out]:
    """A summary at the end."""
    from logrules.summary import Summary

    summary = Summary(redact, known)
    yield summary.add
    summary.show()


def _scanned(path: str, engine: Engine, out: Out, *, watched: bool) -> bool:
    """Classify one file; whether it could be read. One that could not does not stop the others."""
    try:
        with _opened(path) as fd, _progress(fd, path, watched=watched) as advance:
            for effects in _decided(fd, path, engine, advance):
                for effect in effects:
                    if isinstance(effect, Annotate):
                        out(effect.match)
    except (BrokenPipeError, OutputError):
        raise
    except (OSError, LogrulesError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        complain(f"cannot read {path}: {why}. Name a log file, or - for standard input")
        return False
    return True


@contextmanager
def _opened(path: str) -> Iterator[int]:
    if path == "-":
        yield 0
        return
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        if _is_file(fd):
            reader = _COMPRESSED.get(os.read(fd, 2))
            if reader:
                raise LogrulesError(f"it is compressed. Run: {reader} {path} | logrules scan -")
            os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def _is_file(fd: int) -> bool:
    return stat.S_ISREG(os.fstat(fd).st_mode)


@contextmanager
def _progress(fd: int, path: str, *, watched: bool) -> Iterator[Callable[[int], None]]:
    """A bar for somebody who waits for a large file."""
    size = os.fstat(fd).st_size if watched and _is_file(fd) and sys.stderr.isatty() else 0
    if size < LARGE:
        yield lambda _: None
        return
    from logrules.summary import bar

    with bar(path, size) as advance:
        yield advance


def _decided(fd: int, path: str, engine: Engine, advance: Callable[[int], None]) -> Iterator[list[Effect]]:
    """What follows from a file, chunk by chunk."""
    origin = _origin(path)
    if _is_file(fd):
        now = time.time()  # one moment for the whole file: a record in it never grows old
        for data in _chunks(fd):
            yield engine.feed(Chunk(origin, data, now))
            advance(len(data))
        yield engine.end(origin, now)
        return
    for data in _chunks(fd, lambda: _wait(fd, engine)):
        yield engine.feed(Chunk(origin, data, time.time())) if data else engine.tick(time.time())
    yield engine.end(origin, time.time())


def _origin(path: str) -> Origin:
    service = os.environ.get("LOGRULES_SERVICE") or ("stdin" if path == "-" else os.path.basename(path))  # noqa: PTH119
    return Origin(service, path, "text")


def _chunks(fd: int, ready: Callable[[], bool] = lambda: True) -> Iterator[bytes]:
    """Bytes as they come; nothing (b"") each time that `ready` has waited in vain."""
    while True:
        if not ready():
            yield b""
        elif data := os.read(fd, CHUNK):
            yield data
        else:
            return


def _wait(fd: int, engine: Engine) -> bool:
    """Whether a pipe has something to read, or its end, before a record must be closed."""
    sys.stdout.flush()  # a pipe may be silent for hours
    if engine.deadline is None or sys.platform == "win32":  # where only sockets can be waited for
        return True
    return bool(select.select([fd], [], [], max(0.0, engine.deadline - time.time()))[0])
