"""`logrules explain` and `logrules codes`: what a code or a line means, for people and as JSON."""

from __future__ import annotations

import difflib
import json
import os
from typing import TYPE_CHECKING, Any

from logrules.commands.words import LONGEST, meant
from logrules.core.engine import classify
from logrules.core.model import Exit, LogrulesError, Sign
from logrules.core.redact import Redactor, secrets_in
from logrules.core.ruleset.codes import CODE
from logrules.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from logrules.core.match import Match
    from logrules.page import Page
    from logrules.rules import Rule, Rules

OFFERED = 5
"""Codes that are named for words that are none."""
_SIGNS = {
    Sign.BAD: {"en": "Bad signs", "ru": "Плохие признаки"},
    Sign.WARN: {"en": "Warnings", "ru": "Предупреждения"},
    Sign.INFO: {"en": "For information", "ru": "К сведению"},
    Sign.GOOD: {"en": "Good signs", "ru": "Хорошие признаки"},
}
_SAYS = {
    "what": {"en": "What happened", "ru": "Что случилось"},
    "says": {"en": "The log says", "ru": "В логе"},
    "check": {"en": "How to make sure", "ru": "Как убедиться"},
    "todo": {"en": "What to do", "ru": "Что делать"},
    "avoid": {"en": "What not to do", "ru": "Чего не делать"},
    "how": {"en": "Where your bot runs", "ru": "Там, где работает ваш бот"},
    "reasons": {"en": "Told apart", "ru": "Различаем причины"},
    "more": {"en": "And what else", "ru": "И ещё"},
    "exit": {"en": "Exit status when we end it: {}", "ru": "Код выхода, когда завершаем мы: {}"},
    "nobody": {"en": "Wakes nobody.", "ru": "Никого не будит."},
    "alert": {"en": "Alert ({}, again every {:g} h): {}", "ru": "Оповещение ({}, повтор каждые {:g} ч): {}"},
    "search": {"en": "In a raw log search for: {}", "ru": "В сыром логе ищите: {}"},
    "fatal": {"en": "needs you or a restart", "ru": "само не пройдёт"},
    "heals": {"en": "heals by itself, or needs no one", "ru": "проходит само или никого не требует"},
    "times": {"en": "seen {} times", "ru": "замечено раз: {}"},
    "meant": {
        "en": "logrules knows no log line like this. Did you mean one of these codes?",
        "ru": "Такой строки лога logrules не знает. Может быть, нужен один из этих кодов?",
    },
    "explain": {"en": "More: `logrules explain CODE`", "ru": "Подробнее: `logrules explain CODE`"},
    "nothing": {
        "en": "This says nothing that logrules knows. `logrules codes` lists what it does know.",
        "ru": "Здесь нет ничего знакомого logrules. Что ему знакомо: `logrules codes`.",
    },
}  # fmt: skip


def explain(words: Sequence[str], known: Rules, *, as_json: bool, platform: str | None = None) -> int:
    """Explain codes, or a raw text. A text that says nothing is no error; an unknown code is.

    People are offered the codes that a few words or a number may mean.

    Args:
        words: Codes, or the words of a text.
        known: The rules, in the language to speak.
        as_json: One object per line, for programs.
        platform: Where the bot runs: only this platform's ways are shown. None: all of them.
    """
    if not "".join(words).strip():
        raise LogrulesError(
            "there is nothing to explain: give a code, such as CONFLICT_409 (logrules codes lists them), "
            "or a line of a log in quotes"
        )
    asked = _codes(words, known)
    if asked:
        _show([(known[code], None, 1) for code in asked], known, as_json=as_json, platform=platform)
        return Exit.OK
    text = " ".join(words)
    matches = classify(known.rulebook, text)
    found = [(known[match.code].why(match.reason), match) for match in matches]
    if as_json:
        shown = [(rule, match, 1) for rule, match in found]
    else:  # people read a page once
        first = {(match.code, match.reason): (rule, match) for rule, match in reversed(found)}
        times = [(match.code, match.reason) for match in matches]
        shown = [(*first[key], times.count(key)) for key in dict.fromkeys(times)]
    offered = [] if found or as_json or len(text) > LONGEST else meant(text, known)
    if offered:
        _offer(offered, known)
    else:
        _show(shown, known, as_json=as_json, platform=platform)
    return Exit.OK


def _offer(offered: Sequence[str], known: Rules) -> None:
    from logrules.page import Page

    page = Page()
    page.say(_SAYS["meant"][known.lang], indent=0)
    _list(known[code] for code in offered[:OFFERED])
    page.say(_SAYS["explain"][known.lang], indent=0)


def _codes(words: Sequence[str], known: Rules) -> list[str]:
    """The codes that the words are; none if they are a text. Raises LogrulesError for one that is unknown."""
    names = [name.strip(",;") for word in words for name in word.split() if name.strip(",;")]
    if not all(name.upper() in known or CODE.match(name) or _is_meant(name) for name in names):
        return []
    return list(dict.fromkeys(named(name, known) for name in names))


