"""Writes what the documents say of packs and code: run `python -m docs.generate` after changing one.

A generated block stands between `<!-- generated: NAME -->` and `<!-- end -->`; the pages of codes and the
pictures are generated whole. tests/test_docs.py compares.
"""

from __future__ import annotations

import ast
import contextlib
import io
import itertools
import json
import os
import re
import unittest.mock
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from docs.codepages import Pages
from docs.commands import commands
from docs.picture import picture
from docs.searches import searches
from logrules.core.event import Event, encode, timestamp
from logrules.core.export import sentry as exports
from logrules.core.guarding.lease import OPERATORS, TABLE, Action, Timers
from logrules.core.model import Sign
from logrules.core.ruleset.codes import LANGUAGES
from logrules.doctor.examination import show
from logrules.doctor.finding import State, found, ordered
from logrules.doctor.says import AREAS, SAYS
from logrules.rules import rules

if TYPE_CHECKING:
    from logrules.core.ruleset.codes import Code

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CODES = DOCS / "codes"
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
MARKS = {Sign.BAD: "❌", Sign.WARN: "⚠️", Sign.INFO: "ℹ️", Sign.GOOD: "✅"}
HEADS = {
    "en": "| | Code | What happened | Exit | Wakes you | Search raw logs for |",
    "ru": "| | Код | Что случилось | Выход | Будит | Что искать в сырых логах |",
}
TIMERS = {
    "lease": "Сервер освобождает блокировку сессии, молчавшей столько (`idle_session_timeout`).",
    "dropped": "TCP сервера бросает молчащее соединение: вместе с арендой, но не раньше ограды.",
    "keepalive": "Между двумя подтверждениями.",
    "answer": "Подтверждение дольше этого считается потерей.",
    "fence": "Столько после последнего подтверждения владелец не живёт: блокировки ещё ни у кого нет.",
    "chunk": "Так часто сервер отпускает ждущего (`lock_timeout`): столько живёт место умершего.",
    "check": "Как часто сервер смотрит, живо ли соединение ждущего.",
    "grace": "После перехвата, о котором никто не объявил; strict — это `fence` + 1.",
    "connect": "На одну попытку соединиться.",
    "patience": "Базу, которой нет столько при старте, больше не ждут.",
    "drain": "На последние дела обработчиков при выходе: меньше 30 с платформы между TERM и KILL.",
    "blocked": "Об обработчике, который столько держит цикл событий бота, предупреждают.",
}
"""The docstrings of `Timers` in Russian."""
AT_ONCE = {"en": "at once", "ru": "сразу"}
MINUTE, HOUR = 60, 3600
OFTEN = {
    "en": {MINUTE: "{} in {:g} min", HOUR: "{} in {:g} h"},
    "ru": {MINUTE: "{} за {:g} мин", HOUR: "{} за {:g} ч"},
}


def codes(lang: str) -> str:
    """The table of codes, the bad ones first."""
    rows = [_row(spec, lang) for spec in rules.specs.values()]
    order = {mark: number for number, mark in enumerate(MARKS.values())}
    rows.sort(key=lambda row: order[row[0]])
    rule = "|" + "---|" * len(rows[0])
    return "\n".join([HEADS[lang], rule, *(f"| {' | '.join(row)} |" for row in rows)])


def event(lang: str) -> str:
    """The line that a guarded bot ends with when a second instance polls; its remediation goes on."""
    spec = rules.specs["CONFLICT_409"].why("other_getupdates")
    first, _, _ = spec.remediation(lang).partition(" 2) ")
    line = Event(
        timestamp=timestamp(1_795_340_442.123456),
        level=spec.severity,
        code=spec.code,
        message="409 CONFLICT DETECTED: another process polls: Conflict: terminated by other getUpdates "
        "request; make sure that only one bot instance is running",
        remediation=f"{first} …",
        service="my-bot",
        instance="srv-d0cjkelq67qs70c2pugg-sbpkm",
        fatal=spec.fatal,
        reason="other_getupdates",
    )
    return f"```json\n{encode(line, str).decode().rstrip()}\n```"


