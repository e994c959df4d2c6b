"""One page per code and language, made from the packs: what it means, how it looks, what to do.

`python -m docs.generate` writes them below docs/codes/, tests/test_docs.py compares.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from logrules.core.redact import Redactor
from logrules.core.text import platform_name
from logrules.rules import rulebook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from logrules.core.ruleset.codes import Code
    from logrules.rules import Rules

LOOKS = 6
"""Samples of one code that a page shows, each from another pack as far as there are so many."""
USUAL = 120
"""Characters of a line as programs print it, with its head."""
_LINES, _COLUMNS = 6, 240
"""A sample that is larger is left out."""
_TAGS = re.compile(r"(```.*?```|`[^`\n]*`)|<", re.DOTALL)
"""What Markdown would take for a tag, and code, in which it does not."""
_PRIVATE = re.compile(r"/(?:home|Users|root|tmp|work)/|\d{6,}:[\w-]{30,}")

SAYS = {
    "other": {"en": "[Русский](../ru/{}.md)", "ru": "[English](../en/{}.md)"},
    "all": {"en": "[all codes](../../../README.md#codes)", "ru": "[все коды](../../../README.ru.md#коды)"},
    "level": {"en": "Level", "ru": "Уровень"},
    "fatal": {"en": "Needs you, or a restart", "ru": "Нужны вы или перезапуск"},
    "exit": {"en": "Exit status, where we end the bot", "ru": "Код выхода, когда бота завершаем мы"},
    "alert": {"en": "Wakes you", "ru": "Будит"},
    "repeat": {"en": "Told again while it lasts", "ru": "Напоминает, пока длится"},
    "ends": {"en": "Is over after", "ru": "Окончен, когда"},
    "quiet": {"en": "Meanwhile says nothing of", "ru": "Пока длится, молчим о"},
    "find": {"en": "Find it in logrules' own lines", "ru": "Как найти в строках logrules"},
    "raw": {"en": "Find it in raw logs", "ru": "Как найти в сырых логах"},
    "looks": {"en": "How it looks", "ru": "Как выглядит"},
    "ours": {
        "en": "No program prints this by itself: logrules sees it and says it.",
        "ru": "Ни одна программа сама такого не пишет: это замечает и говорит logrules.",
    },
    "check": {"en": "How to make sure", "ru": "Как убедиться"},
    "todo": {"en": "What to do", "ru": "Что делать"},
    "avoid": {"en": "What not to do", "ru": "Чего не делать"},
    "how": {"en": "Where your bot runs", "ru": "Там, где работает ваш бот"},
    "reasons": {"en": "Told apart", "ru": "Различаем причины"},
    "reason": {"en": "Reason", "ru": "Причина"},
    "yes": {"en": "yes", "ru": "да"},
    "no": {"en": "no", "ru": "нет"},
    "hours": {"en": "every {:g} h", "ru": "каждые {:g} ч"},
    "stood": {"en": "{} has stood for {:g} min", "ru": "{} держится {:g} мин"},
}


class Pages:
    """The pages in one language.

    Args:
        rules: What they are made of.
        lang: `en` or `ru`.
        wakes: Of each code, how often it must be seen to wake somebody.
        marks: Of each code, the sign in its heading.
    """

    def __init__(
        self, rules: Rules, lang: str, *, wakes: Mapping[str, str], marks: Mapping[str, str]
    ) -> None:
        self._rules = rules
        self._lang = lang
        self._wakes = wakes
        self._marks = marks
        self._says = {name: texts[lang] for name, texts in SAYS.items()}
        self._looks = _looks(rules)

    def page(self, spec: Code) -> str:
        """The page of one code."""
        says, looks = self._says, self._looks.get(spec.code)
        parts = [
            f"# {self._marks[spec.code]} {spec.code}",
            f"{says['other'].format(spec.code)} · {says['all']}",
            f"**{spec.alert.title[self._lang]}**" if spec.alert else "",
            spec.summary[self._lang],
            self._facts(spec),
            f"## {says['looks']}\n" + ("```\n" + "\n\n".join(looks) + "\n```" if looks else says["ours"]),
            *self._advice(spec, "##"),
            *self._ways(spec),
            *self._reasons(spec),
        ]
        return _TAGS.sub(lambda found: found[1] or r"\<", "\n\n".join(part for part in parts if part)) + "\n"

    def _facts(self, spec: Code) -> str:
        says = self._says
        rows = {
            "level": f"`{spec.severity}`",
            "fatal": says["yes"] if spec.fatal else says["no"],
            "exit": str(int(spec.exit)) if spec.fatal and spec.exit else "",
            "alert": self._wakes[spec.code],
            "repeat": says["hours"].format(spec.alert.repeat / 3600) if spec.alert else "",
            "ends": self._end(spec) if spec.resolved_by else "",
            "quiet": _linked(spec.inhibits),
            "find": f'`"code":"{spec.code}"`',
            "raw": ", ".join(f"`{words}`" for words in spec.search),
        }
        told = (f"| {says[name]} | {said} |" for name, said in rows.items() if said)
        return "\n".join(["| | |", "|---|---|", *told])

    def _end(self, spec: Code) -> str:
        return self._says["stood"].format(_linked(spec.resolved_by), spec.resolve_after / 60)

    def _advice(self, spec: Code, level: str) -> Iterator[str]:
        steps = [f"{number}. {step}" for number, step in enumerate(spec.steps[self._lang], 1)]
        for name, lines in (
            ("check", [f"- {text}" for text in spec.check[self._lang]]),
            ("todo", steps if len(steps) > 1 else spec.steps[self._lang]),
            ("avoid", [f"- {text}" for text in spec.avoid[self._lang]]),
        ):
            if lines:
                yield "\n".join([f"{level} {self._says[name]}", *lines])

    def _ways(self, spec: Code) -> Iterator[str]:
        if spec.how:
            yield f"## {self._says['how']}"
        for name in spec.how:
            ways = dict(self._rules.ways[name])
            yield f"**{ways.pop('title')[self._lang]}**"
            yield "\n".join(
                f"- {platform_name(each, self._lang)}: {text[self._lang]}" for each, text in ways.items()
            )

    def _reasons(self, spec: Code) -> Iterator[str]:
        if spec.reasons:
            yield f"## {self._says['reasons']}"
        for reason, why in spec.reasons.items():
            yield f"### {self._says['reason']}: `{reason}`"
            if why.summary != spec.summary:
                yield why.summary[self._lang]
            if (why.check, why.steps, why.avoid) != (spec.check, spec.steps, spec.avoid):
                yield from self._advice(why, "####")


def _linked(codes: frozenset[str]) -> str:
    return ", ".join(f"[`{code}`]({code}.md)" for code in sorted(codes))


def _looks(rules: Rules) -> dict[str, list[str]]:
    """Samples of each code: first one for each of the words to search for, then the shortest of each pack."""
    samples: dict[str, dict[str, list[str]]] = {}
    for pattern in rulebook().patterns:
        shown = [text for text in pattern.match if _fit(text)]
        samples.setdefault(pattern.code, {}).setdefault(pattern.pack, []).extend(shown)
    redact = Redactor()
    return {
        code: [redact(text.rstrip()) for text in islice(_best(by_pack, rules.specs[code].search), LOOKS)]
        for code, by_pack in samples.items()
    }


def _best(by_pack: Mapping[str, list[str]], search: Iterable[str]) -> Iterator[str]:
    ranked = list(_in_turn(by_pack))
    found = ([text for text in ranked if words in text] for words in search)
    usual = [min(texts, key=lambda text: abs(len(text) - USUAL)) for texts in found if texts]
    return iter(dict.fromkeys([*usual, *ranked]))


def _fit(text: str) -> bool:
    lines = text.splitlines()
    return len(lines) <= _LINES and max(map(len, lines), default=0) <= _COLUMNS and not _PRIVATE.search(text)


def _in_turn(by_pack: Mapping[str, list[str]]) -> Iterator[str]:
    ranked = [(rank, text) for texts in by_pack.values() for rank, text in enumerate(sorted(texts, key=len))]
    return iter(dict.fromkeys(text for _, text in sorted(ranked, key=lambda each: each[0])))
