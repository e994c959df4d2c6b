"""What the bot answers, as Telegram HTML with buttons. Knows no Telegram object."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from difflib import get_close_matches
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from bot import texts
from bot.texts import language, other
from logrules.commands.words import LONGEST, SHORTEST, meant
from logrules.core.engine import classify
from logrules.core.model import Sign
from logrules.core.redact import Redactor
from logrules.core.text import platform_name
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
TELLING = 3
"""Words that are enough to tell one line of a log from all others."""
USUAL = (
    "CONFLICT_409",
    "TOKEN_INVALID",
    "MODULE_MISSING",
    "CONFIG_MISSING",
    "DB_UNREACHABLE",
    "DB_AUTH_FAILED",
    "OUT_OF_MEMORY",
    "PORT_NOT_BOUND",
    "RATE_LIMITED",
    "NETWORK_ERROR",
)
"""…before anybody has typed a word."""
MEANT = 5
"""Codes that are offered for one that there is not."""
STEPS = 3
"""Steps that stand in the short form: the likeliest come first."""
MARKS = {Sign.GOOD: "✅", Sign.INFO: "ℹ️", Sign.WARN: "⚠️", Sign.BAD: "❌"}
_redact = Redactor()
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
    lang = language(lang)
    parts = [_leak(reading.leaks, lang)] if reading.leaks else []
    rows: list[tuple[Button, ...]] = []
    if reading.findings:
        at %= len(reading.findings)
        parts += _finding(reading, at, lang, detailed=detailed)
        rows.append(_turning(reading, at, lang, detailed=detailed))
        rows.append((Button(texts.OTHER_LANGUAGE(lang), _data(at, other(lang), detailed=detailed)),))
    elif not reading.leaks:
        parts.append(texts.NOTHING_FOUND(lang))
    if reading.leaks and deletable:
        rows.insert(0, (Button(texts.DELETE(lang), f"x:{lang}"),))
    return Page(_fitting(parts, list(_unread(reading, lang))), tuple(rows))


def so_far(reading: Reading, lang: str | None, head: str) -> Page:
    """What is known of a log while it is read: the one finding that needs somebody first."""
    lang = language(lang)
    parts = [head, *([_leak(reading.leaks, lang)] if reading.leaks else [])]
    first = reading.findings[:1]
    if first and rules.specs[first[0].code].why(first[0].reason).sign in {Sign.BAD, Sign.WARN}:
        parts += _finding(reading._replace(findings=first), 0, lang, detailed=False)
    return Page(_fitting(parts))


def explain(
    code: str, lang: str | None, *, detailed: bool = False, reason: str | None = None, back: bool = False
) -> Page:
    """What a code means and what to do about it; what is no code gets suggestions.

    Args:
        code: Or whatever somebody has written instead.
        lang: Telegram's, such as `en-GB`.
        detailed: All of it.
        reason: What is known of why.
        back: Whether there is something to go back to, the operator's list.
    """
    lang = language(lang)
    wanted = code.strip().upper()
    if not wanted:
        return Page(texts.EXPLAIN_USAGE(lang))
    known = rules.speak(lang)
    if wanted not in known:
        return _unknown(code.strip(), lang)
    rule = known[wanted].why(reason)
    parts = [
        f"{MARKS[rule.sign]} <b>{rule.code}</b>\n{_text(rule.summary)}",
        *_steps(rule, detailed=detailed),
    ]
    if detailed:
        parts += [*_details(rule), *_reasons(rule)]

    def button(label: str, deep: str, lang: str) -> Button:
        return Button(label, _explaining(wanted, deep, lang, reason, back=back))

    fold = texts.LESS if detailed else texts.MORE
    rows = (
        button(fold(lang), "s" if detailed else "d", lang),
        button(texts.OTHER_LANGUAGE(lang), "d" if detailed else "s", other(lang)),
    )
    return Page(_fitting(parts), (rows, (Button(texts.BACK(lang), "i:0:b"),)) if back else (rows,))


def explained(data: str) -> Page | None:
    """The page that one of the buttons of `explain` asks for; None if there is no such code any more."""
    _, code, deep, lang, *more = data.split(":")
    reason, back = (*more, "", "")[:2]
    if code not in rules:
        return None
    return explain(code, lang, detailed=deep == "d", reason=reason or None, back=bool(back))


def _explaining(code: str, deep: str, lang: str, reason: str | None, *, back: bool) -> str:
    data = f"e:{code}:{deep}:{lang}"
    full = f"{data}:{reason or ''}:{'b' if back else ''}".rstrip(":")
    return full if len(full.encode()) <= DATA else data


def _unknown(said: str, lang: str) -> Page:
    """What may have been meant, each a button."""
    known = rules.speak(lang)
    near = get_close_matches(re.sub(r"\W+", "_", said).upper(), known, n=MEANT)
    likely = near or _meant(said, lang)[:MEANT]
    unknown = texts.UNKNOWN_CODE(lang, code=escape(_redact(said)[:48]))
    if not likely:
        return Page(f"{unknown}\n{texts.EXPLAIN_USAGE(lang)}")
    return Page(f"{unknown} {texts.DID_YOU_MEAN(lang)}", _choices(likely, lang))


def asked(text: str, lang: str | None) -> Page | None:
    """What somebody may want to know who writes a line that is no log; None if nothing comes to mind."""
    text = text.strip()
    if "\n" in text or len(text) > LONGEST:
        return None
    lang = language(lang)
    known = rules.speak(lang)
    named = [code for code in known if re.search(rf"\b{code}\b", text.upper())]
    if len(named) == 1:
        return explain(named[0], lang)
    telling = [word for word in text.split() if len(word) >= SHORTEST]
    queries = (" ".join(telling), *re.findall(r"\b\d{3}\b", text))
    likely = named or [
        code for query in queries if query for code in meant(query, known, logs=len(telling) >= TELLING)
    ]
    if not 0 < len(set(likely)) <= MEANT:  # a word that stands everywhere says nothing
        return None
    return Page(texts.NO_ERROR_BUT(lang), _choices(dict.fromkeys(likely), lang))


def _choices(codes: Iterable[str], lang: str) -> tuple[tuple[Button, ...], ...]:
    known = rules.speak(lang)
    return tuple(
        (Button(f"{MARKS[known[code].sign]} {code}", _explaining(code, "s", lang, None, back=False)),)
        for code in codes
    )


def codes(lang: str | None) -> Page:
    """Every code, grouped by what kind of sign it is, the bad ones first."""
    groups: dict[Sign, list[str]] = {sign: [] for sign in reversed(Sign)}
    for code, rule in rules.items():
        groups[rule.sign].append(f"<code>{code}</code>")
    lines = (f"{MARKS[sign]} {', '.join(sorted(names))}" for sign, names in groups.items() if names)
    return Page(texts.CODES(lang, codes="\n".join(lines)))


def suggestions(query: str, lang: str | None) -> list[Suggestion]:
    """What inline mode offers for some words, a number, or an error: at most SUGGESTED."""
    known = rules.speak(language(lang))
    found = _meant(query, language(lang))[:SUGGESTED] if query.strip() else USUAL
    return [
        Suggestion(code, f"{MARKS[known[code].sign]} {code}", known[code].headline, explain(code, lang))
        for code in found
    ]


def _meant(query: str, lang: str) -> list[str]:
    """Codes: of the error itself first."""
    query = query[:LONGEST].strip()
    return meant(query, rules.speak(lang), [match.code for match in classify(rulebook(), query)])


def _leak(leaks: Sequence[str], lang: str) -> str:
    *rest, last = (texts.LEAKS[kind](lang) for kind in leaks)
    what = texts.AND(lang, first=", ".join(rest), last=last) if rest else last
    return texts.LEAK(lang, what=what, advice=texts.LEAK_ADVICE[leaks[0]](lang))


def _unread(reading: Reading, lang: str) -> Iterator[str]:
    """What of a file was left out."""
    if reading.cut_short:
        yield texts.CUT_SHORT(lang, size=max(1, reading.cut_short // 1_000_000))
    if reading.broken:
        yield texts.BROKEN_BEHIND(lang)
    if reading.skipped:
        yield texts.SKIPPED(lang, reading.skipped)


def _turning(reading: Reading, at: int, lang: str, *, detailed: bool) -> tuple[Button, ...]:
    fold = texts.LESS if detailed else texts.MORE
    buttons = [Button(fold(lang), _data(at, lang, detailed=not detailed))]
    if len(reading.findings) > 1:
        after = (at + 1) % len(reading.findings)
        label = texts.NEXT(lang, code=reading.findings[after].code)
        buttons.append(Button(label, _data(after, lang, detailed=False)))
    return tuple(buttons)


def _data(at: int, lang: str, *, detailed: bool) -> str:
    return f"a:{at}:{'d' if detailed else 's'}:{lang}"


def _finding(reading: Reading, at: int, lang: str, *, detailed: bool) -> list[str]:
    """What happened, how often, when; what to do; if wanted, the rest."""
    found = reading.findings[at]
    rule = rules.speak(lang)[found.code].why(found.reason)
    head = [f"{MARKS[rule.sign]} <b>{found.code}</b>"]
    if found.times > 1:
        head.append(texts.TIMES(lang, found.times))
    if len(reading.findings) > 1:
        head.append(texts.POSITION(lang, number=at + 1, count=len(reading.findings)))
    facts = [*_moments(found), _lines(found, lang)]
    if found.fatal and rule.sign is Sign.BAD:
        facts.append(texts.FATAL(lang))
    parts = [f"{' · '.join(head)}\n<i>{' · '.join(facts)}</i>\n\n{_text(rule.summary)}"]
    if rule.sign is Sign.GOOD and at == 0:  # the first is the worst
        parts.append(texts.ONLY_GOOD(lang))
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
    form = texts.LINE if found.first_line == found.last_line else texts.LINES
    return form(lang, first=found.first_line, last=found.last_line)


def _steps(rule: Rule, *, detailed: bool) -> list[str]:
    steps, lang = rule.steps, rule.lang
    first = steps if detailed or len(steps) <= STEPS + 1 else steps[:STEPS]
    told = _list(texts.WHAT_TO_DO(lang), first, numbered=len(steps) > 1)
    rest = texts.MORE_STEPS(lang, count=len(steps) - len(first)) if len(first) < len(steps) else ""
    return [f"{told[0]}\n{rest}"] if rest else told


def _details(rule: Rule) -> list[str]:
    lang = rule.lang
    parts = [
        *_list(texts.HOW_TO_CHECK(lang), rule.check),
        *_list(texts.WHAT_NOT_TO_DO(lang), rule.avoid),
    ]
    for name in rule.spec.how:
        way = rules.ways[name]
        there = [
            f"{platform_name(platform, lang)}: {text[lang]}"
            for platform, text in way.items()
            if platform != "title"
        ]
        parts += _list(_text(way["title"][lang]), there)
    return parts


def _reasons(rule: Rule) -> list[str]:
    told = [f"{reason}: {its.summary}" for reason, its in rule.reasons.items()]
    return _list(texts.REASONS(rule.lang), told)


def _list(head: str, lines: Sequence[str], *, numbered: bool = False) -> list[str]:
    if not lines:
        return []
    marks = [f"{number}. " if numbered else "" for number in range(1, len(lines) + 1)]
    body = "\n".join(f"{mark}{_text(line)}" for mark, line in zip(marks, lines, strict=True))
    return [f"<b>{head}</b>\n{body}"]


def _text(sentence: str) -> str:
    """One of our own sentences; what is to be typed can be copied by a tap."""
    return _CODE.sub(r"<code>\1</code>", escape(sentence, quote=False))


def _fitting(parts: list[str], always: Sequence[str] = ()) -> str:
    """As many whole parts as one message takes, for half a part could end in a tag; `always` among them."""
    left = LIMIT - sum(_length(part) + 2 for part in (parts[0], *always))
    told = [parts[0]]
    for part in parts[1:]:
        left -= _length(part) + 2
        if left < 0:
            break
        told.append(part)
    return "\n\n".join([*told, *always])


def _length(html: str) -> int:
    """In UTF-16 units, as Telegram counts; with the markup, so never too few."""
    return len(html.encode("utf-16-le")) // 2
