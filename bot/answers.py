"""What the bot answers, as Telegram HTML with buttons. Knows no Telegram object."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from difflib import get_close_matches
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from bot.texts import language, other, texts
from logrules.core.engine import classify
from logrules.core.model import Sign
from logrules.rules import Rule, rulebook, rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bot.reading import Finding, Reading

LIMIT = 4096
"""The longest message that Telegram takes, in characters after entities are parsed."""
DATA = 64
"""The longest callback data, in bytes: https://core.telegram.org/bots/api#inlinekeyboardbutton"""
SUGGESTED = 10
"""Codes that inline mode offers."""
QUERY = 256
"""The longest inline query."""
STEPS = 3
"""Steps that stand in the short form: the likeliest come first."""
MARKS = {Sign.GOOD: "✅", Sign.INFO: "ℹ️", Sign.WARN: "⚠️", Sign.BAD: "❌"}
_CODE = re.compile(r"`([^`]+)`")


class Button(NamedTuple):
    """One inline button."""

    label: str
    data: str


class Page(NamedTuple):
    """A message."""

    html: str
    rows: tuple[tuple[Button, ...], ...] = ()


class Suggestion(NamedTuple):
    """One result of inline mode."""

    code: str
    title: str
    description: str
    page: Page


def log(
    reading: Reading, lang: str | None, at: int = 0, *, detailed: bool = False, deletable: bool = False
) -> Page:
    """What a log says and what to do about it: one finding at a time, the one that needs somebody first."""
    say, lang = texts(lang), language(lang)
    parts = [_leak(reading.leaks, lang)] if reading.leaks else []
    rows: list[tuple[Button, ...]] = []
    if reading.findings:
        at %= len(reading.findings)
        parts += _finding(reading, at, lang, detailed=detailed)
        rows.append(_turning(reading, at, lang, detailed=detailed))
        rows.append((Button(say.other_language, _data(at, other(lang), detailed=detailed)),))
    elif not reading.leaks:
        parts.append(say.nothing_found)
    if reading.cut_short:
        parts.append(say.cut_short.format(size=100))
    if reading.skipped:
        parts.append(say.skipped.format(count=reading.skipped))
    if reading.leaks and deletable:
        rows.insert(0, (Button(say.delete, f"x:{lang}"),))
    return Page(_fitting(parts), tuple(rows))


def explain(code: str, lang: str | None, *, detailed: bool = False) -> Page:
    """What a code means and what to do about it; near misses get suggestions."""
    say, lang = texts(lang), language(lang)
    wanted = code.strip().upper()
    if not wanted:
        return Page(say.explain_usage)
    known = rules.speak(lang)
    if wanted in known:
        rule = known[wanted]
        parts = [
            f"{MARKS[rule.sign]} <b>{rule.code}</b>\n{_text(rule.summary)}",
            *_steps(rule, detailed=detailed),
        ]
        if detailed:
            parts += [*_details(rule), *_reasons(rule)]
        fold = Button(say.less if detailed else say.more, f"e:{wanted}:{'s' if detailed else 'd'}:{lang}")
        turn = Button(say.other_language, f"e:{wanted}:{'d' if detailed else 's'}:{other(lang)}")
        return Page(_fitting(parts), ((fold, turn),))
    near = " / ".join(f"<code>{name}</code>" for name in get_close_matches(wanted, known, n=3))
    unknown = say.unknown_code.format(code=escape(wanted[:48]))
    return Page(
        f"{unknown} {say.did_you_mean.format(codes=near)}" if near else f"{unknown}\n{say.explain_usage}"
    )


def codes(lang: str | None) -> Page:
    """Every code, grouped by what kind of sign it is, the bad ones first."""
    groups: dict[Sign, list[str]] = {sign: [] for sign in reversed(Sign)}
    for code, rule in rules.items():
        groups[rule.sign].append(f"<code>{code}</code>")
    lines = (f"{MARKS[sign]} {', '.join(sorted(names))}" for sign, names in groups.items() if names)
    return Page(texts(lang).codes.format(codes="\n".join(lines)))


def suggestions(query: str, lang: str | None) -> list[Suggestion]:
    """What inline mode offers for some words, a number, or an error: at most SUGGESTED."""
    known = rules.speak(language(lang))
    found = dict.fromkeys(_meant(query[:QUERY].strip(), known.values()))
    return [
        Suggestion(code, f"{MARKS[known[code].sign]} {code}", known[code].headline, explain(code, lang))
        for code in list(found)[:SUGGESTED]
    ]


def _meant(query: str, known: Iterable[Rule]) -> Iterator[str]:
    """Codes: of the error itself, then by name, then by what their texts say."""
    by_urgency = sorted(known, key=lambda rule: (-list(Sign).index(rule.sign), not rule.fatal, rule.code))
    yield from (match.code for match in classify(rulebook(), query))
    name = re.sub(r"\W+", "_", query).upper()
    yield from (rule.code for rule in by_urgency if name in rule.code)
    words = query.lower().split()
    for rule in by_urgency:
        said = f"{rule.code} {rule.summary} {' '.join(rule.spec.search)}".lower()
        if all(word in said for word in words):
            yield rule.code


