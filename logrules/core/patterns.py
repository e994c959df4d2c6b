"""Packs: files of patterns. What may stand in them, and every fault that they may have.

A fault names its file and the pattern's number, says what is wrong and what to write instead.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from logrules.core.codes import CODE, FORMAT, PackError
from logrules.core.factors import SHORTEST, dangers, factors
from logrules.core.model import Form, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ALL = frozenset(Form)
_END = r"[^\w\n]*(?:\n|$)"


class Pattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a code looks in a log."""

    code: str
    reason: str | None = None
    any: list[str]
    """Regular expressions, anchored at the start of a statement; one of them must match."""
    whole: bool = False
    """The line must end with the words, punctuation and emoji aside: for words too common to stand alone."""
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
    lead: str = ""
    """What its pack lets stand before the words: one regular expression, or nothing."""

    @property
    def place(self) -> str:
        """Where it stands, for an error message."""
        return f"{self.pack}: pattern {self.number} ({self.code})"

    @property
    def rule(self) -> str:
        """Its name in an event."""
        return "/".join(filter(None, (self.pack.removesuffix(".toml"), self.code, self.reason)))

    def only(self, text: str) -> Pattern:
        """The same pattern with one of its expressions."""
        return msgspec.structs.replace(self, any=[text], generic=False)

    def stands_in(self, text: str) -> bool:
        """Whether the frames that it asks for, if any, are in a record's text."""
        return not self.frames or bool(_compiled(self.frames).search(text))

    def compiled(self, choice: int) -> re.Pattern[str]:
        """One of its expressions, compiled when it is needed first."""
        text = self.any[choice]
        return _compiled(f"(?:{text}){_END}" if self.whole else text)


_KEYS = tuple(each for each in Pattern.__struct_fields__ if each not in {"pack", "number", "lead"})
_TOP = ("format", "lead", "terms", "pattern")
_TERM = re.compile(r"(?<!\\)\{([a-z]\w*)\}")
"""How an expression names a term of its pack; a repeat's braces hold digits."""


class Fault(NamedTuple):
    """What is wrong, where, and what to write instead."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@cache
def _compiled(text: str) -> re.Pattern[str]:
    return re.compile(text)


def load(text: str, source: str) -> list[Pattern]:
    """The patterns of one pack. Raises PackError with the first fault."""
    patterns, faults = read(text, source)
    if faults:
        raise PackError(str(faults[0]))
    return patterns


def sound(text: str, source: str, codes: Iterable[str]) -> list[Pattern]:
    """The patterns of a pack that nobody has checked yet. Raises PackError with the first fault."""
    patterns = load(text, source)
    for fault in lint(patterns, codes):
        raise PackError(f"{fault}. `logrules check {source}` shows every fault")
    return patterns


def read(text: str, source: str) -> tuple[list[Pattern], list[Fault]]:
    """The patterns of one pack that can be read, and every fault of its form."""
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return [], [Fault(source, f"not valid TOML: {error}")]
    faults = [Fault(source, f"unknown key {key!r}{_meant(key, _TOP)}") for key in data.keys() - set(_TOP)]
    if data.get("format") != FORMAT:
        faults.append(Fault(source, f"the first line must be `format = {FORMAT}`"))
    tables = data.get("pattern", [])
    if not isinstance(tables, list):
        return [], [*faults, Fault(source, "write `[[pattern]]` with two brackets: there may be several")]
    lead, wrong = _lead(data.get("lead", []), source)
    terms, unclear = _terms(data.get("terms", {}), source)
    faults += wrong + unclear
    patterns = []
    for number, table in enumerate(tables, 1):
        made = _pattern(_spelled(table, terms), source, number, lead)
        if isinstance(made, Pattern):
            patterns.append(made)
        else:
            faults.extend(made)
    return patterns, faults


def _lead(texts: Any, source: str) -> tuple[str, list[Fault]]:
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return "", [Fault(source, "`lead` is a list of regular expressions")]
    faults = [
        Fault(f"{source}: lead", fault)
        for text in texts
        for fault in _expression_faults(text, needs_words=False)
    ]
    return ("" if faults else "|".join(f"(?:{text})" for text in texts)), faults


def _terms(table: Any, source: str) -> tuple[dict[str, str], list[Fault]]:
    """The terms of a pack; each may name those before it."""
    if not isinstance(table, dict) or not all(isinstance(text, str) for text in table.values()):
        return {}, [Fault(source, "`terms` are names, each with one regular expression")]
    terms: dict[str, str] = {}
    faults: list[Fault] = []
    for name, text in table.items():
        terms[name] = f"(?:{_expanded(text, terms)})"
        faults += (
            Fault(f"{source}: term {name!r}", fault)
            for fault in _expression_faults(terms[name], needs_words=False)
        )
    return terms, faults


def _spelled(table: Any, terms: dict[str, str]) -> Any:
    """A pattern's table with the terms that its expressions name spelled out."""
    if not terms or not isinstance(table, dict) or not isinstance(table.get("any"), list):
        return table
    return {**table, "any": [_expanded(text, terms) for text in table["any"]]}


