"""Patterns: how codes look in a log, and what may be wrong with one."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from logrules.core.literals.factors import SHORTEST, factors
from logrules.core.model import Form, Severity
from logrules.core.reading.looks import REACH
from logrules.core.reading.statements import STATEMENT
from logrules.core.ruleset.cost import ENDLESS, worst
from logrules.core.ruleset.shape import LONGEST, meant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from logrules.core.ruleset.places import Path

PATIENCE = 100_000_000
"""Steps that one try of an expression may take at worst: a second or two on the most hostile of lines."""

_ALL = frozenset(Form)
_END = r"[^\w\n]{0,200}+(?:\n|$|\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.Z]{0,8}+(?:\n|$))"
"""A stamp may stand behind the words."""
_TERM = re.compile(r"(?<!\\)\{([a-z]\w*)\}")
"""How an expression names a term of its pack; a repeat's braces hold digits."""


class Pattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a code looks in a log."""

    code: str
    reason: str | None = None
    any: list[str]
    """Regular expressions, anchored at the start of a statement; one of them must match."""
    whole: bool = False
    """The line must end with the words; punctuation, emoji and loggers' fields aside: for common ones."""
    form: frozenset[Form] = _ALL
    """Where the words must stand; elsewhere they match nothing."""
    level: Severity | None = None
    """The lowest level of a record that counts; by default warning for what is bad, debug for the rest."""
    fatal: bool | None = None
    """Whether it heals by itself here, if that differs from the code's own."""
    generic: bool = False
    """It says that something failed, not what: anything else in the record wins."""
    logged: bool | None = None
    """Only in a record that came through a logger (true), or only in one that did not (false)."""
    frames: str | None = None
    """Only under a traceback or stack in which this regular expression is found: the library that failed."""
    beats: frozenset[str] = frozenset()
    """Codes that add nothing where this one stands."""
    match: list[str] = []
    """Records that it must recognise."""
    ignore: list[str] = []
    """Records in which nothing may be recognised."""
    pack: str = ""
    number: int = 0
    lead: tuple[str, ...] = ()
    """What its pack lets stand before the words."""
    own: tuple[str, ...] = ()
    """What, in its pack, only a library says: whatever its author says may stand before that."""

    @property
    def place(self) -> str:
        """Where it stands, for an error message."""
        return f"{self.pack}: pattern {self.number} ({self.code})"

    @property
    def rule(self) -> str:
        """Its name in an event."""
        return "/".join(filter(None, (self.pack.removesuffix(".toml"), self.code, self.reason)))

    def stands_in(self, text: str) -> bool:
        """Whether the frames that it asks for, if any, are in a record's text."""
        return not self.frames or bool(_compiled(self.frames).search(text))

    def compiled(self, choice: int) -> re.Pattern[str]:
        """One of its expressions, compiled when it is needed first."""
        text = self.any[choice]
        return _compiled(f"(?:{text}){_END}" if self.whole else text)


@cache
def _compiled(text: str) -> re.Pattern[str]:
    return re.compile(text, re.MULTILINE)  # words that others told in between end a line, too


def made(table: Mapping[str, Any], source: str, number: int, **shared: tuple[str, ...]) -> Pattern:
    """The pattern of a table that is of the right shape."""
    return msgspec.convert({**table, "pack": source, "number": number, **shared}, Pattern)


def expanded(text: str, terms: Mapping[str, str]) -> str:
    """An expression with the terms that it names spelled out."""
    return _TERM.sub(lambda found: terms.get(found[1], found[0]), text)


def faults(pattern: Pattern, codes: set[str]) -> Iterator[tuple[Path, str]]:
    """What is wrong with a pattern that could be read, before any sample is tried."""
    for key, names in (("code", [pattern.code]), ("beats", sorted(pattern.beats))):
        for code in names:
            if code not in codes:
                how = meant(code, codes) or f". Ours: logrules codes; one of your own needs [code.{code}]"
                yield (key,), f"unknown code {code!r}{how}"
    for number, text in enumerate(pattern.any):
        yield from ((("any", number), fault) for fault in expression_faults(text, whole=pattern.whole))
    if pattern.frames:
        found = expression_faults(pattern.frames, needs_words=False, places=REACH)
        yield from ((("frames",), fault) for fault in found)


def expression_faults(
    text: str, *, needs_words: bool = True, whole: bool = False, places: int = 1
) -> Iterator[str]:
    """What is wrong with a regular expression that may be tried at so many places of a text."""
    shown = repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
    if len(text) > 2 * LONGEST:
        yield f"{shown} is too long with its terms: more than {2 * LONGEST} characters"
        return
    try:
        steps = worst(f"(?:{text}){_END}" if whole else text, STATEMENT)
        found = factors(text)
    except (re.error, OverflowError, RecursionError) as error:
        yield f"{shown} is no regular expression: {error}"
        return
    if steps * (1 if text.startswith(r"\A") else places) > PATIENCE:
        endless = "for ever" if steps == ENDLESS else "too long"
        yield (
            f"{shown} can take {endless} on a hostile line: too much in it can match the same characters "
            r"in many ways. Bound its repeats, as in `.{0,80}`, let none stand in another, and say where "
            r"each one ends, as `[^)]*\)` does"
        )
    for name in _TERM.findall(text):
        yield f"unknown term {name!r} in {shown}: define it under `[terms]`, above what uses it"
    if needs_words and not found:
        yield (
            f"{shown} has no fixed words of at least {SHORTEST} bytes, which every match must hold: "
            "the scanner could not find it. Add the words that are always there"
        )


_SHOWN = 80
