"""What to type into the search of a platform's log, for every code."""

from __future__ import annotations

from logrules.core.model import Sign
from logrules.rules import rules

HEADS = {
    "en": "| | Search | `level` | What happened | Without logrules, in the raw log |",
    "ru": "| | Поиск | `level` | Что случилось | Без logrules, в сыром логе |",
}
MARKS = {Sign.BAD: "❌", Sign.WARN: "⚠️", Sign.INFO: "ℹ️", Sign.GOOD: "✅"}


def searches(lang: str) -> str:
    """The table of searches, the bad signs first."""
    known = rules.speak(lang)
    rows = [
        f"| {mark} | `{code}` | {rule.severity} | [{rule.headline}](codes/{lang}/{code}.md) | "
        f"{', '.join(f'`{words}`' for words in rule.spec.search)} |"
        for sign, mark in MARKS.items()
        for code, rule in known.items()
        if rule.sign is sign
    ]
    return "\n".join([HEADS[lang], "|---|---|---|---|---|", *rows])
