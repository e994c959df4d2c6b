"""Rewrites what the documents say from packs and code: run `python docs/generate.py` after changing one.

A generated block stands between `<!-- generated: NAME -->` and `<!-- end -->`; tests/test_docs.py compares.
"""

from __future__ import annotations

import ast
import contextlib
import io
import itertools
import os
import re
import unittest.mock
from pathlib import Path
from typing import TYPE_CHECKING

from logrules.core import exports
from logrules.core.event import Event, encode, timestamp
from logrules.core.lease import OPERATORS, TABLE, Action, Timers
from logrules.core.model import Sign
from logrules.doctor.examination import show
from logrules.doctor.finding import State, found, ordered
from logrules.doctor.says import AREAS, SAYS
from logrules.rules import rules

if TYPE_CHECKING:
    from logrules.core.codes import Code

ROOT = Path(__file__).parent.parent
READMES = {"en": ROOT / "README.md", "ru": ROOT / "README.ru.md"}
LOCK = ROOT / "docs" / "lock.md"
ALERTS = ROOT / "docs" / "alerts.md"
DOCTOR = {"en": ROOT / "docs" / "doctor.md", "ru": ROOT / "docs" / "doctor.ru.md"}
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
MARKS = {Sign.BAD: "❌", Sign.WARN: "⚠️", Sign.INFO: "ℹ️", Sign.GOOD: "✅"}
HEADS = {
    "en": "| | Code | What happened | Exit | Wakes you | Search raw logs for |",
    "ru": "| | Код | Что случилось | Выход | Будит | Что искать в сырых логах |",
}
AT_ONCE = {"en": "at once", "ru": "сразу"}
OFTEN = {"en": "{count} in {minutes:g} min", "ru": "{count} за {minutes:g} мин"}


def codes(lang: str) -> str:
    """The table of codes, the bad ones first."""
    rows = [_row(spec, lang) for spec in rules.specs.values()]
    order = {mark: number for number, mark in enumerate(MARKS.values())}
    rows.sort(key=lambda row: order[row[0]])
    rule = "|" + "---|" * len(rows[0])
    return "\n".join([HEADS[lang], rule, *(f"| {' | '.join(row)} |" for row in rows)])


def event(lang: str) -> str:
    """The line that a guarded bot ends with when a second instance polls."""
    spec = rules.specs["CONFLICT_409"].why("other_getupdates")
    line = Event(
        timestamp=timestamp(1_795_340_442.123456),
        level=spec.severity,
        code=spec.code,
        message="409 CONFLICT DETECTED: another process polls: Conflict: terminated by other getUpdates "
        "request; make sure that only one bot instance is running",
        remediation=spec.remediation(lang),
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


def cells(_lang: str) -> str:
    """The same table as rows."""
    rows = [
        f"| {state} | {event} | {step.state} | {f'`{step.code}`' if step.code else ''} | {step.action} |"
        for (state, event), step in TABLE.items()
    ]
    return "\n".join(["| in | comes | then | said | to do |", "|---|---|---|---|---|", *rows])


def timers(_lang: str) -> str:
    """Every duration of the lock with its meaning, which is its docstring."""
    usual, meanings = Timers(), attribute_docs(ROOT / "logrules" / "core" / "lease.py", "Timers")
    rows = [
        f"| {name} | {getattr(usual, name):g} | {f'`LOGRULES_{name.upper()}`' if name in OPERATORS else ''} "
        f"| {meaning} |"
        for name, meaning in meanings.items()
    ]
    return "\n".join(["| timer | seconds | setting | meaning |", "|---|---|---|---|", *rows])


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
    makers |= {"scrubbing": scrubbing, "findings": findings, "examined": examined}
    return BLOCK.sub(lambda block: f"{block[1]}{makers[block[2]](lang)}\n{block[3]}", text)


def _row(spec: Code, lang: str) -> list[str]:
    exit_ = str(int(spec.exit)) if spec.fatal and spec.exit else ""
    what = re.split(r"[.:;](?= |$)", spec.summary[lang])[0]
    search = ", ".join(f"`{words}`" for words in spec.search)
    return [MARKS[spec.sign], f"`{spec.code}`", what, exit_, _wakes(spec, lang), search]


def _wakes(spec: Code, lang: str) -> str:
    if not spec.alert:
        return ""
    if not spec.confirm:
        return AT_ONCE[lang]
    return OFTEN[lang].format(count=spec.confirm.count, minutes=spec.confirm.within / 60)


if __name__ == "__main__":
    for lang, readme in READMES.items():
        readme.write_text(rewritten(readme.read_text("utf-8"), lang), "utf-8")
    for document in (LOCK, ALERTS):
        document.write_text(rewritten(document.read_text("utf-8"), "en"), "utf-8")
    for lang, document in DOCTOR.items():
        document.write_text(rewritten(document.read_text("utf-8"), lang), "utf-8")
