"""`make bench-scan`: what a scan costs, ours beside what people use, on logs that are made up here.

One core, one run, whole processes; processor time of the second half of a file: what the first half takes is
taken off, with the start. Ratios count: megabytes depend on the machine. The peers seek the same words and
print less: ours finds records, judges them, and writes an event with its remediation.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks import corpus
from logrules.core.engine import Engine, Policy
from logrules.core.model import Chunk, Origin
from logrules.core.output.wrapping import Wrapper
from logrules.core.reading.lines import Lines
from logrules.core.ruleset.patterns import Pattern
from logrules.core.ruleset.rulebook import Rulebook
from logrules.rules import rulebook, rules

if TYPE_CHECKING:
    from collections.abc import Sequence

ORIGIN = Origin("bench", "1", "text")
COUNTS = (60, 600, 6000)
_PLAIN = re.compile(r"[\w ,:;'/<>=-]{12,80}", re.ASCII)
"""An expression that every peer understands as we do: nothing but words."""
CHUNK = 256 * 1024
LINES = 20_000
STAMP = "2026-01-15T08:29:41.511000Z"
WRAPPED = {"run --json": "events", "loop of json.dumps": "dumps"}
TIMES = 2
"""Runs of each process, of which the better counts."""
SLICES = {"loop": 500, "grep -E -f": 20, "mtail": 20, "syslog-ng": 20}
"""Peers that are so slow that they get this fraction of the file."""
_SYSLOG_NG = """@version: 3.38
source lines {{ stdin(flags(no-parse)); }};
filter words {{ {words} }};
destination out {{ file("/dev/stdout" template("$MESSAGE\\n")); }};
log {{ source(lines); filter(words); destination(out); }};
"""


class Cost(NamedTuple):
    """What a process took."""

    cpu: float
    wall: float
    memory: float
    """Its peak, in MB."""
    found: int


def plain(number: int) -> list[str]:
    """So many expressions of our packs that are mere words; where those end, made-up ones of their kind."""
    every = (text for pattern in rulebook().patterns for text in pattern.any)
    texts = [text for text in every if _PLAIN.fullmatch(text)]
    dice = random.Random(7)  # noqa: S311 - no secret
    dice.shuffle(texts)
    more = (f"worker pool {dice.randrange(10**9):x} lost its {each % 97} quorum" for each in range(number))
    return [*texts, *more][:number]


def book(number: int) -> Rulebook:
    """A rulebook of so many expressions; 0 stands for all that we ship."""
    if not number:
        return rulebook()
    return Rulebook(
        rules.specs, [Pattern(code="HANDLER_ERROR", any=[text], level=None) for text in plain(number)]
    )


# --- what the measured processes do


def classify(path: str, number: int) -> int:
    """The engine alone."""
    engine, found = Engine(book(number), Policy(acts=False)), 0
    engine.rulebook.search.prepare()
    with Path(path).open("rb", buffering=0) as file:
        while data := file.read(CHUNK):
            found += len(engine.feed(Chunk(ORIGIN, data, 1.0)))
    return found + len(engine.end(ORIGIN, 1.0))


def loop(path: str, number: int) -> int:
    """What a first version looks like: every expression, line by line, and `json.dumps`."""
    texts = plain(number) if number else [text for pattern in rulebook().patterns for text in pattern.any]
    expressions = [re.compile(text) for text in texts]
    found = 0
    with Path(path).open(encoding="utf-8", errors="replace") as file:
        for line in file:
            for at, expression in enumerate(expressions):
                if expression.search(line):
                    sys.stderr.write(json.dumps({"level": "error", "rule": at, "message": line}) + "\n")
                    found += 1
                    break
    return found


def events(path: str, _number: int) -> int:
    """What `logrules run --json` makes of its command's lines."""
    wrapper, lines, found = Wrapper("bench", "1"), Lines(), 0
    with Path(path).open("rb", buffering=0) as file:
        while data := file.read(CHUNK):
            found += sys.stderr.buffer.write(wrapper(lines.feed(data), STAMP))
    return found


def dumps(path: str, _number: int) -> int:
    """The same as a first version does it, with no look at the level of a line."""
    found = 0
    with Path(path).open(encoding="utf-8", errors="replace") as file:
        for line in file:
            event = {"timestamp": STAMP, "level": "info", "message": line[:-1], "service": "bench"}
            found += sys.stderr.write(
                json.dumps({**event, "instance": "1", "v": 1}, ensure_ascii=False) + "\n"
            )
    return found


