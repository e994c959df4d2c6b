"""What a check has found: pure, and told in any language."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from logrules.core.model import Exit
from logrules.core.text import span
from logrules.doctor.says import SAYS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from logrules.core.model import ConfigError
    from logrules.rules import Rule, Rules

_DURATIONS = frozenset({"held", "silent", "off"})
"""Attributes that are seconds, and are said as people say them."""


class State(StrEnum):
    """How it stands with what was looked at, the worst first."""

    BAD = "bad"
    """It keeps the bot from working."""
    WARN = "warn"
    """The bot works, or will soon; something else does not."""
    OK = "ok"
    SKIPPED = "skipped"
    """Not looked at, and why."""


class Finding(NamedTuple):
    """One thing that a check has to say."""

    name: str
    """Of its table in says.toml, for programs."""
    area: str
    state: State
    code: str | None
    reason: str | None
    attrs: dict[str, Any]

    def message(self, lang: str) -> str:
        """What was found, in one sentence."""
        said = self.said(lang).items()
        told = {name: span(value, lang) if name in _DURATIONS else value for name, value in said}
        return SAYS[self.name].text[lang].format_map(told)

    def said(self, lang: str) -> dict[str, Any]:
        """Its attributes, those that are sentences in one language."""
        return {name: value[lang] if isinstance(value, dict) else value for name, value in self.attrs.items()}

    def rule(self, known: Rules) -> Rule | None:
        """What its code means, and leads to."""
        return known[self.code].why(self.reason) if self.code else None

    def steps(self, known: Rules) -> list[str]:
        """What to do: all of it where the bot cannot work, else where to begin; or what says.toml picks."""
        rule, row = self.rule(known), SAYS[self.name]
        if rule is None:
            return []
        if self.name.startswith("away.") and self.area != row.area:
            return []  # they are Telegram's
        usual = range(1, 1 + (len(rule.steps) if self.state is State.BAD else 1))
        steps = [rule.steps[number - 1] for number in (usual if row.steps is None else row.steps)]
        return [step.replace("<pid>", str(self.attrs.get("pid", "<pid>"))) for step in steps]


def found(name: str, /, *, area: str = "", state: str = "", **attrs: Any) -> Finding:
    """The finding with this name; `area` and `state` where they are not the usual ones."""
    row = SAYS[name]
    return Finding(name, area or row.area, State(state or row.state), row.code, row.reason, attrs)


def spoken(error: ConfigError) -> dict[str, str]:
    """What is wrong with a setting, by language: for an attribute."""
    return {lang: error.said(lang) for lang in ("en", "ru")}


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """What keeps the bot from working first; else in the order of a start."""
    states = list(State)
    return sorted(findings, key=lambda each: states.index(each.state))


def status(findings: Iterable[Finding], known: Rules) -> int:
    """The exit status of the worst finding: its code's, or 69 where the code has none of its own."""
    for each in ordered(findings):
        if each.state is State.BAD:
            rule = each.rule(known)
            return (rule.exit if rule else None) or Exit.UNAVAILABLE
    return Exit.OK


def as_dict(finding: Finding, known: Rules) -> dict[str, Any]:
    """A finding for programs."""
    rule = finding.rule(known)
    return {
        "check": finding.area,
        "state": finding.state,
        "finding": finding.name,
        "code": finding.code,
        "reason": finding.reason,
        "message": finding.message(known.lang),
        "remediation": rule.remediation if rule else None,
        "attrs": finding.said(known.lang),
    }
