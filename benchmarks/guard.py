"""`make bench-guard`: what the guard costs and gains, beside what people do without it, in one run.

Ratios count; seconds depend on the machine. Real bots, a real PostgreSQL, Telegram's double.
"""

from __future__ import annotations

import argparse
import random
import signal
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track
from rich.table import Table

from logrules.testing import PostgresServer
from tests.chaos.world import TIMERS, World, world

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TRYLOCK = Path(__file__).with_name("trylock_bot.py")
SETTLED = 4.0
"""Seconds after the successor's start: it waits for the lock by then."""
SLOWEST = 5
"""Seconds between two attempts of the peer that tries most rarely."""


def handover(made: World, more: Mapping[str, str] | None) -> float:
    """Seconds from SIGTERM to the successor's first poll."""
    first = made.start("first", more)
    made.first_poll("first")
    made.start("second", more)
    time.sleep(SETTLED + random.uniform(0, SLOWEST))  # noqa: S311 - a deploy knows nobody's rhythm
    told = first.signal(signal.SIGTERM)
    return made.first_poll("second") - told


def start(made: World, more: Mapping[str, str] | None) -> float:
    """Seconds from the process's start to its first poll."""
    begun = time.monotonic()
    made.start("first", more)
    return made.first_poll("first") - begun


def idle(made: World, more: Mapping[str, str] | None) -> float:
    """Seconds of processor time in ten seconds of waiting for people."""
    bot = made.start("first", more)
    made.first_poll("first")
    before = _cpu(bot.process.pid)
    time.sleep(10)
    return _cpu(bot.process.pid) - before


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])  # utime, stime: proc_pid_stat(5)
    return ticks / 100


FIGURES: tuple[tuple[str, Callable[..., float], dict[str, dict[str, str] | None]], ...] = (
    (
        "handover: SIGTERM to the successor's first poll",
        handover,
        {
            "guard": None,
            "try-lock every 1 s": {"EVERY": "1"},
            f"try-lock every {SLOWEST} s": {"EVERY": str(SLOWEST)},
        },
    ),
    ("start to first poll", start, {"guard": None, "python-telegram-bot alone": {}}),
    (
        f"processor time of 10 idle seconds (a proof every {TIMERS.keepalive:g} s; usually every 5 s)",
        idle,
        {"guard": None, "python-telegram-bot alone": {}},
    ),
)


def measure(postgres: PostgresServer, figure: Callable[..., float], more: dict[str, str] | None) -> float:
    """One value, in a world of its own."""
    postgres.terminate_backends()
    with world(postgres) as made:
        if more is not None:
            made.script = TRYLOCK
        return figure(made, more)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench-guard", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="values for each figure (default: 5)")
    rounds = parser.parse_args().rounds
    table = Table("figure", "of", "n", "median s", "most s", "x guard", title="The guard beside its peers")
    errors = Console(stderr=True)
    with PostgresServer() as postgres:
        for name, figure, peers in FIGURES:
            medians: dict[str, float] = {}
            for peer, more in peers.items():
                runs = track(range(rounds), f"{name}: {peer}", console=errors)
                values = [measure(postgres, figure, more) for _ in runs]
                medians[peer] = statistics.median(values)
                times = f"{medians[peer] / medians['guard']:.1f}"
                table.add_row(name, peer, str(rounds), f"{medians[peer]:.3f}", f"{max(values):.3f}", times)
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