def _leak(leaks: Sequence[str], lang: str) -> str:
    say = texts(lang)
    what = ", ".join(say.leaks[kind] for kind in leaks)
    return say.leak.format(what=what, advice=say.leak_advice[leaks[0]])


def _turning(reading: Reading, at: int, lang: str, *, detailed: bool) -> tuple[Button, ...]:
    say = texts(lang)
    buttons = [Button(say.less if detailed else say.more, _data(at, lang, detailed=not detailed))]
    if len(reading.findings) > 1:
        after = (at + 1) % len(reading.findings)
        label = say.next.format(code=reading.findings[after].code)
        buttons.append(Button(label, _data(after, lang, detailed=False)))
    return tuple(buttons)


def _data(at: int, lang: str, *, detailed: bool) -> str:
    return f"a:{at}:{'d' if detailed else 's'}:{lang}"


def _finding(reading: Reading, at: int, lang: str, *, detailed: bool) -> list[str]:
    """What happened, how often, when; what to do; if wanted, the rest."""
    say, found = texts(lang), reading.findings[at]
    rule = rules.speak(lang)[found.code].why(found.reason)
    head = [f"{MARKS[rule.sign]} <b>{found.code}</b>"]
    if found.times > 1:
        head.append(say.times.format(count=found.times))
    if len(reading.findings) > 1:
        head.append(say.position.format(number=at + 1, count=len(reading.findings)))
    facts = [*_moments(found), _lines(found, lang)]
    if found.fatal and rule.sign is Sign.BAD:
        facts.append(say.fatal)
    parts = [f"{' · '.join(head)}\n<i>{' · '.join(facts)}</i>\n\n{_text(rule.summary)}"]
    if rule.sign is Sign.GOOD and at == 0:  # the first is the worst
        parts.append(say.only_good)
    else:
        parts += _steps(rule, detailed=detailed)
    return parts + (_details(rule) if detailed else [])


def _moments(found: Finding) -> list[str]:
    if found.first is None or found.last is None:
        return []
    first, last = (datetime.fromtimestamp(each, UTC) for each in (found.first, found.last))
    begin = first.strftime("%Y-%m-%d %H:%M:%S")
    if first == last:
        return [f"{begin} UTC"]
    end = last.strftime("%H:%M:%S" if first.date() == last.date() else "%Y-%m-%d %H:%M:%S")
    return [f"{begin} – {end} UTC"]


def _lines(found: Finding, lang: str) -> str:
    say = texts(lang)
    form = say.line if found.first_line == found.last_line else say.lines
    return form.format(first=found.first_line, last=found.last_line)


def _steps(rule: Rule, *, detailed: bool) -> list[str]:
    say, steps = texts(rule.lang), rule.steps
    first = steps if detailed or len(steps) <= STEPS + 1 else steps[:STEPS]
    told = _list(say.what_to_do, first, numbered=len(steps) > 1)
    rest = say.more_steps.format(count=len(steps) - len(first)) if len(first) < len(steps) else ""
    return [f"{told[0]}\n{rest}"] if rest else told


def _details(rule: Rule) -> list[str]:
    say = texts(rule.lang)
    parts = [*_list(say.how_to_check, rule.check), *_list(say.what_not_to_do, rule.avoid)]
    for name in rule.spec.how:
        way = rules.ways[name]
        there = [f"{platform}: {text[rule.lang]}" for platform, text in way.items() if platform != "title"]
        parts += _list(f"{say.where_it_runs}: {_text(way['title'][rule.lang])}", there)
    return parts


def _reasons(rule: Rule) -> list[str]:
    told = [f"{reason}: {its.summary}" for reason, its in rule.reasons.items()]
    return _list(texts(rule.lang).reasons, told)


def _list(head: str, lines: Sequence[str], *, numbered: bool = False) -> list[str]:
    if not lines:
        return []
    marks = [f"{number}. " if numbered else "" for number in range(1, len(lines) + 1)]
    body = "\n".join(f"{mark}{_text(line)}" for mark, line in zip(marks, lines, strict=True))
    return [f"<b>{head}</b>\n{body}"]


def _text(sentence: str) -> str:
    """One of our own sentences; what is to be typed can be copied by a tap."""
    return _CODE.sub(r"<code>\1</code>", escape(sentence, quote=False))


def _fitting(parts: list[str]) -> str:
    """As many whole parts as one message takes: half a part could end inside a tag."""
    answer = parts[0]
    for part in parts[1:]:
        if len((answer + part).encode("utf-16-le")) // 2 + 2 > LIMIT:
            break
        answer += "\n\n" + part
    return answer
