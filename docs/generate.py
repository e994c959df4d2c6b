"""Rewrites what the READMEs say from the packs: run `python docs/generate.py` after changing one.

A generated block stands between `<!-- generated: NAME -->` and `<!-- end -->`; tests/test_docs.py compares.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from logrules.core.event import Event, encode, timestamp
from logrules.core.model import Sign
from logrules.rules import rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from logrules.core.codes import Code

ROOT = Path(__file__).parent.parent
PACKS = ROOT / "logrules" / "packs"
READMES = {"en": ROOT / "README.md", "ru": ROOT / "README.ru.md"}
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
MARKS = {Sign.BAD: "❌", Sign.WARN: "⚠️", Sign.INFO: "ℹ️", Sign.GOOD: "✅"}
HEADS = {
    "en": "| | Code | What happened | Exit | Wakes you | Search raw logs for |",
    "ru": "| | Код | Что случилось | Выход | Будит | Что искать в сырых логах |",
}
AT_ONCE = {"en": "at once", "ru": "сразу"}
OFTEN = {"en": "{count} in {minutes:g} min", "ru": "{count} за {minutes:g} мин"}
SHORTEST = 6
"""Letters of a phrase that is worth searching for."""
PHRASES = 2
"""Phrases per code: a table is to be read, `logrules explain` and the packs know them all."""


def codes(lang: str) -> str:
    """The table of codes, the bad ones first."""
    found = _phrases()
    rows = [_row(spec, lang, found[code]) for code, spec in rules.specs.items()]
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
        message="409 CONFLICT DETECTED: another process polls with this bot's token",
        remediation=spec.steps.joined(lang),
        service="my-bot",
        instance="srv-d0cjkelq67qs70c2pugg-sbpkm",
        fatal=spec.fatal,
        reason="other_getupdates",
    )
    return f"```json\n{encode(line, str).decode().rstrip()}\n```"


def rewritten(text: str, lang: str) -> str:
    """`text` with every generated block made anew."""
    makers = {"codes": codes, "event": event}
    return BLOCK.sub(lambda block: f"{block[1]}{makers[block[2]](lang)}\n{block[3]}", text)


def _row(spec: Code, lang: str, phrases: Iterable[str]) -> list[str]:
    exit_ = str(int(spec.exit)) if spec.fatal and spec.exit else ""
    what = re.split(r"[.:;](?= |$)", spec.summary[lang])[0]
    return [MARKS[spec.sign], f"`{spec.code}`", what, exit_, _wakes(spec, lang), ", ".join(phrases)]


def _wakes(spec: Code, lang: str) -> str:
    if not spec.alert:
        return ""
    if not spec.confirm:
        return AT_ONCE[lang]
    return OFTEN[lang].format(count=spec.confirm.count, minutes=spec.confirm.within / 60)


def _phrases() -> dict[str, list[str]]:
    """For each code what to type into a log search: plain words of its patterns that its samples hold."""
    found: dict[str, list[str]] = defaultdict(list)
    for pack in sorted(PACKS.glob("*.toml")):
        for pattern in tomllib.loads(pack.read_text("utf-8")).get("pattern", []):
            known = found[pattern["code"]]
            phrase = next(_common(pattern), None)
            if phrase and len(known) < PHRASES and f"`{phrase}`" not in known:
                known.append(f"`{phrase}`")
    return found


def _common(pattern: dict[str, list[str]]) -> Iterator[str]:
    """The longest plain words of each expression that stand in one of the samples."""
    for expression in pattern["any"]:
        plain = re.sub(
            r"\\([^\w])", r"\1", re.sub(r".[?*]|\\\w|\[[^]]*\]|[()|^$+]|\.(?!\w)", "\0", expression)
        )
        for words in sorted(plain.split("\0"), key=len, reverse=True):
            if len(words.strip()) >= SHORTEST and any(words in sample for sample in pattern.get("match", [])):
                yield words.strip(" :,").replace("|", r"\|")


if __name__ == "__main__":
    for lang, readme in READMES.items():
        readme.write_text(rewritten(readme.read_text("utf-8"), lang), "utf-8")