def one_line(number: int, kind: str) -> tuple[float, float]:
    """Microseconds from a line to the engine's answer: half of them less, and all but one in a hundred."""
    engine = Engine(book(number), Policy(acts=False))
    engine.rulebook.search.prepare()
    took = []
    for line in corpus.block(kind, 2**21).splitlines(keepends=True)[:LINES]:
        chunk = Chunk(ORIGIN, line, 1.0)
        start = time.perf_counter_ns()
        engine.feed(chunk)
        took.append((time.perf_counter_ns() - start) / 1000)
    percentiles = quantiles(took, n=100)
    return percentiles[49], percentiles[98]


# --- measuring


def spent(command: Sequence[str]) -> Cost:
    """One process on one core."""
    core = {max(os.sched_getaffinity(0))}
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, core),  # noqa: PLW1509 - no threads here
    )
    assert process.stdout
    found = 0
    last = b""
    while data := process.stdout.read(1 << 20):
        found += data.count(b"\n")
        last = data
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    number = last.strip()
    found = int(number) if found == 1 and number.isdigit() else found
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - start, usage.ru_maxrss / 1024, found)


def own(mode: str, path: Path, number: int = 0) -> list[str]:
    """One of the functions above, in a process."""
    if mode == "pipeline":
        return [sys.executable, "-m", "logrules", "scan", "--json", "--jobs", "1", str(path)]
    return [sys.executable, "-m", "benchmarks.scan", "--child", mode, str(path), str(number)]


def peers(path: Path, words: Path) -> dict[str, list[str] | None]:
    """Others that count lines with the same words; None where one is not installed."""
    commands = {
        "ripgrep -j1": ["rg", "-j1", "--no-mmap", "-F", "-c", "-f", str(words), str(path)],
        "grep -F -f": ["grep", "-F", "-c", "-f", str(words), str(path)],
        "grep -E -f": ["grep", "-E", "-c", "-f", str(words), str(path)],
    }
    texts = words.read_bytes().decode("utf-8", "replace").splitlines()
    if len(texts) == min(COUNTS):  # with hundreds they would take hours
        commands |= {"mtail": mtail(path, words, texts), "syslog-ng": syslog_ng(path, words, texts)}
    return {
        name: command if shutil.which(name.partition(" -")[0].replace("ripgrep", "rg")) else None
        for name, command in commands.items()
    }


def mtail(path: Path, words: Path, texts: Sequence[str]) -> list[str]:
    """It counts the lines with each of the words, and tells how many there were."""
    folder = words.with_name(f"{words.name}-mtail")
    folder.mkdir(exist_ok=True)
    counted = "".join("/{}/ {{\n  hits++\n}}\n".format(text.replace("/", "\\/")) for text in texts)
    (folder / "words.mtail").write_text(f"counter hits\n{counted}")
    return ["mtail", "--one_shot", "--progs", str(folder), "--logs", str(path)]


def syslog_ng(path: Path, words: Path, texts: Sequence[str]) -> list[str]:
    """It passes on the lines with one of the words; from a pipe, for it waits at the end of a file."""
    form = 'match("{}" value("MESSAGE") type(string) flags(substring))'
    settings = words.with_name(f"{words.name}-syslog-ng")
    settings.write_text(_SYSLOG_NG.format(words=" or ".join(map(form.format, texts))))
    own = " ".join(f"-{option} '{settings}.{option}'" for option in "Rcp")
    return ["sh", "-c", f"cat \"$1\" | syslog-ng -F --no-caps -f '{settings}' {own}", "sh", str(path)]


