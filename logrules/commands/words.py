"""Codes by what people type where one is asked for: a word, a number, a part of an error."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from logrules.core.model import Sign
from logrules.core.ruleset.codes import LANGUAGES
from logrules.rules import rulebook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from logrules.rules import Rule, Rules

LONGEST = 256
"""Characters of a query; an inline one of Telegram has no more."""
SHORTEST = 3
"""Letters of a word that is looked for in the names of codes."""
_ENDING = re.compile(r"(?<=[а-яё]{3})[аеёиоуыэюяйь]{1,2}$")


def meant(query: str, known: Rules, stated: Sequence[str] = (), *, logs: bool = True) -> list[str]:
    """Codes that a query may mean, the likeliest first.

    Args:
        query: Words in either language; what is more than LONGEST is left out.
        known: The rules, in the language that goes first.
        stated: Codes that the query states as a line of a log.
        logs: Whether words that stand in logs only count, too.

    Returns:
        What it states, then by name, then by what is said of them; else those whose logs have its words.
    """
    query = query[:LONGEST].strip()
    by_urgency = sorted(
        known.values(), key=lambda rule: (-list(Sign).index(rule.sign), not rule.fatal, rule.code)
    )
    found = list(stated)
    name = re.sub(r"\W+", "_", query).strip("_").upper()
    if len(name) >= SHORTEST or not query:
        found += [rule.code for rule in by_urgency if name in rule.code]
    words = [_ENDING.sub("", word) for word in query.lower().split()]
    for lang in sorted(LANGUAGES, key=lambda lang: lang != known.lang):
        spoken = known.speak(lang)
        said = {code: _said_of(rule) for code, rule in spoken.items()}
        found += [rule.code for rule in by_urgency if all(word in said[rule.code] for word in words)]
    return list(dict.fromkeys(found or (_met_in_logs(words) if logs else ())))


def _said_of(rule: Rule) -> str:
    """The words in which a language speaks of a code."""
    reasons = [each.summary for each in rule.reasons.values()]
    title = rule.alert.title[rule.lang] if rule.alert else ""
    return " ".join([rule.code, rule.summary, *reasons, title]).lower()


def _met_in_logs(words: Sequence[str]) -> list[str]:
    """Codes that stand for log lines with all these words, the likeliest first."""
    met = {code: sum(all(word in line for word in words) for line in said) for code, said in _logs().items()}
    return sorted((code for code in met if met[code]), key=lambda code: -met[code])


@cache
def _logs() -> dict[str, list[str]]:
    """By code, lines of logs in which it is met."""
    said: dict[str, list[str]] = {}
    for pattern in rulebook().patterns:
        said.setdefault(pattern.code, []).extend(line.lower() for line in pattern.match)
    return said
