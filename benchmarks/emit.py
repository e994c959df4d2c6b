"""`make bench-emit`: what one line costs its caller, ours beside what people use; one core, one run.

A coded event, and a record through loguru, beside loguru's own JSON, structlog with orjson and
python-json-logger.
Each writes its line at once to the null device. Microseconds depend on the machine; only ratios count.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import io
import logging
import os
import sys
import time
from itertools import count
from typing import TYPE_CHECKING, Any

from loguru import logger
from rich.console import Console as Terminal
from rich.table import Table

from logrules import logs
from logrules.core.event import Event, timestamp
from logrules.core.model import Severity
from logrules.core.redact import Redactor
from logrules.rules import rules
from logrules.sinks.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Emit = Callable[[int], object]

CODE = "LOCK_ACQUIRED"
TEXT = "PostgreSQL advisory lock acquired: key %d"
SECRETS = ("123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "postgres://bot:hunter2hunter2@db.example/bot")
TARGETS = {"coded event": ("structlog + orjson", 0.3), "loguru, ours": ("loguru, serialize=True", 0.5)}


class Missing(Exception):  # noqa: N818  it is no error
    """A peer that is not installed."""


def _null() -> int:
    return os.open(os.devnull, os.O_WRONLY)


def coded() -> Emit:
    """As the guard and the sidecar speak: redacted, with its remediation."""
    console = Console(_null(), Redactor(SECRETS))
    rule, pid = rules[CODE], os.getpid()

    def emit(number: int) -> None:
        console.write(
            Event(
                timestamp=timestamp(time.time()),
                level=Severity.INFO,
                code=CODE,
                message=TEXT % number,
                remediation=rule.remediation,
                service="bot123456",
                instance="host:12",
                fatal=False,
                lang="en",
                pid=pid,
            )
        )

    return emit


def ours() -> Emit:
    """Loguru's records after `logrules.logs.install`, redacted."""
    logger.remove()
    logger.add(sys.stderr)
    logs.install(Console(_null(), Redactor(SECRETS)), "bot123456", "host:12")
    return lambda number: logger.info(TEXT % number)


def loguru_empty() -> Emit:
    """Loguru's own floor: a sink that does nothing."""
    logger.remove()
    logger.add(lambda message: None, format=lambda _: "", backtrace=False, diagnose=False)
    return lambda number: logger.info(TEXT % number)


def loguru_json() -> Emit:
    """Loguru's own JSON."""
    logger.remove()
    logger.add(open(_null(), "w", buffering=1), serialize=True)  # noqa: SIM115  for as long as it runs
    return lambda number: logger.info(TEXT % number)


def structlog_orjson() -> Emit:
    """The fastest form that structlog's documentation names."""
    structlog, orjson = _imported("structlog"), _imported("orjson")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(file=open(_null(), "wb", buffering=0)),  # noqa: SIM115
        cache_logger_on_first_use=True,
    )
    say, remediation = structlog.get_logger().info, rules[CODE].remediation
    return lambda number: say(TEXT % number, code=CODE, remediation=remediation, fatal=False)


def json_logger() -> Emit:
    """python-json-logger, its default encoder."""
    formatter = _imported("pythonjsonlogger.json").JsonFormatter(
        "{asctime}{levelname}{name}{message}", style="{"
    )
    handler = logging.StreamHandler(open(_null(), "w", buffering=1))  # noqa: SIM115  for as long as it runs
    handler.setFormatter(formatter)
    log = logging.getLogger("bench")
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
    return lambda number: log.info(TEXT, number, extra={"code": CODE})


def floor() -> Emit:
    """A ready dictionary, encoded and written: nobody redacts, stamps or checks anything."""
    encode, fd = _imported("msgspec").json.encode, _null()
    event = {"level": "info", "code": CODE, "remediation": rules[CODE].remediation, "service": "bot123456"}
    return lambda number: os.write(fd, encode({**event, "message": TEXT % number}) + b"\n")


def _imported(name: str) -> Any:
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        raise Missing(name)
    return importlib.import_module(name)


PEERS: dict[str, Callable[[], Emit]] = {
    "floor: encode and write": floor,
    "coded event": coded,
    "structlog + orjson": structlog_orjson,
    "python-json-logger": json_logger,
    "loguru, empty sink": loguru_empty,
    "loguru, ours": ours,
    "loguru, serialize=True": loguru_json,
}


def cost(emit: Emit, lines: int, rounds: int) -> float:
    """Microseconds of processor time for a line, of the best round."""

    def once() -> Iterator[float]:
        numbers = count()
        for _ in range(rounds):
            start = time.process_time()
            for number in numbers:
                emit(number)
                if number % lines == lines - 1:
                    break
            yield (time.process_time() - start) / lines * 1e6

    gc.collect()
    return min(once())


def main() -> int:
    """Measure, print; 0 whatever comes out: the machine is not ours."""
    parser = argparse.ArgumentParser(prog="make bench-emit", description=__doc__)
    parser.add_argument("--lines", type=int, default=20_000, help="a round (default: 20000)")
    parser.add_argument("--rounds", type=int, default=5, help="of which the best counts (default: 5)")
    asked = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    found: dict[str, float | None] = {}
    sys.stderr = io.TextIOWrapper(open(_null(), "wb"))  # noqa: SIM115  what loguru first writes to
    for name, made in PEERS.items():
        try:
            found[name] = cost(made(), asked.lines, asked.rounds)
        except Missing:
            found[name] = None
    show(found)
    return 0


def show(found: dict[str, float | None]) -> None:
    """One row for each peer."""
    table = Table("who", "µs a line", "beside", "ratio", "target", title="One line to the null device")
    for name, spent in found.items():
        peer, target = TARGETS.get(name, ("", None))
        other = found.get(peer)
        ratio = f"{spent / other:.2f}" if spent and other else ""
        table.add_row(
            name, f"{spent:.2f}" if spent else "not installed", peer, ratio, f"≤ {target}" if target else ""
        )
    Terminal().print(table)


if __name__ == "__main__":
    sys.exit(main())