class Bench:
    """Files of one size, and what each process takes for them."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder, size
        self.errors = Console(stderr=True)

    def log(self, kind: str, size: int) -> Path:
        """A log of about so many bytes."""
        path = self.folder / f"{kind}-{size}"
        if not path.exists():
            turns = range(max(1, size // corpus.BLOCK))
            path.write_bytes(
                b"".join(corpus.block(kind, min(size, corpus.BLOCK), turn=turn) for turn in turns)
            )
        return path

    def words(self, number: int) -> Path:
        """What the peers look for: the expressions, or for all packs the words that each of them needs."""
        path = self.folder / f"words-{number}"
        if number:
            path.write_text("".join(f"{text}\n" for text in plain(number)), "utf-8")
            return path
        parts = {literal.data for each in rulebook().search.wanted for literal in each.parts[each.rarest]}
        path.write_bytes(b"".join(data + b"\n" for data in sorted(parts)))
        return path

    def speed(self, name: str, command: list[str] | None, path: Path) -> tuple[Cost, float] | None:
        """What a process takes for a file, and the MB per second of its second half: starts cancel out."""
        if command is None:
            return None
        self.errors.print(f"{path.name}: {name}", style="dim")
        half = self.half(path)
        shorter = [str(half) if part == str(path) else part for part in command]
        first, cost = (min(spent(each) for _ in range(TIMES)) for each in (shorter, command))
        return cost, (path.stat().st_size - half.stat().st_size) / 1e6 / max(1e-3, cost.cpu - first.cpu)

    def half(self, path: Path) -> Path:
        """The first half of a file, in whole lines."""
        half = path.with_name(f"{path.name}-half")
        if not half.exists():
            data = path.read_bytes()
            half.write_bytes(data[: data.index(b"\n", len(data) // 2) + 1])
        return half


def rows(bench: Bench, kind: str, number: int, *, size: int) -> dict[str, tuple[Cost, float] | None]:
    """Ours and theirs on one log."""
    path = bench.log(kind, size)
    found = {"classify": bench.speed("classify", own("classify", path, number), path)}
    if not number:
        found["whole pipeline"] = bench.speed("whole pipeline", own("pipeline", path), path)
    for name, command in peers(path, bench.words(number)).items():
        if name in SLICES or not number:
            part = bench.log(kind, size // SLICES.get(name, 1)) if name in SLICES else path
            shorter = command and [str(part) if each == str(path) else each for each in command]
            found[name] = bench.speed(name, shorter, part)
        else:
            found[name] = bench.speed(name, command, path)
    part = bench.log(kind, size // SLICES["loop"] * max(1, 60 // max(number, 60)))
    found["loop of re"] = bench.speed("loop of re", own("loop", part, number), part)
    return found


def show(
    title: str, found: dict[str, tuple[Cost, float] | None], targets: dict[tuple[str, str], float]
) -> None:
    """A table, and the ratios beside their targets."""
    table = Table("who", "MB/s (CPU)", "CPU s", "wall s", "peak MB", "lines out", title=title)
    for name, each in found.items():
        if each is None:
            table.add_row(name, "not installed", "", "", "", "")
        else:
            cost, speed = each
            numbers = (
                f"{speed:.1f}",
                f"{cost.cpu:.2f}",
                f"{cost.wall:.2f}",
                f"{cost.memory:.0f}",
                f"{cost.found}",
            )
            table.add_row(name, *numbers)
    Console().print(table)
    for (ours, theirs), target in targets.items():
        mine, other = found.get(ours), found.get(theirs)
        if mine and other:
            print(f"  {ours} = {mine[1] / other[1]:.2f} x {theirs} (target: {target:g})")


TARGETS = {
    ("classify", "ripgrep -j1"): 2.0,
    ("classify", "loop of re"): 100.0,
    ("whole pipeline", "ripgrep -j1"): 1.3,
}


def main() -> int:
    """Measure what is asked for and print it; 0 whatever comes out: the machine is not ours."""
    if sys.argv[1:2] == ["--child"]:
        mode, log, count = sys.argv[2:5]
        print({"classify": classify, "loop": loop, "events": events, "dumps": dumps}[mode](log, int(count)))
        return 0
    parser = argparse.ArgumentParser(prog="make bench-scan", description=__doc__)
    parser.add_argument("--size", type=int, default=64, help="megabytes of the sparse log (default: 64)")
    parser.add_argument(
        "--only", choices=[*corpus.KINDS, "counts", "events", "lines"], help="one of the tables"
    )
    asked = parser.parse_args()
    size = asked.size << 20
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), size)
        for kind in corpus.KINDS:
            if asked.only in (None, kind):
                is_sparse = kind in {"sparse", "json", "coloured"}
                found = rows(bench, kind, 0, size=size if is_sparse else size // 16)
                targets = TARGETS if kind == "sparse" else {("whole pipeline", "loop of re"): 1.5}
                show(f"{kind}: all packs", found, targets)
        for number in COUNTS if asked.only in (None, "counts") else ():
            show(f"sparse: {number} expressions", rows(bench, "sparse", number, size=size), TARGETS)
            dense = rows(bench, "dense", number, size=size // 16)
            show(f"dense: {number} expressions", dense, {("classify", "loop of re"): 1.5})
        if asked.only in (None, "events"):
            path = bench.log("sparse", size)
            found = {name: bench.speed(name, own(mode, path), path) for name, mode in WRAPPED.items()}
            show("sparse: each line as an event", found, {("run --json", "loop of json.dumps"): 5.0})
    if asked.only in (None, "lines"):
        kinds = (("60, quiet", 60, "sparse"), ("all, quiet", 0, "sparse"), ("all, dense", 0, "dense"))
        for name, many, kind in kinds:
            p50, p99 = one_line(many, kind)
            print(f"one line, {name}: p50 {p50:.2f} µs (target: 2), p99 {p99:.1f} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
