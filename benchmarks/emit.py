"""`make bench-emit`: what one line costs its caller, ours beside what people use; one core, one run.

Every row writes each JSON line at once, with one system call, to one descriptor: first that of a file, where
the lines are looked at, then that of the null device, where they are timed. The rows take turns, and the best
round of each counts. Microseconds depend on the machine; only ratios count.

The coded rows hold the same fields. Those of loguru say what a program logs: ours time, level, message and
logger, loguru's own its whole record.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import io
import json
import logging
import os
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from loguru import logger
from rich.console import Console as Terminal
from rich.table import Table

from logrules import logs
from logrules.core.redact import Redactor
from logrules.report import Reporter
from logrules.rules import rules
from logrules.settings import read
from logrules.sinks.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable

    Emit = Callable[[int], object]
    """Says one line; the number makes it another one each time."""

CODE = "LOCK_ACQUIRED"
TEXT = "PostgreSQL advisory lock acquired: key %d"
SERVICE, INSTANCE = "bot123456", "host:12"
SECRETS = ("123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "postgres://bot:hunter2hunter2@db.example/bot")
FIELDS = frozenset(
    {"timestamp", "level", "code", "remediation", "service", "instance", "v", "fatal", "lang", "pid"}
)
"""What every coded line holds, besides its message (which is `event` in structlog)."""
FACTS: dict[str, Any] = {"epoch": 7, "attrs": {"waited": 1.25, "holder": "host:11"}}
WARM_UP = 500


class Missing(Exception):  # noqa: N818  it is no error
    """A peer that is not installed."""


def bare(fd: int) -> Emit:
    """The bytes of a coded event, always the same."""
    with tempfile.TemporaryFile() as file:
        coded(file.fileno())(12345)
        file.seek(0)
        line = file.read()
    return lambda _: os.write(fd, line)


def encoded(fd: int) -> Emit:
    """Msgspec and a write: a ready dictionary with a new message, an old time, and nothing redacted."""
    encode = _imported("msgspec").json.encode
    with tempfile.TemporaryFile() as file:
        coded(file.fileno())(12345)
        file.seek(0)
        event = json.load(file)
    return lambda number: os.write(fd, encode({**event, "message": TEXT % number}) + b"\n")


def coded(fd: int) -> Emit:
    """`Reporter`, as the guard and the sidecar speak: looked up, redacted, locked."""
    report = _reporter(fd)
    return lambda number: report(CODE, TEXT % number)


def coded_with_facts(fd: int) -> Emit:
    """The same, with an epoch and two particulars."""
    report = _reporter(fd)
    return lambda number: report(CODE, TEXT % number, **FACTS)


def _reporter(fd: int) -> Reporter:
    settings = read({"LOGRULES_SERVICE": SERVICE, "LOGRULES_INSTANCE": INSTANCE, "LOGRULES_LANG": "en"})
    return Reporter(settings, Console(fd, Redactor(SECRETS)), None)


def structlog_orjson(fd: int) -> Emit:
    """As its documentation has it for speed; who speaks is bound before, and nothing is redacted."""
    say, remediation = _structlog(fd), rules[CODE].remediation
    return lambda number: say(TEXT % number, code=CODE, remediation=remediation, fatal=False)


def structlog_bound(fd: int) -> Emit:
    """The same, where everything but the message is bound before."""
    say = _structlog(fd, code=CODE, remediation=rules[CODE].remediation, fatal=False)
    return lambda number: say(TEXT % number)


def structlog_with_facts(fd: int) -> Emit:
    """The first, with an epoch and two particulars."""
    say, remediation = _structlog(fd), rules[CODE].remediation
    return lambda number: say(TEXT % number, code=CODE, remediation=remediation, fatal=False, **FACTS)


def structlog_redacting(fd: int) -> Emit:
    """The first, with a processor that redacts every text as we do."""
    redact = Redactor(SECRETS)

    def hide(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        return {key: redact(value) if isinstance(value, str) else value for key, value in event.items()}

    say, remediation = _structlog(fd, hide), rules[CODE].remediation
    return lambda number: say(TEXT % number, code=CODE, remediation=remediation, fatal=False)


def _structlog(fd: int, *more: Callable[..., Any], **bound: object) -> Callable[..., object]:
    structlog, orjson = _imported("structlog"), _imported("orjson")
    structlog.reset_defaults()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *more,
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(file=_raw(fd)),
        cache_logger_on_first_use=True,
    )
    names = {"service": SERVICE, "instance": INSTANCE, "v": 1, "lang": "en", "pid": os.getpid()}
    say: Callable[..., object] = structlog.get_logger().bind(**names, **bound).info
    return say


def json_logger(fd: int) -> Emit:
    """Its default encoder, through standard logging."""
    formatter = _imported("pythonjsonlogger.json").JsonFormatter(
        "{asctime}{levelname}{name}{message}", style="{"
    )
    handler = logging.StreamHandler(_text(fd))
    handler.setFormatter(formatter)
    log = logging.getLogger("bench")
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
    return lambda number: log.info(TEXT, number, extra={"code": CODE})


def loguru_empty(_fd: int) -> Emit:
    """Its floor: a sink that does nothing, and a format without words."""
    logger.remove()
    logger.add(lambda message: None, format=lambda _: "", backtrace=False, diagnose=False)
    return lambda number: logger.info(TEXT % number)


def ours(fd: int) -> Emit:
    """Its records after `logrules.logs.install`: redacted, locked."""
    logger.remove()
    logger.add(sys.stderr)
    logs.install(Console(fd, Redactor(SECRETS)), SERVICE, INSTANCE)
    return lambda number: logger.info(TEXT % number)


def loguru_json(fd: int) -> Emit:
    """Its own JSON."""
    logger.remove()
    logger.add(_text(fd), serialize=True)
    return lambda number: logger.info(TEXT % number)


def _raw(fd: int) -> io.FileIO:
    return io.FileIO(fd, "w", closefd=False)


def _text(fd: int) -> io.TextIOWrapper:
    """A text file whose lines go out one by one, as those of a standard stream do."""
    return open(fd, "w", buffering=1, closefd=False)


def _imported(name: str) -> Any:
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        raise Missing(name)
    return importlib.import_module(name)


class Row(NamedTuple):
    """One way to write a line, and what it is to be compared with."""

    name: str
    made: Callable[[int], Emit]
    beside: str = ""
    target: float | None = None
    fields: frozenset[str] = frozenset()
    """What its lines must hold, so that it is compared for the same work."""


ROWS = (
    Row("a bare write", bare, "structlog + orjson", fields=FIELDS),
    Row("encode and write", encoded, "structlog + orjson", fields=FIELDS),
    Row("coded event", coded, "structlog + orjson", 0.3, FIELDS),
    Row("structlog + orjson", structlog_orjson, fields=FIELDS),
    Row("structlog, all bound", structlog_bound, fields=FIELDS),
    Row("structlog, redacting", structlog_redacting, fields=FIELDS),
    Row("coded event, facts", coded_with_facts, "structlog, facts", fields=FIELDS | FACTS.keys()),
    Row("structlog, facts", structlog_with_facts, fields=FIELDS | FACTS.keys()),
    Row("python-json-logger", json_logger, fields=frozenset({"message", "code"})),
    Row("loguru, empty sink", loguru_empty, "loguru, serialize=True"),
    Row("loguru, ours", ours, "loguru, serialize=True", 0.5, frozenset({"timestamp", "level", "message"})),
    Row("loguru, serialize=True", loguru_json, fields=frozenset({"text", "record"})),
)


class Figure(NamedTuple):
    """What one row has come to."""

    micros: float
    """Of processor time, for one line of the best round."""
    size: int
    """Bytes of a line."""


def looked_at(row: Row) -> int:
    """How long a line of `row` is. Raises AssertionError where its lines are not what they should be."""
    with tempfile.TemporaryFile() as file:
        emit, sizes = row.made(file.fileno()), [0]
        for number in (12345, 12346):
            emit(number)
            sizes.append(os.fstat(file.fileno()).st_size)
        file.seek(0)
        lines = [json.loads(line) for line in file]
    if row.fields:
        assert len(lines) == len(set(sizes)) - 1, f"{row.name}: a line waits in a buffer"
        assert all(row.fields <= line.keys() for line in lines), f"{row.name}: {lines[0].keys()}"
    return sizes[-1] - sizes[-2]


def cost(emit: Emit, lines: int) -> float:
    """Microseconds of processor time for a line."""
    for number in range(WARM_UP):
        emit(number)
    gc.collect()
    start = time.process_time()
    for number in range(lines):
        emit(number)
    return (time.process_time() - start) / lines * 1e6


def measured(lines: int, rounds: int) -> dict[str, Figure]:
    """The rows whose peers are there, in turns."""
    null = os.open(os.devnull, os.O_WRONLY)
    found: dict[str, Figure] = {}
    for row in ROWS:
        try:
            found[row.name] = Figure(float("inf"), looked_at(row))
        except Missing:
            continue
    for row in [row for _ in range(rounds) for row in ROWS if row.name in found]:
        spent = cost(row.made(null), lines)
        found[row.name] = found[row.name]._replace(micros=min(spent, found[row.name].micros))
    return found


def main() -> int:
    """Measure, print; 0 whatever comes out: the machine is not ours."""
    parser = argparse.ArgumentParser(prog="make bench-emit", description=__doc__)
    parser.add_argument("--lines", type=int, default=5_000, help="a round (default: 5000)")
    parser.add_argument("--rounds", type=int, default=20, help="of which the best counts (default: 20)")
    asked = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    sys.stderr = io.TextIOWrapper(io.FileIO(os.devnull, "wb"))  # what loguru first writes to
    show(measured(asked.lines, asked.rounds))
    return 0


def show(found: dict[str, Figure]) -> None:
    """One row for each peer."""
    table = Table("who", "bytes", "µs", "beside", "ratio", "target", title="One line, one write")
    terminal = Terminal()
    for row in ROWS:
        terminal.print(f"{row.name}: {row.made.__doc__}", highlight=False)
        mine, other = found.get(row.name), found.get(row.beside)
        ratio = f"{mine.micros / other.micros:.2f}" if mine and other else ""
        target = f"≤ {row.target}" if row.target else ""
        micros = f"{mine.micros:.2f}" if mine else "not installed"
        table.add_row(row.name, str(mine.size) if mine else "", micros, row.beside, ratio, target)
    terminal.print(table)


if __name__ == "__main__":
    sys.exit(main())
