"""`make fuzz`: a million logs that nobody has seen, and near misses of every expression.

    python -m tests.fuzz                        a million logs, the dice thrown anew
    python -m tests.fuzz --seed 7 --count 1000  the same thousand logs each time
    python -m tests.fuzz --file FOUND.log       one input again, every property, with the traceback

What breaks a property is made shorter, saved, and shown with the command that reproduces it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import secrets
import shlex
import signal
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from logrules.core.literals.scanner import WARM_UP
from logrules.core.reading.looks import REACH
from logrules.core.reading.statements import STATEMENT
from logrules.rules import rulebook
from tests.fuzz import logs, properties
from tests.fuzz.nearmisses import near_misses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from logrules.core.ruleset.patterns import Pattern

FOLDER = Path("fuzz-found")
BATCH = 250
PATIENCE = 30
"""Seconds after which an input hangs."""
TRIES = 300
"""Attempts to make an input shorter."""
QUICK = 0.3
"""Seconds of work that are never too much, whatever they are compared with."""
STEEPER = 12
"""Four times as much text may make this many times the work: 4 would be linear, 16 the square."""


class Found(NamedTuple):
    """An input that breaks something, and how."""

    name: str
    data: bytes
    why: str


class _HangsError(Exception):
    pass


def main() -> int:
    """Run as asked; 0 if everything held."""
    options = _options()
    if options.file:
        return _again(options.file)
    seed = secrets.randbelow(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}: python -m tests.fuzz --seed {seed} --count {options.count}", flush=True)
    jobs = [("pattern", number, 1) for number in range(len(rulebook().patterns))]
    jobs += [(f"{seed}", at, min(BATCH, options.count - at)) for at in range(0, options.count, BATCH)]
    total = len(rulebook().patterns) + options.count
    kept = 0
    with _watched(total) as advance, multiprocessing.Pool(options.jobs, _ready) as pool:
        for count, found in pool.imap_unordered(_job, jobs):
            advance(count)
            kept += sum(_kept(each) for each in found)
    print(f"{options.count:,} logs, {total - options.count:,} patterns: {kept or 'none'} failed")
    return min(kept, 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seed", type=int, help="the dice; without it they are thrown anew")
    parser.add_argument("--count", type=int, default=1_000_000, help="how many logs")
    parser.add_argument("--jobs", type=int, default=None, help="processes; one for each processor by default")
    parser.add_argument("--file", type=Path, help="one input again")
    return parser.parse_args()


def _again(path: Path) -> int:
    data = path.read_bytes()
    for holds in properties.INTACT if path.name.startswith("intact") else properties.ANY_LOG:
        seconds = _spent(partial(holds, data, random.Random(data)))
        print(f"holds: {holds.__name__} ({seconds:.3f} s)")
    return 0


def _ready() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the pool
    properties.matches(rulebook(), [b"\n" * WARM_UP])  # the scanner is ready before anything is timed


def _job(job: tuple[str, int, int]) -> tuple[int, list[Found]]:
    name, first, count = job
    if name == "pattern":
        return 1, list(_slow(rulebook().patterns[first]))
    found = []
    for number in range(first, first + count):
        dice = random.Random(f"{name}:{number}")
        intact = not dice.randrange(4)
        data = logs.log(dice) if intact else logs.damaged(dice)
        if why := _broken(data, intact=intact):
            short = _shortened(data, intact=intact)
            kind = "intact" if intact else "damaged"
            found.append(Found(f"{kind}-{name}-{number}.log", short, _broken(short, intact=intact) or why))
    return count, found


def _broken(data: bytes, *, intact: bool) -> str | None:
    """What is wrong with what becomes of `data`; None if nothing is."""
    try:
        with _impatient():
            properties.check(data, intact=intact)
    except Exception as error:  # noqa: BLE001  whatever it is, it is what we look for
        return f"{type(error).__name__}: {error}"[:500]
    return None


@contextmanager
def _impatient() -> Iterator[None]:
    def hang(*_: object) -> None:
        raise _HangsError(f"no end after {PATIENCE} s")

    signal.signal(signal.SIGALRM, hang)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)


def _shortened(data: bytes, *, intact: bool) -> bytes:
    """`data` without the lines that it breaks without."""
    size, tries = max(1, data.count(b"\n") // 2), 0
    while size and tries < TRIES:
        lines = data.split(b"\n")
        for at in range(0, len(lines), size):
            shorter = b"\n".join(lines[:at] + lines[at + size :])
            tries += 1
            if shorter != data and _broken(shorter, intact=intact):
                data = shorter
                break
        else:
            size //= 2
    return data


def _slow(pattern: Pattern) -> Iterator[Found]:
    """Near misses that cost more than their length allows: the expression alone, and a log of the worst."""
    for number, text in enumerate(pattern.any):
        match = pattern.compiled(number).match
        worst = max((_spent(partial(match, miss)), miss) for miss in near_misses(text, STATEMENT))[1]
        line = f"2026-01-15 08:29:41,511 - bot - ERROR - {worst}\n".encode()
        log = line * (REACH // len(line))
        alone = _steep({size: partial(match, worst[:size]) for size in (STATEMENT // 4, STATEMENT)})
        many = _steep(
            {size: partial(properties.matches, rulebook(), [log[:size]]) for size in (REACH // 4, REACH)}
        )
        for why in filter(None, (alone, many)):
            yield Found(f"pattern-{pattern.number}-{number}.log", line, f"{pattern.place}: {why}")


def _steep(work: dict[int, Callable[[], object]]) -> str | None:
    """Why the work grows faster than it may from the one size to the other; None if it does not."""
    (small, less), (large, more) = work.items()
    much = min(_spent(more) for _ in range(2))
    if much <= QUICK:
        return None
    little = min(_spent(less) for _ in range(3))
    told = f"{small} letters take {little:.3f} s, {large} take {much:.3f} s"
    return told if much > STEEPER * little else None


def _spent(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    start = time.process_time()
    with _impatient():
        work()
    return time.process_time() - start


def _kept(found: Found) -> int:
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / found.name
    path.write_bytes(found.data)
    again = f"python -m tests.fuzz --file {shlex.quote(str(path))}"
    print(f"\n{found.why}\n  {found.data[:300]!r}\n  again: {again}")
    return 1


@contextmanager
def _watched(total: int) -> Iterator[Callable[[int], None]]:
    """A bar at a terminal; elsewhere a line now and then."""
    if sys.stdout.isatty():
        from rich.progress import Progress

        with Progress() as progress:
            task = progress.add_task("fuzz", total=total)
            yield lambda count: progress.advance(task, count)
        return
    done = told = 0

    def advance(count: int) -> None:
        nonlocal done, told
        done += count
        if done * 20 // total > told:
            told = done * 20 // total
            print(f"{done:,} of {total:,}", flush=True)

    yield advance


if __name__ == "__main__":
    sys.exit(main())
