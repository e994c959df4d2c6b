"""Logs that nobody has seen: real program lines in every wrapping we know, and then damaged.

Everything follows from the dice: the same dice give the same log.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

from logrules.rules import rulebook

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

HEADS = (
    "2026-01-15 08:29:41,511 - bot - ERROR - ",
    "2026-01-15 08:29:41,511 - bot - INFO - ",
    "ERROR:bot:",
    "[2026-01-15 08:29:41] [WARNING ] bot: ",
    "2026-01-15 08:29:41.123 | ERROR    | __main__:main:12 - ",
    "2026/01/15 08:29:41 ",
    "E0115 08:29:41.123456       1 bot.go:330] ",
    "❌ ",
    "> ",
    "42 wrote: ",
    "  ",
    "",
)
PREFIXES = (
    "2026-01-15T08:29:41.511636313Z ",
    "bot-1  | ",
    "2026-01-15T08:29:41.511636+00:00 app[web.1]: ",
    "2026-01-15T08:29:41Z app[90802] fra [info] ",
    "Jan 15 08:29:41 host bot[12]: ",
    "<14>1 2026-01-15T08:29:41Z host bot 12 - - ",
    "0|bot  | ",
    "2026-01-15T08:29:41.511636313Z stderr F ",
    "\x1b[31m",
    "    ",
)
_WRAPS = r"""
{0}
=====
Traceback (most recent call last):
  File "/app/bot.py", line 7, in main
    run()
{0}
=====
Traceback (most recent call last):
  File "/app/bot.py", line 7, in <module>
    main()
{0}

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/bot.py", line 9, in main
    run()
{1}
=====
Traceback (most recent call last):
  File "/app/bot.py", line 9, in main
    run()
{0}

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/bot.py", line 7, in <module>
    main()
{1}
=====
Traceback (most recent call last):
  File "/app/bot.py", line 7, in main
    run()
=====
  + Exception Group Traceback (most recent call last):
  |   File "/app/bot.py", line 1, in main
  |     run()
  | ExceptionGroup: {1} (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/bot.py", line 7, in run
    |     go()
    | {0}
    +------------------------------------
=====
╭───── Traceback (most recent call last) ─────╮
│ /app/bot.py:1 in main                       │
╰─────────────────────────────────────────────╯
{0}
=====
Error: {0}
    at main (/app/bot.js:1:1)
    at node:internal/main:1:1
=====
/app/bot.js:3
throw new Error()
^

Error: {0}
    at f (/app/bot.js:1:1) {{
  [cause]: {1}
}}

Node.js v20.20.2
=====
Exception in thread "main" java.lang.RuntimeException: {0}
	at Bot.main(Bot.java:3)
Caused by: java.io.IOException: {1}
	... 3 more
=====
panic: {0}

goroutine 1 [running]:
main.main()
	/app/main.go:9 +0x1d
exit status 2
=====
thread 'main' panicked at src/main.rs:5:10:
{0}
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
=====
Unhandled exception. System.AggregateException: {0}
 ---> Npgsql.NpgsqlException: {1}
   at Bot.Main() in /app/Bot.cs:line 3
   --- End of inner exception stack trace ---
=====
PHP Fatal error:  Uncaught PDOException: {0} in /app/bot.php:3
Stack trace:
#0 {{main}}
  thrown in /app/bot.php on line 3
=====
level=error msg="{0}" err="{1}"
=====
{0}


{1}
"""
WRAPS = (
    *(text.strip("\n") for text in _WRAPS.split("=====")),
    "{0}\r\r 10%\r 20%\r{1}",
    "{0}" + " x" * 300,
)
"""What programs print around their words, and around the words behind those."""
SCRAPS = (
    b"\0",
    b"\r",
    b"\n",
    b"\x1b[1m",
    b"\xff\xfe",
    b"\xd0",
    b"\t",
    b"|",
    b'"',
    b"{",
    b"}",
    b"\\n",
    b"  ",
    b"^\n",
)
PAGES = ("cp1251", "cp1252", "mac_roman", "utf-16-le")


@cache
def samples() -> tuple[str, ...]:
    """Every line that a shipped pack must recognise, or must not."""
    return tuple(sample for pattern in rulebook().patterns for sample in (*pattern.match, *pattern.ignore))


def log(dice: random.Random) -> bytes:
    """A log of a few records, as programs print it."""
    return "\n".join(_record(dice) for _ in range(dice.randint(1, 3))).encode("utf-8", "replace")


def damaged(dice: random.Random) -> bytes:
    """A log to which something was done."""
    data = log(dice)
    for _ in range(dice.choice((1, 1, 2, 3))):
        data = dice.choice(DAMAGES)(data, dice)
    return data


def _record(dice: random.Random) -> str:
    said, other = (dice.choice(samples()) for _ in range(2))
    text = dice.choice(HEADS) + dice.choice(WRAPS).format(said, other)
    if not dice.randrange(6):
        text = json.dumps({"level": "error", "msg": said, dice.choice(("exc_info", "stack", "x")): text})
    if not dice.randrange(3):
        prefix = dice.choice(PREFIXES)
        text = "\n".join(prefix + line for line in text.split("\n"))
    return text


def _flip(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]


def _cut(data: bytes, dice: random.Random) -> bytes:
    start, end = sorted(dice.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + data[end:] if dice.randrange(2) else data[start:end]


def _double(data: bytes, dice: random.Random) -> bytes:
    start, end = sorted(dice.randrange(len(data) + 1) for _ in range(2))
    return data[:end] + data[start:end] * dice.choice((1, 1, 2, 20)) + data[end:]


def _scrap(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.choice(SCRAPS) * dice.choice((1, 1, 2, 99)) + data[at:]


def _shuffle(data: bytes, dice: random.Random) -> bytes:
    lines = data.split(b"\n")
    first, second = dice.randrange(len(lines)), dice.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


def _interleave(data: bytes, dice: random.Random) -> bytes:
    ours, theirs = data.split(b"\n"), log(dice).split(b"\n")
    both = []
    while ours or theirs:
        both.append((ours if ours and (not theirs or dice.randrange(2)) else theirs).pop(0))
    return b"\n".join(both)


def _spoil(data: bytes, dice: random.Random) -> bytes:
    """UTF-8 read in an old code page."""
    return data.decode(dice.choice(PAGES), "replace").encode("utf-8", "replace")


def _windows(data: bytes, _dice: random.Random) -> bytes:
    return data.replace(b"\n", b"\r\n")


def _utf16(data: bytes, _dice: random.Random) -> bytes:
    return data.decode("utf-8", "replace").encode("utf-16")


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flip, _flip, _cut, _cut, _double, _scrap, _scrap, _shuffle, _interleave, _spoil, _windows, _utf16),
)
