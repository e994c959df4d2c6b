"""`make fuzz-cli`: every command with arguments and an environment that nobody would mean.

    python -m tests.fuzz.arguments                          two thousand calls, the dice thrown anew
    python -m tests.fuzz.arguments --seed 7 --count 500     the same five hundred each time

A call must end with a documented status, and one that is refused says why in lines of its own; never a
traceback, never a secret. `run` and `doctor` are tried where they end before they start anything.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import os
import random
import re
import secrets
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from logrules import arguments, cli, manual
from logrules.core.model import Exit

TOKEN = "123456789:AADummyTokenDummyTokenDummyTokenDum"
PASSWORD = "dummy-passw0rd-of-nobody"
WORDS = [
    "", " ", "-", "--", "---", "0", "-1", "1", "99999999999999999999", "1e9", "nan", "x" * 100_000,
    "a\nb", "\x1b[31mred", "\udcff\udcfe", "عربى", "🔥", "../..", "/", ".", "/dev/null",
    "/dev/full", "/proc/self/mem", "/nonexistent/x", "~", "$HOME", "%s", "{}", "{0}", "CONFLICT_409",
    "conflict-409", "CONFLICT_408", "2h", "-5m", "0s", "9999d", "1.5h", "٣h", "²", "en", "ru", "de",
    "render", "own.toml", "bad.toml", "log.txt", "folder", "none", "on", TOKEN,
    f"postgres://u:{PASSWORD}@h/db", "http://[", "https://x:99999",
    f"https://{PASSWORD}@sentry.invalid/1", "module:function", "a:b:c", "sqlite:///x", "postgresql://",
    "postgres://[::1", "postgresql://h:port/db", "=", "a=b",
]  # fmt: skip
NAMES = [
    "LANG", "LC_ALL", "HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "PATH", "COLUMNS", "NO_COLOR", "PORT",
    "BOT_TOKEN", "TELEGRAM_BOT_TOKEN", "DATABASE_URL", "SENTRY_DSN", "RENDER", "RENDER_SERVICE_NAME",
    "IS_PULL_REQUEST", "RENDER_API_KEY",
]  # fmt: skip
SAFE = {
    "LOGRULES_BOT_API": "http://127.0.0.1:9",
    "LOGRULES_RENDER_API": "http://127.0.0.1:9",
    "BOT_ADMINS": "1",
}
"""Nothing that is tried here speaks to anybody."""
ENDLESS = {"/dev/full"}
"""Files that never end: a scan of one goes on for as long as anybody likes, as with `cat`."""
PATIENCE = 10
"""Seconds of work after which somebody would think that nothing happens."""
STATUSES = {*map(int, Exit)}


class Call(NamedTuple):
    """One call of a command."""

    arguments: tuple[str, ...]
    environ: dict[str, str]

    def __str__(self) -> str:
        shown = [f"{name}={shlex.quote(value[:200])}" for name, value in self.environ.items()]
        words = ["logrules", *(shlex.quote(word[:200]) for word in self.arguments)]
        return " ".join([*shown, *words]).encode("utf-8", "backslashreplace").decode()


class Ended(NamedTuple):
    """What became of it."""

    status: object
    out: str
    err: str


def settings() -> list[str]:
    """Every variable that we read."""
    tree = ast.parse(Path(cli.__file__).with_name("settings.py").read_text("utf-8"))
    words = {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    own = {word for word in words if re.fullmatch(r"LOGRULES_\w+", word)}
    return sorted(own - {"LOGRULES_EVENT_FD", "LOGRULES_LOCK_HELD"}) + NAMES


def call(
    dice: random.Random, commands: Sequence[tuple[str, argparse.ArgumentParser]], names: list[str]
) -> Call:
    """One that nobody would make."""
    path, parser = dice.choice(commands)
    words = path.split()
    options = [action for action in parser._actions if action.option_strings and action.dest != "help"]
    for action in dice.sample(options, min(len(options), dice.randint(0, 3))):
        words.append(dice.choice(action.option_strings))
        if action.nargs != 0 and dice.random() < 0.9:
            choices = [*map(str, action.choices)] if action.choices else []
            words.append(dice.choice([*choices, *WORDS]))
    words += dice.choices(
        [word for word in WORDS if word not in ENDLESS] if path == "scan" else WORDS, k=dice.randint(0, 2)
    )
    if path == "check":  # without a pack it would run every sample of ours
        words.append("own.toml")
    environ = {name: dice.choice(WORDS) for name in dice.sample(names, dice.randint(0, 3))}
    cache = {"XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", "")} if dice.random() < 0.95 else {}
    return Call(tuple(words), {**environ, **SAFE, **cache})


def ended(made: Call, stdin: bytes = b"") -> Ended:
    """What a call comes to, in this very process."""
    kept = io.BytesIO(), io.BytesIO()
    out, err = io.TextIOWrapper(kept[0], "utf-8"), io.TextIOWrapper(kept[1], "utf-8", "backslashreplace")
    given = io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
    status: object
    with (
        mock.patch.dict(os.environ, made.environ, clear=True),
        mock.patch.object(sys, "stdin", given),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            status = cli.main(made.arguments)
        except SystemExit as end:
            status = end.code
        except BaseException:  # noqa: BLE001  whatever it is, it is what we look for
            status = traceback.format_exc()
    out.flush()
    err.flush()
    return Ended(status, *(stream.getvalue().decode("utf-8", "replace") for stream in kept))


def faults(found: Ended) -> Iterator[str]:
    """What is not as it must be."""
    if not isinstance(found.status, int) or found.status not in STATUSES:
        yield f"it ended with {found.status}"
    if "Traceback (most recent" in found.err:
        yield "a traceback"
    if any(secret in found.out + found.err for secret in (TOKEN[10:], PASSWORD)):
        yield "a secret"
    if found.status and not found.err.strip() and not found.out.strip():
        yield "not a word of why"
    if any(not char.isprintable() and char not in "\n\t" for char in found.err):
        yield "a control character for the terminal"


def prepare() -> None:
    """Files with names from WORDS, in a folder of their own."""
    pattern = 'code = "DB_LOCKED"\nany = ["x y z"]\nmatch = ["x y z"]'
    Path("own.toml").write_text(f"format = 0\n[[pattern]]\n{pattern}\n")
    Path("bad.toml").write_bytes(b"\xff\xfe[[")
    Path("log.txt").write_text("ERROR - database is locked\n")
    Path("folder").mkdir()


def main() -> int:
    """Throw the dice."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--count", type=int, default=2000)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    commands = [each for each in manual.tree(arguments.parser(())) if each[0] not in {"run", "doctor"}]
    names = settings()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        prepare()
        for _ in range(options.count):
            made = call(dice, commands, names)
            started = time.process_time()
            found = ended(made, dice.choice(WORDS).encode("utf-8", "surrogateescape"))
            slow = time.process_time() - started
            for fault in [*faults(found), *([f"it took {slow:.0f} s"] if slow > PATIENCE else [])]:
                wrong += 1
                print(f"{fault}\n  {made}\n  {found.err[-600:]}", flush=True)
    print(f"seed {options.seed}: {options.count - wrong} passed, {wrong} failed")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
