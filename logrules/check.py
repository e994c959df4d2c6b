"""`logrules check`: is a pack well formed, and does every sample give its code and every expression work?"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from logrules.core import patterns
from logrules.core.engine import parse
from logrules.core.model import Exit
from logrules.core.patterns import Fault
from logrules.core.redact import Redactor, secrets_in
from logrules.core.rulebook import Rulebook
from logrules.rules import packs as shipped
from logrules.rules import rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from logrules.core.patterns import Pattern


def check(packs: Mapping[str, str]) -> int:
    """Check `packs` (file name to text), or the shipped ones, and print every fault. Returns 0 or 78."""
    texts = packs or shipped()
    faults = list(faults_of(texts))
    redact = Redactor(secrets_in(os.environ))
    for fault in faults:
        print(redact(str(fault)), file=sys.stderr)
    if faults:
        print(f"{len(faults)} fault(s) in {len(texts)} pack(s)", file=sys.stderr)
        return Exit.CONFIG
    print(f"{len(texts)} pack(s) are well formed, and every sample gives its code")
    return Exit.OK


def faults_of(packs: Mapping[str, str]) -> Iterator[Fault]:
    """Every fault of `packs`, tried together with the shipped ones."""
    theirs: list[Pattern] = []
    for name, text in packs.items():
        found, faults = patterns.read(text, name)
        theirs += found
        yield from faults
    wrong = list(patterns.lint(theirs, rules.specs))
    yield from wrong
    broken = {fault.place for fault in wrong}
    sound = [pattern for pattern in theirs if pattern.place not in broken]
    others = [
        one for name, text in shipped().items() if name not in packs for one in patterns.load(text, name)
    ]
    book = Rulebook(rules.specs, [*sound, *others])
    for pattern in sound:
        yield from (Fault(pattern.place, text) for text in _sample_faults(pattern, book))


def _sample_faults(pattern: Pattern, book: Rulebook) -> Iterator[str]:
    for sample in pattern.match:
        yield from _match_faults(pattern, sample, book)
    for sample in pattern.ignore:
        for code in _codes(sample, book):
            yield f"`ignore` sample gives {code}: {sample!r}"
    for text in pattern.any:
        alone = book.alone(pattern.only(text))
        if not any(_codes(sample, alone) for sample in pattern.match):
            yield f"no `match` sample is recognised by {text!r}: add one, or drop it"


def _match_faults(pattern: Pattern, sample: str, book: Rulebook) -> Iterator[str]:
    said = [found.pattern for record in parse(book, sample) if (found := book.state(record))]
    if not said:
        yield f"`match` sample gives no code: {sample!r}"
    for other in said:
        if (other.code, other.reason) != (pattern.code, pattern.reason):
            yield f"`match` sample gives {other.rule} instead: {sample!r}"
    codes = {found.pattern.code for record in parse(book, sample) for found in book.claims(record)}
    if len(codes) > 1:
        both = " and ".join(sorted(codes))
        yield f"`match` sample is claimed by {both}: say in `beats` which wins: {sample!r}"


def _codes(sample: str, book: Rulebook) -> list[str]:
    return [found.pattern.code for record in parse(book, sample) if (found := book.state(record))]
