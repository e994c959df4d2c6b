"""`logrules check`: is a pack well formed, and does every sample give its code and every expression work?"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from logrules import derived
from logrules.core.engine import parse
from logrules.core.model import Exit
from logrules.core.redact import Redactor, secrets_in
from logrules.core.ruleset import pack as packs_
from logrules.core.ruleset.rulebook import Rulebook
from logrules.core.text import printable
from logrules.rules import known, laid
from logrules.rules import packs as shipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from logrules.core.reading.statements import Parsed
    from logrules.core.ruleset.pack import Fault, Pack
    from logrules.core.ruleset.patterns import Pattern
    from logrules.core.ruleset.places import Path

_SHOWN = 160
"""Characters of a sample that a fault shows."""


def check(packs: Mapping[str, str], around: Mapping[str, str]) -> int:
    """Check `packs` (file name to text), used with others `around` them, and print every fault.

    Without any, check what logrules ships. Returns 0 or 78.
    """
    texts = packs or shipped()
    redact = Redactor(secrets_in(os.environ))
    faults = sorted(
        faults_of(texts, around), key=lambda fault: (list(texts).index(fault.source), fault.place or ())
    )
    for fault in faults:
        print(printable(redact(str(fault))), file=sys.stderr)
    if faults:
        print(f"{_counted(len(faults), 'fault')} in {_counted(len(texts), 'pack')}", file=sys.stderr)
        return Exit.CONFIG
    for name in packs:
        print(f"{printable(name)}: {_holds(packs_.read(packs[name], name))}")
    print(f"{_counted(len(texts), 'pack')} well formed, and every sample gives its code")
    return Exit.OK


def _holds(pack: Pack) -> str:
    """What there is in a pack."""
    held = {"pattern": pack.patterns, "code": pack.codes, "way": pack.how, "rule switched off": pack.off}
    return ", ".join(_counted(len(things), name) for name, things in held.items() if things)


def _counted(number: int, name: str) -> str:
    first, *rest = name.split(" ")
    return " ".join([str(number), first + "s" * (number != 1), *rest])


def faults_of(packs: Mapping[str, str], around: Mapping[str, str] | None = None) -> Iterator[Fault]:
    """Every fault of `packs`, tried together with the shipped ones and those `around` them."""
    read = [packs_.read(text, name) for name, text in packs.items()]
    others = [packs_.read(text, name) for name, text in (around or {}).items() if name not in packs]
    ours = known()
    wrong = [*_form_faults(read, others), *_repeated(read, ours.codes)]
    yield from wrong
    broken = {(fault.source, fault.what) for fault in wrong}
    good = [_sound(pack, broken) for pack in read]
    rules = laid([*good, *others] if not packs.keys() & shipped().keys() else ())
    mine = [pattern for pack in good for pattern in pack.patterns if pattern.code in rules]
    rest = [pattern for pattern in rules.rulebook.patterns if pattern.pack not in packs]
    book = Rulebook(rules.specs, [*mine, *rest], derived.needs, derived.Databases())
    for pack in good:
        for pattern in pack.patterns:
            if pattern.code in rules:
                yield from (pack.fault(path, text) for path, text in _sample_faults(pattern, book))


def _form_faults(read: list[Pack], others: list[Pack]) -> Iterator[Fault]:
    ours = known()
    for pack in read:
        yield from pack.faults
        yield from packs_.lint(pack, ours, [*read, *others])


def _sound(pack: Pack, broken: set[tuple[str, str]]) -> Pack:
    """The pack without what was found wrong."""
    return replace(
        pack,
        patterns=tuple(
            pattern
            for pattern in pack.patterns
            if (pack.source, f"pattern {pattern.number} ({pattern.code})") not in broken
        ),
        codes={
            name: table for name, table in pack.codes.items() if (pack.source, f"code {name}") not in broken
        },
    )


def _repeated(read: list[Pack], ours: Mapping[str, object]) -> Iterator[Fault]:
    """What stands twice, in one pack or in two."""
    seen: dict[tuple[object, ...], str] = {}
    codes: dict[str, str] = {}
    for pack in read:
        for pattern in pack.patterns:
            at = f"pattern {pattern.number} of {pack.source}"
            where = (*sorted(pattern.form), pattern.level, pattern.logged, pattern.frames, pattern.whole)
            for number, text in enumerate(pattern.any):
                if seen.setdefault((text, *where), at) != at:
                    path = ("pattern", pattern.number - 1, "any", number)
                    yield pack.fault(path, f"the same expression stands in {seen[text, *where]}: keep one")
        for name in pack.codes.keys() - ours.keys():
            if codes.setdefault(name, pack.source) != pack.source:
                yield pack.fault(("code", name), f"the same code stands in {codes[name]}: keep one")


def _sample_faults(pattern: Pattern, book: Rulebook) -> Iterator[tuple[Path, str]]:
    at = ("pattern", pattern.number - 1)
    shown = set[int]()
    for number, sample in enumerate(pattern.match):
        records = list(parse(book, sample))
        yield from (
            ((*at, "match", number), fault) for fault in _match_faults(pattern, sample, records, book)
        )
        shown |= {
            found.choice for record in records for found in book.matches(record) if found.pattern is pattern
        }
    for number, sample in enumerate(pattern.ignore):
        for record in parse(book, sample):
            if found := book.state(record):
                yield (*at, "ignore", number), f"`ignore` sample gives {found.pattern.code}: {_shown(sample)}"
    for number in sorted(set(range(len(pattern.any))) - shown):
        text = _shown(pattern.any[number])
        yield (*at, "any", number), f"no `match` sample is recognised by {text}: add one, or drop it"


def _match_faults(pattern: Pattern, sample: str, records: list[Parsed], book: Rulebook) -> Iterator[str]:
    said = [found.pattern for record in records if (found := book.state(record))]
    if not said:
        yield f"`match` sample gives no code: {_shown(sample)}{_why(pattern, sample)}"
    for other in said:
        if (other.code, other.reason) != (pattern.code, pattern.reason):
            yield f"`match` sample gives {other.rule} instead: {_shown(sample)}"
    codes = {found.pattern.code for record in records for found in book.claims(record)}
    if len(codes) > 1:
        both = " and ".join(sorted(codes))
        yield f"`match` sample is claimed by {both}: say in `beats` which wins: {_shown(sample)}"


def _why(pattern: Pattern, sample: str) -> str:
    """The usual reasons, where one can be told."""
    choices = [pattern.compiled(number) for number in range(len(pattern.any))]
    if any(choice.search(sample) for choice in choices):
        return (
            ". Its words are there, but they do not count where they stand: behind other words, at another "
            "`form`, or below the `level` (by default warning)"
        )
    return ". None of its expressions fits these words"


def _shown(sample: str) -> str:
    return repr(sample if len(sample) <= _SHOWN else f"{sample[:_SHOWN]}…")
