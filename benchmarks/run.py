"""What `logrules run` costs the command beside it, each figure beside what does the least: `make bench-run`.

Start, delay of a line, a firehose, memory; all in one run, so that the ratios hold on any machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks import corpus
from logrules.testing import SentryReceiver

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CLOCK = "import os, time; os.write(1, b'%d\\n' % time.monotonic_ns())"
TICKS = """import os, time
for _ in range({lines}):
    os.write(1, b'%d a line of an ordinary length, as bots print them\\n' % time.monotonic_ns())
    time.sleep(0.001)
"""
PACED = """import os, sys, time
data = open({file!r}, 'rb').read(1_000_000)
begun = time.monotonic()
for number in range(1, {seconds} * 100 + 1):
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(1, rest):]
    early = begun + number / 100 - time.monotonic()
    if early > 0:
        time.sleep(early)
print('late', -early, file=sys.stderr)
"""
FAILURE = "2026-01-15 08:29:41,511 - bot - ERROR - Conflict: terminated by other getUpdates request"
WARM = 64 * 1024 * 1024
"""Bytes that pass before a firehose is measured: by then everything is read and built."""
BEFORE = 500
"""Lines that pass before any is timed, for the same reason: half a second."""
MEGABYTE = 1e6
MOST_MEMORY, MOST_STARTS, MOST_LATE = 45, 5, 0.2
SECONDS = 4
FASTEST = 200


class Row(NamedTuple):
    """A figure beside its floor and what is to be reached."""

    figure: str
    of: str
    value: str
    beside: str
    target: str
    reached: bool | None


def sidecar(*options: str) -> list[str]:
    """The words before a command's own, as people type them."""
    script = Path(sys.executable).with_name("logrules")
    ours = [str(script)] if script.exists() else [sys.executable, "-m", "logrules"]
    return [*ours, "run", *options, "--"]


def environ(folder: Path, **more: str) -> dict[str, str]:
    """An operator's, with nothing of ours but the state's place, nor what makes Python compile each time."""
    ours = ("LOGRULES_", "SENTRY_", "RENDER", "BOT_TOKEN", "DATABASE_URL", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "LOGRULES_STATE": str(folder / "state.db"), "LOGRULES_FLUSH": "2", **more}


def started(command: Sequence[str], env: dict[str, str]) -> float:
    """Seconds from the decision to start until the command's first instruction."""
    before = time.monotonic_ns()
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return (int(done.stdout) - before) / 1e9


def delays(command: Sequence[str], env: dict[str, str]) -> list[float]:
    """Seconds that each line took from the command to us, sorted; the first ones are left out."""
    found = []
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        while data := os.read(pipe, 65536):
            now = time.monotonic_ns()
            for line in data.splitlines():
                said = json.loads(line)["message"].encode() if line.startswith(b"{") else line
                found.append((now - int(said.split()[0])) / 1e9)
    return sorted(found[BEFORE:])


class Flow(NamedTuple):
    """What a firehose gave."""

    speed: float
    """MB/s of the command's own bytes."""
    unread: float
    """The part of them that was not classified."""
    peak: float
    """MB that the sidecar had resident at most."""


