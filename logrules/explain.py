"""`logrules explain` and `logrules codes`: what a code or a line means, for people and as JSON."""

from __future__ import annotations

import difflib
import json
import os
from typing import TYPE_CHECKING, Any

from logrules.core.codes import CODE
from logrules.core.engine import classify
from logrules.core.model import Exit, LogrulesError, Sign
from logrules.core.redact import Redactor, secrets_in
from logrules.core.text import printable
from logrules.rules import rulebook, rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from logrules.core.model import Match
    from logrules.rules import Rule

_SIGNS = {
    Sign.BAD: {"en": "Bad signs", "ru": "Плохие признаки"},
    Sign.WARN: {"en": "Warnings", "ru": "Предупреждения"},
    Sign.INFO: {"en": "For information", "ru": "К сведению"},
    Sign.GOOD: {"en": "Good signs", "ru": "Хорошие признаки"},
}
_SAYS = {
    "todo": {"en": "What to do:", "ru": "Что делать:"},
    "exit": {"en": "Exit status when we end it:", "ru": "Код выхода, когда завершаем мы:"},
    "alert": {"en": "Alert:", "ru": "Оповещение:"},
    "nobody": {"en": "nobody is woken", "ru": "никого не будит"},
    "repeat": {"en": "repeated every", "ru": "повтор каждые"},
    "fatal": {"en": "needs an operator or a restart", "ru": "само не пройдёт: нужен человек или перезапуск"},
    "heals": {"en": "heals by itself, or needs no one", "ru": "проходит само или никого не требует"},
    "reasons": {"en": "Told apart:", "ru": "Различаем причины:"},
    "says": {"en": "The log says:", "ru": "В журнале:"},
    "nothing": {
        "en": "This line says nothing that logrules knows. `logrules codes` lists what it does know.",
        "ru": "В этой строке нет ничего знакомого logrules. Что ему знакомо: `logrules codes`.",
    },
}  # fmt: skip


def explain(words: str, packs: Mapping[str, str], *, lang: str, as_json: bool) -> int:
    """Explain a code or a raw text. A text that says nothing is no error; an unknown code is."""
    known = rules.speak(lang)
    name = words.strip().upper()
    if name in known:
        _show(known[name], None, as_json=as_json)
    elif CODE.match(words.strip()) or ("_" in name and CODE.match(name)):
        close = difflib.get_close_matches(name, list(known), 3)
        hint = f"Did you mean {', '.join(close)}?" if close else "`logrules codes` lists them all."
        raise LogrulesError(f"there is no code {words.strip()}. {hint}")
    else:
        matches = classify(rulebook(packs), words)
        redact = Redactor(secrets_in(os.environ))
        for match in matches:
            _show(known[match.code].why(match.reason), match, redact(match.message), as_json=as_json)
        if not matches and not as_json:
            print(_SAYS["nothing"][lang])
    return Exit.OK


def codes(*, lang: str, as_json: bool) -> int:
    """List every code, the bad signs first."""
    known = rules.speak(lang)
    for sign, title in _SIGNS.items():
        listed = sorted((rule for rule in known.values() if rule.sign is sign), key=lambda rule: rule.code)
        if as_json:
            for rule in listed:
                _write(as_dict(rule))
            continue
        print(f"{title[lang]}:")
        for rule in listed:
            print(f"  {rule.code:<24} {rule.summary}")
        print()
    return Exit.OK


def as_dict(rule: Rule) -> dict[str, Any]:
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
        "remediation": rule.remediation,
        "steps": rule.steps,
        "reasons": {reason: as_dict(why) for reason, why in rule.reasons.items()},
    }


def _show(rule: Rule, match: Match | None, message: str = "", *, as_json: bool) -> None:
    if as_json:
        _write({**as_dict(rule), **(_said(match, message) if match else {})})
        return
    lang = rule.lang
    reason = f" ({match.reason})" if match and match.reason else ""
    fatal = match.fatal if match else rule.fatal
    print(f"{rule.code}{reason}: {rule.summary}")
    if match:
        print(f"{_SAYS['says'][lang]} {printable(message)}")
    print(f"[{rule.sign}, {rule.severity}; {_SAYS['fatal' if fatal else 'heals'][lang]}]")
    print(f"\n{_SAYS['todo'][lang]}")
    for number, step in enumerate(rule.steps, 1):
        print(f"  {number}. {step}")
    print()
    if rule.exit is not None:
        print(f"{_SAYS['exit'][lang]} {int(rule.exit)}")
    print(f"{_SAYS['alert'][lang]} {_alert(rule)}")
    if rule.reasons and not match:
        print(f"\n{_SAYS['reasons'][lang]}")
        for name, why in rule.reasons.items():
            print(f"  {name}: {why.summary}")


def _alert(rule: Rule) -> str:
    if not rule.alert:
        return _SAYS["nobody"][rule.lang]
    hours = f"{rule.alert.repeat / 3600:g} h"
    return f"{rule.alert.level}, {_SAYS['repeat'][rule.lang]} {hours}: {rule.alert.title[rule.lang]}"


def _said(match: Match, message: str) -> dict[str, Any]:
    """What a line adds to its code."""
    own = {"reason": match.reason, "message": message, "line": match.line, "rule": match.rule}
    return {**own, "fatal": match.fatal}


def _write(plain: dict[str, Any]) -> None:
    print(json.dumps(plain, ensure_ascii=False))
