"""Logs to measure on, all made up here: what healthy systems and bots say, near misses, and failures.

A fifth is bots' chatter, a hundredth of all holds the words of failures; the failures are our packs' samples.
The same seed gives the same bytes. No line of a block comes twice, but for the storm's; a later block says
the same with other times and numbers, as a program's log does.
"""

from __future__ import annotations

import json
import random
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from logrules.core.engine import classify
from logrules.rules import rulebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Lines = Callable[["Dice"], Iterator[str]]

BLOCK = 8 * 1024 * 1024
"""Bytes until a log repeats itself: more than a processor's caches hold. The first time each expression that
is needed is compiled; there are as many as no log of one bot ever needs."""
SPARSE = 250
"""One line in so many is a failure: 0.4 %."""


class Dice(random.Random):
    """Choose the words; times and numbers are chosen by others."""

    def __init__(self, seed: int, turn: int) -> None:
        super().__init__(seed)
        self.numbers = random.Random(f"{seed} {turn}")  # noqa: S311 - a log, no secret


_SHAPES = Path(__file__).with_name("lines.txt")
"""Words, and how lines look: of systems, of bots, near misses, and what stands before a failure."""
_COLOURS = ("\x1b[31m", "\x1b[32m", "\x1b[1;33m", "\x1b[38;5;214m")


@cache
def _known(kind: str) -> list[str]:
    for part in _SHAPES.read_text("utf-8").split("# ")[1:]:
        name, _, text = part.partition("\n")
        if name == kind:
            return text.splitlines()
    raise KeyError(kind)


@cache
def failures() -> tuple[str, ...]:
    """Statements of one line that our packs recognise behind a logger's head."""
    said = [
        sample.rpartition(" - ERROR - ")[2].rpartition("ERROR: ")[2]
        for pattern in rulebook().patterns
        for sample in pattern.match
    ]
    short = [text for text in dict.fromkeys(said) if "\n" not in text and _SHORTEST < len(text) < _LONGEST]
    return tuple(text for text in short if len(classify(rulebook(), f"{_STAMP} - bot - ERROR - {text}")) == 1)


_STAMP = "2026-01-15 08:29:41,511"


def _filled(shape: str, dice: Dice, said: str = "") -> str:
    numbers = dice.numbers
    k, s, m = numbers.randrange(10, 60), numbers.randrange(60), numbers.randrange(100, 1000)
    return shape.format(
        stamp=f"2026-01-15 08:{k}:{s:02},{m}",
        word=dice.choice(_known("words")),
        name=dice.choice(_known("names")),
        said=said,
        n=numbers.randrange(10**6, 10**7),
        k=k,
        s=s,
        m=m,
    )


_BOTS, _NEARLY = 0.2, 0.01
_SHORTEST, _LONGEST = 20, 200


def _benign(dice: Dice) -> str:
    chance = dice.random()
    kind = "near" if chance < _NEARLY else "chatter" if chance < _BOTS else "system"
    return _filled(dice.choice(_known(kind)), dice)


def _failure(dice: Dice) -> str:
    return _filled(dice.choice(_known("heads")), dice, dice.choice(failures()))


def quiet(dice: Dice) -> Iterator[str]:
    """Chatter and near misses."""
    while True:
        yield _benign(dice)


def sparse(dice: Dice) -> Iterator[str]:
    """The same, but that 0.4 % of the lines are failures."""
    while True:
        yield _benign(dice) if dice.randrange(SPARSE) else _failure(dice)


def dense(dice: Dice) -> Iterator[str]:
    """Failures and nothing else."""
    while True:
        yield _failure(dice)


def storm(dice: Dice) -> Iterator[str]:
    """One failure, again and again, as a loop without a pause prints it: only its stamp moves on."""
    said = "Error while getting Updates: Conflict: terminated by other getUpdates request"
    while True:
        yield _filled("{stamp} - telegram.ext.Updater - ERROR - {said}", dice, said)


def repeated(_dice: Dice) -> Iterator[str]:
    """One line, byte for byte the same."""
    while True:
        yield f"{_STAMP} - bot - ERROR - Conflict: terminated by other getUpdates request"


def as_json(lines: Lines, dice: Dice) -> Iterator[str]:
    """The same words as JSON, as structlog and loguru print them."""
    for text in lines(dice):
        n = dice.numbers
        stamp = f"2026-01-15T08:{n.randrange(10, 60)}:{n.randrange(10, 60)}.{n.randrange(10**6):06}Z"
        _, _, said = text.rpartition(" - ")
        level = "error" if "ERROR" in text else "info"
        fields = {"timestamp": stamp, "level": level, "logger": "bot", "event": said, "n": n.randrange(99)}
        yield json.dumps(fields, ensure_ascii=False)


def coloured(lines: Lines, dice: Dice) -> Iterator[str]:
    """The same with the colours of a terminal: around the stamp, around the level."""
    for text in lines(dice):
        colour = dice.choice(_COLOURS)
        yield f"{colour}{text[:23]}\x1b[0m{text[23:29]}\x1b[1m{text[29:]}\x1b[0m"


KINDS: dict[str, Lines] = {
    "quiet": quiet,
    "sparse": sparse,
    "dense": dense,
    "storm": storm,
    "repeated": repeated,
    "json": partial(as_json, sparse),
    "json-dense": partial(as_json, dense),
    "coloured": partial(coloured, sparse),
    "coloured-dense": partial(coloured, dense),
}


def block(kind: str, size: int = BLOCK, seed: int = 1, turn: int = 0) -> bytes:
    """At most `size` bytes of whole lines; at another `turn` the same words with other numbers."""
    parts: list[bytes] = []
    for line in KINDS[kind](Dice(seed, turn)):
        data = line.encode() + b"\n"
        size -= len(data)
        if size < 0:
            break
        parts.append(data)
    return b"".join(parts)