def flow(prefix: Sequence[str], files: Sequence[str], env: dict[str, str]) -> Flow:
    """`cat files` through whatever stands before it."""
    size = sum(Path(file).stat().st_size for file in files)
    read = 0
    begun = peak = 0.0
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen([*prefix, "cat", *files], env=env, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout is not None
        pipe, warm = process.stdout.fileno(), 0
        while data := os.read(pipe, 1 << 20):
            read += len(data)
            if not warm and read >= WARM:
                warm, begun = read, time.monotonic()
            if not read % 64:
                peak = max(peak, resident(process.pid, "VmHWM"))
        seconds = time.monotonic() - begun
        process.wait()
        errors.seek(0)
        notes = [json.loads(line) for line in errors if b"unread_bytes" in line]
    unread = sum(note["attrs"]["unread_bytes"] for note in notes)
    return Flow((read - warm) * (size / read) / seconds / MEGABYTE, unread / size, peak)


def resident(pid: int, what: str = "VmRSS") -> float:
    """MB that a process has resident, now or (VmHWM) at most; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / MEGABYTE for line in lines if line.startswith(what)), 0.0)


def start(folder: Path, rounds: int) -> Iterator[Row]:
    """The command's first instruction."""
    command, env = [sys.executable, "-c", CLOCK], environ(folder)
    bare, wrapped = [], []
    for _ in range(rounds):
        bare.append(started(command, env))
        wrapped.append(started([*sidecar(), *command], env))
    for what, of in (("the fastest", min), ("the median", statistics.median)):
        ours, floor = of(wrapped), of(bare)
        yield Row(
            "first instruction",
            f"run, {what} of {rounds}",
            f"{ours * 1000:.0f} ms",
            f"{ours / floor:.1f} x an interpreter's {floor * 1000:.0f} ms",
            f"<= {MOST_STARTS} x",
            ours <= MOST_STARTS * floor,
        )


def latency(folder: Path, lines: int) -> Iterator[Row]:
    """How much later a line arrives."""
    command, env = [sys.executable, "-c", TICKS.format(lines=BEFORE + lines)], environ(folder)
    through = ["sh", "-c", '"$@" | cat', "sh", *command]
    ways = {"cat": through, "run": [*sidecar(), *command], "run --json": [*sidecar("--json"), *command]}
    floor: tuple[float, float] = (0.0, 0.0)
    for name, way in ways.items():
        found = delays(way, env)
        p50, p99 = (found[int(len(found) * part)] * 1000 for part in (0.5, 0.99))
        floor = floor if name != "cat" else (p50, p99)
        yield Row(
            "a line's way",
            name,
            f"p50 {p50:.2f}, p99 {p99:.2f}, most {found[-1] * 1000:.0f} ms",
            f"cat's + {p50 - floor[0]:.2f} and {p99 - floor[1]:.2f} ms",
            "p99 < 1 ms",
            None if name == "cat" else p99 < 1,
        )


def firehose(folder: Path, megabytes: int) -> Iterator[Row]:
    """As fast as it goes."""
    file = folder / "sparse.log"
    file.write_bytes(corpus.block("sparse"))
    files = [str(file)] * max(16, round(megabytes * MEGABYTE / file.stat().st_size))
    fewer = files[: max(16, len(files) // 4)]
    through = ["sh", "-c", '"$@" | cat', "sh"]
    env = environ(folder)
    floor = flow(through, files, env)
    yield Row("firehose", "cat", f"{floor.speed:.0f} MB/s", "", "", None)
    for options, least in (((), 200), (("--json",), 80), (("--redact",), None)):
        ours = flow(sidecar(*options), fewer if options else files, env)
        name = " ".join(("run", *options))
        yield Row(
            "firehose",
            name,
            f"{ours.speed:.0f} MB/s",
            f"{ours.speed / floor.speed:.2f} x cat; {ours.peak:.0f} MB resident",
            f">= {least} MB/s" if least else "",
            None if least is None else ours.speed >= least,
        )
        if not options:
            read = ours.speed * (1 - ours.unread)
            yield Row("", "of it read for signs", f"{read:.0f} MB/s", "", ">= 200 MB/s", read >= FASTEST)
    yield paced(folder, env)


def paced(folder: Path, env: dict[str, str]) -> Row:
    """A command that prints 100 MB/s: whether that holds it up."""
    command = [sys.executable, "-c", PACED.format(file=str(folder / "sparse.log"), seconds=SECONDS)]
    alone, ours = (_late(prefix + command, env) for prefix in ([], sidecar()))
    return Row(
        "100 MB/s",
        "run",
        f"{ours:.2f} s late",
        f"{alone:.2f} s alone, of {SECONDS} s",
        f"< {MOST_LATE} s",
        ours < MOST_LATE,
    )


def _late(command: Sequence[str], env: dict[str, str]) -> float:
    done = subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith(b"late ")]
    return float(line.split()[1])


def memory(folder: Path) -> Iterator[Row]:
    """What lies beside a bot that is quiet, of which an alert went out, which has printed a lot."""
    file = folder / "sparse.log"
    file.write_bytes(corpus.block("sparse") * 4)
    script = f"read -r go; echo '{FAILURE}'; read -r go; cat {file}; echo; echo THE END; read -r end"
    with SentryReceiver() as sentry:
        env = environ(folder, SENTRY_DSN=sentry.dsn)
        with subprocess.Popen(
            [*sidecar(), "sh", "-c", script],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            yield _resident("at rest", process.pid)
            _go(process.stdin)
            sentry.wait_for(1, timeout=60)
            yield _resident("an alert sent", process.pid)
            _go(process.stdin)
            while process.stdout.readline() != b"THE END\n":
                pass
            yield _resident("a firehose passed", process.pid)
            process.stdin.close()


def _go(stdin: IO[bytes]) -> None:
    stdin.write(b"\n")
    stdin.flush()


def _resident(when: str, pid: int) -> Row:
    """Once it does no more: what is heavy is read and built beside the command, and after its lines."""
    busy = -1
    while busy != (busy := _ticks(pid)):
        time.sleep(1.0)
    now, most = resident(pid), resident(pid, "VmHWM")
    beside = f"{most:.0f} MB at most"
    return Row("memory", f"run, {when}", f"{now:.1f} MB", beside, f"< {MOST_MEMORY} MB", most < MOST_MEMORY)


def _ticks(pid: int) -> int:
    """What of the processor's time it has had."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench-run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="starts (default: 15)")
    parser.add_argument("--lines", type=int, default=6000, help="lines that are timed (default: 6000)")
    parser.add_argument("--megabytes", type=int, default=1200, help="of a firehose (default: 1200)")
    asked = parser.parse_args()
    table = Table(
        "figure", "of", "measured", "beside", "to reach", "", title="logrules run beside its command"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rows in (
            start(folder, asked.rounds),
            latency(folder, asked.lines),
            memory(folder),
            firehose(folder, asked.megabytes),
        ):
            for row in rows:
                Console(stderr=True).print(f"{row.figure}: {row.of}: {row.value}", highlight=False)
                mark = "" if row.reached is None else "reached" if row.reached else "missed"
                table.add_row(*row[:5], mark)
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