def lease(_lang: str) -> str:
    """The lock's state table as a diagram: one arrow per pair of states, with its events and codes."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, event), step in TABLE.items():
        said = f"{event} / {step.code}{' ✝' if step.fatal else ''}" if step.code else str(event)
        arrows.setdefault((state.name, step.state.name), []).append(said)
    lines = [f"    {a} --> {b}: {'<br>'.join(said)}" for (a, b), said in arrows.items()]
    ends = sorted({step.state.name for step in TABLE.values() if step.action is Action.END})
    lines = ["    [*] --> NEW", *lines, *(f"    {end} --> [*]" for end in ends)]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def cells(lang: str) -> str:
    """The same table as rows."""
    rows = [
        f"| {state} | {event} | {step.state} | {f'`{step.code}`' if step.code else ''} | {step.action} |"
        for (state, event), step in TABLE.items()
    ]
    heads = {"en": "| in | comes | then | said | to do |", "ru": "| в | приходит | затем | звучит | делать |"}
    return "\n".join([heads[lang], "|---|---|---|---|---|", *rows])


def timers(lang: str) -> str:
    """Every duration of the lock with its meaning, which in English is its docstring."""
    usual, said = Timers(), attribute_docs(ROOT / "logrules" / "core" / "guarding" / "lease.py", "Timers")
    rows = [
        f"| {name} | {getattr(usual, name):g} | {f'`LOGRULES_{name.upper()}`' if name in OPERATORS else ''} "
        f"| {said[name] if lang == 'en' else TIMERS[name]} |"
        for name in said
    ]
    heads = {"en": "| timer | seconds | setting | meaning |", "ru": "| срок | секунд | настройка | смысл |"}
    return "\n".join([heads[lang], "|---|---|---|---|", *rows])


def scrubbing(_lang: str) -> str:
    """What Sentry can be told to hide, as its form asks for it."""
    tick = " Tick *Only replace first capture match*."
    lines = [
        f"- Regex `{rule['pattern']}`, placeholder `{rule['redaction']['text']}`."
        f"{tick if 'replaceGroups' in rule else ''}"
        for rule in exports.RULES.values()
    ]
    return "\n".join([*lines, f"- Source of both: `{exports.SOURCE}`"])


def findings(lang: str) -> str:
    """What the doctor may find, by area: trouble with its code, the worst first."""
    heads = {
        "en": "| | Area | What it says | Code | Finding |",
        "ru": "| | Область | Что скажет | Код | Находка |",
    }
    marks = {State.BAD: MARKS[Sign.BAD], State.WARN: MARKS[Sign.WARN]}
    rows = [
        (marks[State(row.state)], row, name) for name, row in SAYS.items() if row.state in {"bad", "warn"}
    ]
    rows.sort(key=lambda each: ([*AREAS].index(each[1].area), each[1].state))
    lines = []
    for mark, row, name in rows:
        code = f"{row.code} ({row.reason})" if row.reason else row.code
        words = re.sub(r"{(\w+)[^}]*}", r"*\1*", row.text[lang])
        lines.append(f"| {mark} | {AREAS[row.area][lang]} | {words} | `{code}` | `{name}` |")
    return "\n".join([heads[lang], "|---|---|---|---|---|", *lines])


def examined(lang: str) -> str:
    """What the doctor prints for a bot with a wrong password and a webhook that somebody has set."""
    sick = [
        found("webhook.set", host="old-bot.onrender.com", pending=31),
        found("database.password", host="dpg-cq1-a", why='password authentication failed for user "bot"'),
        found("platform.web_dyno"),
        found("settings.ok"),
        found("token.ok", setting="BOT_TOKEN", username="my_bot", id=123456),
        found("clock.ok", whose="api.telegram.org"),
        found("sentry.off"),
    ]
    shown = io.StringIO()
    with unittest.mock.patch.dict(os.environ, {"COLUMNS": "100"}), contextlib.redirect_stdout(shown):
        show(ordered(sick), rules.speak(lang))
    return f"```\n{shown.getvalue().rstrip()}\n```"


def attribute_docs(file: Path, name: str) -> dict[str, str]:
    """The docstrings that stand under the attributes of a class."""
    tree = ast.parse(file.read_text("utf-8"))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    pairs = itertools.pairwise(body)
    return {
        at.target.id: " ".join(str(doc.value.value).split())
        for at, doc in pairs
        if isinstance(at, ast.AnnAssign) and isinstance(at.target, ast.Name)
        if isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant)
    }


def rewritten(text: str, lang: str) -> str:
    """`text` with every generated block made anew."""
    makers = {"codes": codes, "event": event, "lease": lease, "cells": cells, "timers": timers}
    makers |= {
        "searches": searches,
        "commands": commands,
        "scrubbing": scrubbing,
        "findings": findings,
        "examined": examined,
    }
    return BLOCK.sub(lambda block: f"{block[1]}{makers[block[2]](lang)}\n{block[3]}", text)


def documents() -> dict[Path, str]:
    """Everything that is generated, or holds something that is, as it should be."""
    made = {}
    for path in sorted([*ROOT.glob("README*.md"), *DOCS.glob("*.md")]):
        text = path.read_text("utf-8")
        made[path] = rewritten(text, "ru" if path.stem.endswith(".ru") else "en")
    for lang in LANGUAGES:
        wakes = {code: _wakes(spec, lang) for code, spec in rules.specs.items()}
        marks = {code: MARKS[spec.sign] for code, spec in rules.specs.items()}
        pages = Pages(rules, lang, wakes=wakes, marks=marks)
        made |= {CODES / lang / f"{code}.md": pages.page(spec) for code, spec in rules.specs.items()}
        made[DOCS / f"terminal.{lang}.svg"] = picture(lang)
    schema = msgspec.json.schema(Event)
    made[DOCS / "event.schema.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return made


def _row(spec: Code, lang: str) -> list[str]:
    exit_ = str(int(spec.exit)) if spec.fatal and spec.exit else ""
    what = re.split(r"[.:;](?= |$)", spec.summary[lang])[0]
    search = ", ".join(f"`{words}`" for words in spec.search)
    page = f"[`{spec.code}`](docs/codes/{lang}/{spec.code}.md)"
    return [MARKS[spec.sign], page, what, exit_, _wakes(spec, lang), search]


def _wakes(spec: Code, lang: str) -> str:
    if not spec.alert:
        return ""
    if not spec.confirm:
        return AT_ONCE[lang]
    unit = MINUTE if spec.confirm.within < HOUR else HOUR
    return OFTEN[lang][unit].format(spec.confirm.count, spec.confirm.within / unit)


if __name__ == "__main__":
    for path, text in documents().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
