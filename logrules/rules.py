"""The rules as people use them.

    >>> from logrules.rules import rules
    >>> rules["CONFLICT_409"].exit
    <Exit.TEMPFAIL: 75>

`rules[CODE].remediation`, `.summary`, `.alert`, `.exit` and `.reasons` speak the operator's language:
LOGRULES_LANG, else LANG, else English.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources

from logrules.core import codes, patterns
from logrules.core.model import Exit, Severity, Sign
from logrules.core.rulebook import Rulebook

__all__ = ["Rule", "Rules", "language", "packs", "rulebook", "rules"]


def language(environ: Mapping[str, str] = os.environ) -> str:
    """`ru` or `en`, from LOGRULES_LANG, else LANG."""
    wanted = environ.get("LOGRULES_LANG") or environ.get("LANG") or ""
    return "ru" if wanted.lower().startswith("ru") else "en"


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
    def steps(self) -> list[str]:
        """What to do, step by step."""
        return self.spec.steps[self.lang]

    @property
    def remediation(self) -> str:
        """What to do, as one text."""
        return self.spec.steps.joined(self.lang)

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
    """Every code that logrules knows."""

    def __init__(self, specs: Mapping[str, codes.Code], lang: str | None = None) -> None:
        self.specs = specs
        self.lang = lang

    def __getitem__(self, code: str) -> Rule:
        return Rule(self.specs[code], self.lang or language())

    def __iter__(self) -> Iterator[str]:
        return iter(self.specs)

    def __len__(self) -> int:
        return len(self.specs)

    def speak(self, lang: str) -> Rules:
        """The same rules in `lang`, whatever the environment says."""
        return Rules(self.specs, lang)


@cache
def _shipped() -> Mapping[str, codes.Code]:
    text = resources.files("logrules.packs").joinpath("codes.toml").read_text("utf-8")
    return codes.load(text, "codes.toml")


rules = Rules(_shipped())


def packs() -> dict[str, str]:
    """The packs of patterns that logrules ships: file name to text."""
    folder = resources.files("logrules.packs")
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".toml"))
    return {name: folder.joinpath(name).read_text("utf-8") for name in names if name != "codes.toml"}


def rulebook(extra: Mapping[str, str] | None = None) -> Rulebook:
    """The codes and patterns that logrules ships, and packs of the user's own (file name to text).

    Raises PackError.
    """
    return _extended(extra) if extra else _shipped_book()


@cache
def _shipped_book() -> Rulebook:
    return _extended({})


def _extended(extra: Mapping[str, str]) -> Rulebook:
    own = [pattern for name, text in extra.items() for pattern in patterns.sound(text, name, rules.specs)]
    ours = [pattern for name, text in packs().items() for pattern in patterns.load(text, name)]
    return Rulebook(rules.specs, [*own, *ours])