def _expanded(text: Any, terms: dict[str, str]) -> Any:
    if not isinstance(text, str):
        return text
    return _TERM.sub(lambda found: terms.get(found[1], found[0]), text)


def _pattern(table: dict[str, Any], source: str, number: int, lead: str) -> Pattern | list[Fault]:
    place = f"{source}: pattern {number}" + (f" ({table['code']})" if "code" in table else "")
    unknown = [Fault(place, f"unknown key {key!r}{_meant(key, _KEYS)}") for key in table.keys() - set(_KEYS)]
    if unknown:
        return unknown
    try:
        return msgspec.convert({**table, "pack": source, "number": number, "lead": lead}, Pattern)
    except msgspec.ValidationError as error:
        return [Fault(place, f"{error}; forms are {', '.join(Form)}; levels are {', '.join(Severity)}")]


def schema(codes: Iterable[str]) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a pack; editors complete and check against it."""
    pattern = msgspec.json.schema(Pattern)["$defs"]
    own = pattern["Pattern"]
    own["properties"] = {key: own["properties"][key] for key in _KEYS}
    own["properties"]["code"] = {"enum": sorted(codes)}
    texts = {"type": "array", "items": {"type": "string"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A logrules pack",
        "type": "object",
        "properties": {
            "format": {"const": FORMAT},
            "lead": texts,
            "terms": {"type": "object", "additionalProperties": {"type": "string"}},
            "pattern": {"type": "array", "items": {"$ref": "#/$defs/Pattern"}},
        },
        "required": ["format"],
        "additionalProperties": False,
        "$defs": pattern,
    }


def lint(patterns: Iterable[Pattern], codes: Iterable[str]) -> Iterator[Fault]:
    """What is wrong with patterns that could be read, before any sample is tried."""
    known = set(codes)
    for pattern in patterns:
        yield from (Fault(pattern.place, text) for text in _faults(pattern, known))


def _faults(pattern: Pattern, codes: set[str]) -> Iterator[str]:
    if not CODE.match(pattern.code):
        yield f"{pattern.code!r} is no code: write capitals, digits and _, 3 to 48 of them"
    for code in {pattern.code, *pattern.beats} - codes:
        yield f"unknown code {code!r}{_meant(code, codes)}"
    if not pattern.any:
        yield "`any` is empty: write at least one expression"
    if not pattern.match:
        yield "no sample: give `match` a record that each expression recognises"
    for text in pattern.any:
        yield from _expression_faults(text)
    if pattern.frames:
        yield from _expression_faults(pattern.frames, needs_words=False)


def _expression_faults(text: str, *, needs_words: bool = True) -> Iterator[str]:
    if any(ord(char) < 32 for char in text):  # noqa: PLR2004 - control characters
        yield f"control character in {text!r}: write the expression in single quotes, so that \\b stays \\b"
        return
    try:
        danger = dangers(text)
    except (re.error, OverflowError, RecursionError) as error:
        yield f"{text[:80]!r} is no regular expression: {error}"
        return
    if danger:
        yield f"{text!r}: {danger}"
    for name in _TERM.findall(text):
        yield f"unknown term {name!r} in {text[:80]!r}: define it under `[terms]`, above what uses it"
    if needs_words and not factors(text):
        yield (
            f"{text!r} has no fixed words of at least {SHORTEST} bytes, which every match must hold: "
            "the scanner could not find it. Add the words that are always there"
        )


def _meant(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return f": did you mean {close[0]!r}?" if close else f"; known are {', '.join(sorted(known)[:60])}"
