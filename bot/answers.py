"""What the bot answers, as Telegram HTML: text and language in, text out. Knows no Telegram object."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from html import escape
from typing import TYPE_CHECKING

from bot.texts import language, texts
from logrules.core.engine import classify
from logrules.core.model import Sign
from logrules.rules import Rule, rulebook, rules

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMIT = 4096
"""The longest message that Telegram takes, in characters after entities are parsed."""
SHOWN = 3
"""Findings in one answer: more than a screen of a phone helps nobody."""
MARKS = {Sign.GOOD: "✅", Sign.INFO: "ℹ️", Sign.WARN: "⚠️", Sign.BAD: "❌"}


def log(text: str, lang: str | None) -> str:
    """What a pasted log says and what to do about it, the worst first."""
    say = texts(lang)
    found = Counter((match.code, match.reason) for match in classify(rulebook(), text))
    if not found:
        return say.nothing_found
    known = rules.speak(language(lang))
    ordered = sorted(found, key=lambda key: -list(Sign).index(known[key[0]].sign))
    parts = [_finding(known[code].why(reason), found[code, reason], lang) for code, reason in ordered]
    if len(parts) > SHOWN:
        parts[SHOWN:] = [say.more.format(count=len(parts) - SHOWN)]
    return _fitting(parts)


def explain(code: str, lang: str | None) -> str:
    """What a code means and what to do about it; near misses get suggestions."""
    say = texts(lang)
    wanted = code.strip().upper()
    if not wanted:
        return say.explain_usage
    known = rules.speak(language(lang))
    if wanted in known:
        rule = known[wanted]
        return _fitting([_finding(rule, 1, lang), *_reasons(rule)])
    near = " / ".join(f"<code>{name}</code>" for name in get_close_matches(wanted, known, n=3))
    unknown = say.unknown_code.format(code=escape(wanted[:48]))
    return f"{unknown} {say.did_you_mean.format(codes=near)}" if near else f"{unknown}\n{say.explain_usage}"


def codes(lang: str | None) -> str:
    """Every code, grouped by what kind of sign it is, the bad ones first."""
    groups: dict[Sign, list[str]] = {sign: [] for sign in reversed(Sign)}
    for code, rule in rules.items():
        groups[rule.sign].append(f"<code>{code}</code>")
    lines = (f"{MARKS[sign]} {', '.join(sorted(names))}" for sign, names in groups.items() if names)
    return texts(lang).codes.format(codes="\n".join(lines))


def _finding(rule: Rule, count: int, lang: str | None) -> str:
    say = texts(lang)
    often = f" · {say.times.format(count=count)}" if count > 1 else ""
    steps = "\n".join(
        [
            *(f"{number}. {escape(step)}" for number, step in enumerate(rule.steps, 1)),
            *map(escape, rule.avoid),
        ]
    )
    return (
        f"{MARKS[rule.sign]} <b>{rule.code}</b>{often}\n{escape(rule.summary)}\n\n"
        f"<b>{say.what_to_do}</b>\n{steps}"
    )


def _reasons(rule: Rule) -> Iterable[str]:
    for reason, its in rule.reasons.items():
        yield f"<b>{reason}</b>: {escape(its.summary)}"


def _fitting(parts: list[str]) -> str:
    """As many whole parts as one message takes: half a part could end inside a tag."""
    answer = parts[0]
    for part in parts[1:]:
        if len(answer) + len(part) + 2 > LIMIT:
            break
        answer += "\n\n" + part
    return answer
