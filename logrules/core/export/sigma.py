"""Sigma rules for raw logs: what a search engine can be told of our codes.

https://sigmahq.io/sigma-specification/. Sigma knows words and expressions in a line, not where a record
begins nor who speaks in it: these rules find what a search finds, quotations and chat messages included.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from logrules.core.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from logrules.core.ruleset.codes import Code
    from logrules.core.ruleset.patterns import Pattern

_LEVELS = {
    Severity.DEBUG: "informational",
    Severity.INFO: "informational",
    Severity.WARNING: "medium",
    Severity.ERROR: "high",
    Severity.CRITICAL: "critical",
}
_FALSE = {
    "en": "Somebody quotes the words, as in a chat that the bot logs. `logrules scan` tells them apart.",
    "ru": "Эти слова кто-то цитирует, например в чате, который бот пишет в лог. `logrules scan` отличит.",
}


def rules(code: Code, patterns: Sequence[Pattern], lang: str, *, counted: bool) -> Iterator[dict[str, Any]]:
    """The rule of one code.

    Args:
        code: The code.
        patterns: How it looks, for a code that names no words to search for.
        lang: The language of the texts.
        counted: Whether one that counts goes with it, where a single sighting is no incident.
    """
    name = f"logrules_{code.code.lower()}"
    yield {
        "title": _title(code, lang),
        "id": _id(code.code),
        "name": name,
        "status": "experimental",
        "description": f"{code.summary[lang]}\n{code.remediation_lines(lang)}",
        "author": "logrules",
        "logsource": {"category": "application"},
        "detection": _detection(code, patterns),
        "falsepositives": [_FALSE[lang]],
        "level": "low" if code.confirm else _LEVELS[code.severity],
    }
    if counted and code.confirm:
        minutes = max(1, round(code.confirm.within / 60))
        yield {
            "title": f"{_title(code, lang)}, {code.confirm.count} in {minutes} min",
            "id": _id(f"{code.code} counted"),
            "status": "experimental",
            "author": "logrules",
            "correlation": {
                "type": "event_count",
                "rules": [name],
                "timespan": f"{minutes}m",
                "condition": {"gte": code.confirm.count},
            },
            "level": _LEVELS[code.severity],
        }


def _detection(code: Code, patterns: Sequence[Pattern]) -> dict[str, Any]:
    words = [f'"code":"{code.code}"', *code.search]
    found: dict[str, Any] = {"keywords": [_literal(each) for each in words]}
    expressions = [] if code.search else [each for pattern in patterns for each in pattern.any]
    if expressions:
        found["patterns"] = {"|re": expressions}
    return {**found, "condition": " or ".join(found)}


def _title(code: Code, lang: str) -> str:
    """Of at most 256 characters, as the specification wants it."""
    return f"{code.alert.title[lang] if code.alert else code.summary[lang]}"[:200] + f" ({code.code})"


def _id(name: str) -> str:
    """The same on every machine: whoever has imported a rule updates it."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"logrules {name}"))


def _literal(text: str) -> str:
    r"""`text` without wildcards; a backslash counts only before one, or before another."""
    return text.replace("\\", "\\\\").replace("*", r"\*").replace("?", r"\?")
