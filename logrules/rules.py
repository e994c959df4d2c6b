"""The rules as people use them.

    >>> from logrules.rules import rules
    >>> rules["CONFLICT_409"].exit
    <Exit.TEMPFAIL: 75>

`rules[CODE].remediation`, `.summary`, `.alert`, `.exit` and `.reasons` speak the operator's language:
LOGRULES_LANG, else LANG, else English. `extended` lays packs of the user's own upon them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from logrules.core.model import Exit, Severity, Sign
from logrules.core.ruleset import codes, pack
from logrules.core.ruleset.pack import Known, Pack
from logrules.core.text import language
from logrules.documents import documents, shipment

if TYPE_CHECKING:
    from logrules.core.ruleset.patterns import Pattern
    from logrules.core.ruleset.rulebook import Rulebook

__all__ = ["Rule", "Rules", "extended", "known", "laid", "packs", "rulebook", "rules"]

_PACKS = Path(__file__).with_name("packs")
CODES = "codes.toml"
"""The pack that says what every code means; the others say how codes look."""


class Rule:
    """What a code means and leads to, in one language."""

    def __init__(self, code: codes.Code, lang: str) -> None:
        self.spec = code
        self.lang = lang

    @property
    def code(self) -> str:
        """The code itself."""
        return self.spec.code

    @property
    def sign(self) -> Sign:
        """Whether it is a good sign, a bad one, or neither."""
        return self.spec.sign

    @property
    def severity(self) -> Severity:
        """The level of its event."""
        return self.spec.severity

    @property
    def fatal(self) -> bool:
        """Whether it needs an operator or a restart."""
        return self.spec.fatal

    @property
    def exit(self) -> Exit | None:
        """The status with which a process ends for it."""
        return self.spec.exit

    @property
    def alert(self) -> codes.AlertSpec | None:
        """Whom it wakes and how often; None for nobody."""
        return self.spec.alert

    @property
    def summary(self) -> str:
        """What happened, and why."""
        return self.spec.summary[self.lang]

    @property
    def headline(self) -> str:
        """What happened, in its first words."""
        return re.split(r"[.:;](?= |$)", self.summary)[0]

    @property
    def check(self) -> list[str]:
        """How to make sure that it is so."""
        return self.spec.check[self.lang]

    @property
    def steps(self) -> list[str]:
        """What to do, step by step."""
        return self.spec.steps[self.lang]

    @property
    def avoid(self) -> list[str]:
        """What not to do."""
        return self.spec.avoid[self.lang]

    @property
    def remediation(self) -> str:
        """What to do and what not, as one text."""
        return self.spec.remediation(self.lang)

    @property
    def reasons(self) -> dict[str, Rule]:
        """The same for each reason that is told apart."""
        return {reason: Rule(code, self.lang) for reason, code in self.spec.reasons.items()}

    def why(self, reason: str | None) -> Rule:
        """The rule as `reason` makes it."""
        return Rule(self.spec.why(reason), self.lang)

    def __repr__(self) -> str:
        return f"<Rule {self.code}>"


class Rules(Mapping[str, Rule]):
    """Every code that logrules knows, and how codes look.

    Args:
        specs: The codes.
        ways: What is done differently from platform to platform: name, platform (or `title`), text.
        own: Packs of the user's own, the one that goes first in front.
        lang: The language to speak; None takes the environment's.
    """

    def __init__(
        self,
        specs: Mapping[str, codes.Code],
        ways: Mapping[str, Mapping[str, codes.Text]],
        own: Sequence[Pack] = (),
        lang: str | None = None,
    ) -> None:
        self.specs = specs
        self.ways = ways
        self.own = tuple(own)
        self._lang = lang

    def __getitem__(self, code: str) -> Rule:
        return Rule(self.specs[code], self.lang)

    def __iter__(self) -> Iterator[str]:
        return iter(self.specs)

    def __len__(self) -> int:
        return len(self.specs)

    @property
    def lang(self) -> str:
        """The language that the rules speak."""
        return self._lang or language(os.environ)

    def speak(self, lang: str) -> Rules:
        """The same rules in `lang`, whatever the environment says."""
        return Rules(self.specs, self.ways, self.own, lang)

    @cached_property
    def rulebook(self) -> Rulebook:
        """How the codes look, ready for an engine; what the user's packs switch off is not in it."""
        off = [rule for each in self.own for rule in each.off]
        ours = [pattern for each in _shipped_patterns() for pattern in each.patterns]
        own = [pattern for each in self.own for pattern in each.patterns]
        left = [each for each in ours if not pack.is_off(each.rule, off)]
        return _book(self.specs, [*own, *left])


def _text(name: str) -> str:
    return (_PACKS / name).read_text("utf-8")


@cache
def _shipped_codes() -> Pack:
    (data,) = documents("codes", [_PACKS / CODES])
    return pack.shipped(data, CODES)


@cache
def _shipped_patterns() -> tuple[Pack, ...]:
    every = documents("packs", [_PACKS / name for name in _names()])
    return tuple(pack.shipped(data, name) for name, data in zip(_names(), every, strict=True))


def shipments() -> dict[str, bytes]:
    """What a wheel brings along, so that no process of it makes that first: file name to contents."""
    from logrules import derived

    return {
        "codes": shipment([_PACKS / CODES]),
        "packs": shipment([_PACKS / name for name in _names()]),
        derived.LITERALS: derived.shipment(rules.rulebook.expressions),
    }


def packs() -> dict[str, str]:
    """The packs of patterns that logrules ships: file name to text."""
    return {name: _text(name) for name in _names()}


def _names() -> list[str]:
    return sorted(each.name for each in _PACKS.glob("*.toml") if each.name != CODES)


@cache
def known() -> Known:
    """What logrules ships, for packs to refer to."""
    shipped = _shipped_codes()
    names = {pattern.rule for each in _shipped_patterns() for pattern in each.patterns}
    return Known(
        {name: codes.over({}, table) for name, table in shipped.codes.items()}, shipped.how.keys(), names
    )


def laid(own: Sequence[Pack]) -> Rules:
    """Our codes and ways with the user's upon them, which are sound; the pack in front goes last."""
    tables: dict[str, codes.Table] = {}
    ways: dict[str, Mapping[str, codes.Text]] = {}
    for each in (_shipped_codes(), *reversed(own)):
        for name, table in each.codes.items():
            tables[name] = codes.over(tables.get(name, {}), table)
        for name, table in each.how.items():
            ways[name] = {**ways.get(name, {}), **codes.ways(table)}
    return Rules({name: codes.built(name, table) for name, table in tables.items()}, ways, own)


rules = laid(())


def extended(own: Mapping[str, str]) -> Rules:
    """The rules with packs of the user's own (file name to text), the one that goes first in front.

    Raises PackError.
    """
    read = [pack.load(text, name) for name, text in own.items() if text.strip()]
    if not read:
        return rules
    for each in read:
        pack.refuse(pack.lint(each, known(), read))
    return laid(read)


@cache
def rulebook() -> Rulebook:
    """How the codes that logrules ships look in a log, with the samples of each."""
    ours = (pack.shipped(pack.document(_text(name), samples=True), name) for name in _names())
    return _book(rules.specs, [pattern for each in ours for pattern in each.patterns])


def _book(specs: Mapping[str, codes.Code], patterns: Sequence[Pattern]) -> Rulebook:
    # Here, because it costs 70 ms: what recognises logs is nothing to who wants to know what codes mean.
    from logrules import derived
    from logrules.core.ruleset.rulebook import Rulebook

    return Rulebook(specs, patterns, derived.needs, derived.Databases())