def named(name: str, known: Rules) -> str:
    """The code that somebody has named. Raises LogrulesError, with what was perhaps meant."""
    if name.upper() not in known:
        close = difflib.get_close_matches(name.upper(), list(known), 3) or meant(name, known)[:3]
        hint = f"Did you mean {' or '.join(close)}?" if close else "`logrules codes` lists them all."
        raise LogrulesError(f"there is no code {name}. {hint}")
    return name.upper()


def _is_meant(name: str) -> bool:
    return "_" in name and bool(CODE.match(name.upper()))


def codes(known: Rules, *, as_json: bool) -> int:
    """List every code, the bad signs first."""
    for sign, title in _SIGNS.items():
        listed = sorted((rule for rule in known.values() if rule.sign is sign), key=lambda rule: rule.code)
        if as_json:
            for rule in listed:
                _write(as_dict(rule, known))
            continue
        print(f"{title[known.lang]}:")
        _list(listed)
        print()
    return Exit.OK


def _list(listed: Iterable[Rule]) -> None:
    for rule in listed:
        print(printable(f"  {rule.code:<24} {rule.headline}"))


def as_dict(rule: Rule, known: Rules) -> dict[str, Any]:
    """Everything that is said of a code, in the rule's language."""
    alert = rule.alert
    return {
        "code": rule.code,
        "sign": rule.sign,
        "level": rule.severity,
        "fatal": rule.fatal,
        "exit": rule.exit,
        "alert": alert and {"level": alert.level, "title": alert.title[rule.lang], "repeat": alert.repeat},
        "summary": rule.summary,
        "check": rule.check,
        "remediation": rule.remediation,
        "steps": rule.steps,
        "avoid": rule.avoid,
        "how": {
            name: {platform: text[rule.lang] for platform, text in known.ways[name].items()}
            for name in rule.spec.how
        },
        "search": rule.spec.search,
        "reasons": {reason: as_dict(why, known) for reason, why in rule.reasons.items()},
    }


def _show(
    shown: Sequence[tuple[Rule, Match | None, int]],
    known: Rules,
    *,
    as_json: bool,
    platform: str | None,
) -> None:
    redact = Redactor(secrets_in(os.environ))
    if as_json:
        for rule, match, _ in shown:
            _write({**as_dict(rule, known), **(_said(match, redact(match.message)) if match else {})})
        return
    from logrules.page import Page

    page = Page()
    if not shown:
        page.say(_SAYS["nothing"][known.lang], indent=0)
    for number, (rule, match, times) in enumerate(shown):
        if number:
            page.blank()
        _page(page, rule, match, times, redact)
        _ways(page, rule, known, platform)
        _rest(page, rule, match)


def _page(page: Page, rule: Rule, match: Match | None, times: int, redact: Redactor) -> None:
    """What happened and what to do."""

    def say(key: str) -> str:
        return _SAYS[key][rule.lang]

    fatal = match.fatal if match else rule.fatal
    page.title(
        rule.sign,
        rule.code,
        (f" ({match.reason})" if match and match.reason else "", "not bold"),
        (f"  {say('times').format(times)}" if times > 1 else "", "default not bold"),
    )
    page.say(f"{rule.severity}, {say('fatal' if fatal else 'heals')}", style="dim")
    if match:
        page.head(say("says"))
        page.quote(redact(match.message))
    page.head(say("what"))
    page.say(rule.summary)
    if rule.check:
        page.head(say("check"))
        page.steps(rule.check, numbered=False)
    page.head(say("todo"))
    page.steps(rule.steps, numbered=len(rule.steps) > 1)
    if rule.avoid:
        page.head(say("avoid"))
        page.warnings(rule.avoid)


def _ways(page: Page, rule: Rule, known: Rules, platform: str | None) -> None:
    """How it is done on each platform, or on the one where the bot runs."""
    ways = {name: known.ways[name] for name in rule.spec.how}
    if not ways:
        return
    page.head(_SAYS["how"][rule.lang])
    for number, way in enumerate(ways.values()):
        there = {name: text for name, text in way.items() if name != "title" and platform in (None, name)}
        if number:
            page.blank()
        if there:
            page.say(way["title"][rule.lang])
            page.ways(there, rule.lang, indent=4)


def _rest(page: Page, rule: Rule, match: Match | None) -> None:
    """What programs do about it."""

    def say(key: str) -> str:
        return _SAYS[key][rule.lang]

    if rule.reasons and not match:
        page.head(say("reasons"))
        for name, why in rule.reasons.items():
            page.say(f"{name}: {why.summary}")
    page.head(say("more"))
    alert = rule.alert
    told = alert and say("alert").format(alert.level, alert.repeat / 3600, alert.title[rule.lang])
    page.say(told or say("nobody"))
    if rule.exit is not None:
        page.say(say("exit").format(int(rule.exit)))
    if rule.spec.search:
        page.say(say("search").format(", ".join(f"`{words}`" for words in rule.spec.search)))


def _said(match: Match, message: str) -> dict[str, Any]:
    """What a line adds to its code."""
    own = {"reason": match.reason, "message": message, "line": match.line, "rule": match.rule}
    return {**own, "fatal": match.fatal}


def _write(plain: dict[str, Any]) -> None:
    print(json.dumps(plain, ensure_ascii=False))
