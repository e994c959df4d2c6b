"""`make bench-alerts`: what of 200 events is told whatever fails, what a capture costs, beside the plain SDK.

Real processes, a receiver on loopback that fails, one run for both. Lost and doubled events are judged (the
exit status says so); seconds depend on the machine, only their ratio counts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track
from rich.table import Table

from logrules.testing import SentryReceiver
from tests.faults.emitter import Life
from tests.faults.matrix import ROWS, Scale, begin, ended, run

if TYPE_CHECKING:
    from tests.faults.matrix import Row, Told

AT_ONCE = 6
"""Rows at a time: most of each is waiting."""
PEERS = ("logrules", "sdk")
CAPTURES = 500
PAUSE = 0.005
"""Seconds between two measured captures: no queue is full."""


def told(row: Row, who: str, scale: Scale) -> Told:
    """One row in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return run(row, who, scale, Path(folder))


def matrix(scale: Scale, errors: Console) -> dict[tuple[str, str], Told]:
    """All rows, by name and peer; the longest begin first."""
    jobs = [(row, who) for row in sorted(ROWS, key=lambda row: row.burst) for who in PEERS]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = {(row.name, who): pool.submit(told, row, who, scale) for row, who in jobs}
        return {key: future.result() for key, future in track([*futures.items()], "faults", console=errors)}


def cost(who: str, *, same: bool) -> tuple[float, float]:
    """Milliseconds that a capture takes: half of them less, and all but one in a hundred."""
    with SentryReceiver() as receiver, tempfile.TemporaryDirectory() as folder:
        state = str(Path(folder) / "state.db")
        took = ended(begin(Life(who, receiver.dsn, state, CAPTURES, PAUSE, same=same)))
    percentiles = quantiles(took, n=100)
    return percentiles[49] * 1000, percentiles[98] * 1000


def print_faults(counts: dict[tuple[str, str], Told], scale: Scale) -> None:
    """Ours beside the SDK's."""
    title = f"{scale.events} events; the receiver's faults last {scale.fault:g} s"
    table = Table("fault", "by its end", "lost", "same id again", "another id", title=title)
    for row in ROWS:
        ours, theirs = (counts[row.name, who] for who in PEERS)
        pairs = [(getattr(ours, name), getattr(theirs, name)) for name in ours._fields[1:5]]
        table.add_row(row.name, *(f"{a} | {b}" for a, b in pairs))
    table.caption = "logrules | sentry-sdk; lost: not there after the next start either"
    Console().print(table)


def print_cost() -> None:
    """One peer at a time, on an otherwise idle machine."""
    table = Table("capture", "n", "p50 ms", "p99 ms", title="What a capture costs its caller")
    for name, who, same in (
        ("logrules, a new incident", "logrules", False),
        ("logrules, one more of the same", "logrules", True),
        ("sentry-sdk", "sdk", False),
    ):
        p50, p99 = cost(who, same=same)
        table.add_row(name, str(CAPTURES), f"{p50:.2f}", f"{p99:.2f}")
    Console().print(table)


def main() -> int:
    """Measure, print, and say by the exit status whether anything of ours was lost, doubled or spoilt."""
    parser = argparse.ArgumentParser(prog="make bench-alerts", description=__doc__)
    parser.add_argument("--events", type=int, default=Scale().events, help="per row (default: 200)")
    parser.add_argument("--fault", type=float, default=Scale().fault, help="seconds (default: 10)")
    asked = parser.parse_args()
    scale = Scale(events=asked.events, fault=asked.fault)
    print_cost()
    counts = matrix(scale, Console(stderr=True))
    print_faults(counts, scale)
    ours = [count for (_, who), count in counts.items() if who == "logrules"]
    return int(any(count.lost or count.doubled or count.spoilt for count in ours))


if __name__ == "__main__":
    sys.exit(main())
