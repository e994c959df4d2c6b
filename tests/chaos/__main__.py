"""`make chaos`: every fault, again and again, counted and timed. Exit 1 if anything is not as it must be.

python -m tests.chaos --rounds 10 --strict --only sigterm sigkill
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from logrules.testing import PostgresServer
from tests.chaos.scenarios import SCENARIOS, TO_REACH, Scenario, unguarded_deploys
from tests.chaos.world import STRICT, TIMERS, Counts, world

_own = threading.local()


class Outcome(NamedTuple):
    """What one run of one scenario came to."""

    scenario: Scenario
    counts: Counts
    timings: dict[str, list[float]]
    trouble: str


def _postgres() -> PostgresServer:
    """One for each thread: two worlds in one database would fight for one lock."""
    if not hasattr(_own, "postgres"):
        _own.postgres = PostgresServer()
        _own.postgres.start()
    postgres: PostgresServer = _own.postgres
    postgres.start()
    postgres.terminate_backends()
    return postgres


def _once(scenario: Scenario, *, strict: bool) -> Outcome:
    counts, trouble = Counts(0, 0, 0, 0, 0), ""
    timings: dict[str, list[float]] = {}
    try:
        with world(_postgres()) as made:
            made.timers, timings = STRICT if strict else TIMERS, made.timings
            scenario.run(made)
            counts = made.counts(guarded=tuple(bot.name for bot in made.bots if bot.name != "rival"))
            made.end()
    except Exception:  # noqa: BLE001 - whatever it is, it is told and the suite goes on
        trouble = traceback.format_exc()
    return Outcome(scenario, counts, timings, trouble or _verdict(scenario, counts, strict=strict))


def _verdict(scenario: Scenario, counts: Counts, *, strict: bool) -> str:
    wrong = (
        (counts.overlaps and (strict or not scenario.overlaps), "two polled at once"),
        (counts.lost, "messages were lost"),
        (counts.repeated and not scenario.repeats, "messages were answered twice"),
        (counts.sick_epochs, "tenures are out of order"),
    )
    return ", ".join(words for is_so, words in wrong if is_so)


def _table(outcomes: list[Outcome]) -> Table:
    table = Table("fault", "n", "overlaps", "lost", "repeated", "409s", "as it must be", title="Chaos")
    for scenario in {outcome.scenario.name: outcome.scenario for outcome in outcomes}.values():
        mine = [outcome for outcome in outcomes if outcome.scenario.name == scenario.name]
        sums = [sum(values) for values in zip(*(outcome.counts[:4] for outcome in mine), strict=True)]
        good = sum(not outcome.trouble for outcome in mine)
        verdict = "yes" if good == len(mine) else f"{len(mine) - good} not"
        table.add_row(scenario.fault, str(len(mine)), *map(str, sums), verdict)
    return table


def _timings(outcomes: list[Outcome]) -> Table:
    heads = ("figure", "n", "median", "p99", "to reach", "most")
    table = Table(*heads, title="Measured, not judged (seconds, or a count)")
    for name in sorted({name for outcome in outcomes for name in outcome.timings}):
        values = sorted(value for outcome in outcomes for value in outcome.timings.get(name, ()))
        p99 = values[min(len(values) - 1, round(0.99 * len(values)))]
        median, most = f"{statistics.median(values):.3f}", f"{values[-1]:.3f}"
        to_reach = f"< {TO_REACH[name]:g}" if name in TO_REACH else ""
        table.add_row(name, str(len(values)), median, f"{p99:.3f}", to_reach, most)
    return table


def main() -> int:
    """Run what was asked for, and print it."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="how often each fault happens (default: 2)")
    parser.add_argument("--jobs", type=int, default=3, help="how many worlds at once (default: 3)")
    parser.add_argument("--strict", action="store_true", help="takeovers wait until no holder can live")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, metavar="FAULT", help=", ".join(SCENARIOS))
    asked = parser.parse_args()
    alone = Scenario("unguarded_deploys", unguarded_deploys, repeats=True, overlaps=True)
    faults = [SCENARIOS[name] for name in asked.only or SCENARIOS] + ([] if asked.only else [alone])
    todo = [scenario for _ in range(asked.rounds) for scenario in faults]
    outcomes = []
    with ThreadPoolExecutor(asked.jobs) as pool, Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("faults", total=len(todo))
        runs = [
            pool.submit(_once, scenario, strict=asked.strict and scenario is not alone) for scenario in todo
        ]
        for run in as_completed(runs):
            outcomes.append(run.result())
            progress.advance(task)
            if trouble := outcomes[-1].trouble:
                progress.console.print(
                    f"{outcomes[-1].scenario.name}: {trouble}", markup=False, highlight=False
                )
    outcomes.sort(key=lambda outcome: [fault.name for fault in faults].index(outcome.scenario.name))
    console = Console()
    console.print(_table(outcomes))
    if any(outcome.timings for outcome in outcomes):
        console.print(_timings(outcomes))
    return int(any(outcome.trouble for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
