"""What each code means and leads to: the types behind the `[code.NAME]` tables of packs.

A table says what differs: a reason from its code, a user's table from ours. `over` lays one upon the other,
`built` makes the code of what comes out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from logrules.core.model import Exit, Severity, Sign
from logrules.core.ruleset import shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from logrules.core.ruleset.places import Path

LANGUAGES = ("en", "ru")
CODE = re.compile(r"[A-Z][A-Z0-9_]{2,47}\Z")

Table = dict[str, Any]
"""A code as a pack says it."""

_EXITS = {exit_.name.lower(): exit_ for exit_ in Exit}
_SENTRY_LEVELS = {Severity.DEBUG: "debug", Severity.CRITICAL: "fatal"}  # the others bear the same name
_SEVERITIES = {Sign.BAD: Severity.ERROR, Sign.WARN: Severity.WARNING}  # the others are information
_TEXTS = ("summary", "check", "remediation", "avoid")
_NEEDED = ("sign", "summary", "remediation")
_FIXED = ("sign", "fatal", "exit")
"""What a program does about a code that we ship is no matter of a pack."""


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text in every language that an operator reads."""

    en: str
    ru: str

    def __getitem__(self, lang: str) -> str:
        """The text in `lang`, or in English."""
        return self.ru if lang == "ru" else self.en


class Steps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sentences, one after the other, in every language."""

    en: list[str] = []
    ru: list[str] = []

    def __getitem__(self, lang: str) -> list[str]:
        """The sentences in `lang`, or in English."""
        return self.ru if lang == "ru" else self.en


class AlertSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a code wakes, and how often."""

    title: Text
    level: str
    """Sentry's word: debug, info, warning, error or fatal."""
    repeat: float
    """Seconds after which an incident that is still open is told again."""


class Confirm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often within how many seconds a sign must be seen before it is an incident."""

    count: int
    within: float


class Code(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One code (or one reason of a code): an API; never reused, never renamed."""

    code: str
    sign: Sign
    severity: Severity
    fatal: bool = False
    """It does not heal by itself: an operator or a restart is needed."""
    exit: Exit | None = None
    """The status with which we end a process for it."""
    alert: AlertSpec | None = None
    summary: Text
    """What happened, and why."""
    check: Steps = Steps()
    """How to make sure."""
    steps: Steps
    """What to do."""
    avoid: Steps = Steps()
    """What not to do."""
    how: tuple[str, ...] = ()
    """Things to do that differ from platform to platform, by name."""
    inhibits: frozenset[str] = frozenset()
    """Codes that say nothing new to anybody while an incident of this one is open."""
    resolved_by: frozenset[str] = frozenset()
    resolve_after: float = 300.0
    """Seconds that a resolving code must have stood without this one."""
    confirm: Confirm | None = None
    search: tuple[str, ...] = ()
    """Words of the programs that print it: what to type into the search of a raw log."""
    reasons: dict[str, Code] = {}

    def why(self, reason: str | None) -> Code:
        """This code as `reason` makes it: its own texts where the reason has any."""
        return self.reasons.get(reason or "", self)

    def remediation(self, lang: str) -> str:
        """What to do and what not, as one text: steps are numbered where there is more than one."""
        return " ".join([*_numbered(self.steps[lang], ")"), *self.avoid[lang]])

    def remediation_lines(self, lang: str) -> str:
        """The same, one step a line."""
        return "\n".join([*_numbered(self.steps[lang], "."), *self.avoid[lang]])


def _numbered(texts: list[str], mark: str) -> list[str]:
    return texts if len(texts) == 1 else [f"{number}{mark} {text}" for number, text in enumerate(texts, 1)]


def seconds(text: str) -> float:
    """`90s`, `15m`, `4h`, `2d` as seconds."""
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]]


def over(base: Table, own: Table) -> Table:
    """The table `base` with everything that `own` says in its place."""
    own = _plain(own)
    said = {key: value for key, value in own.items() if key != "reason"}
    reasons = {name: _laid(table, _differing(said, table)) for name, table in base.get("reason", {}).items()}
    for name, table in own.get("reason", {}).items():
        reasons[name] = _laid(reasons.get(name, {}), table)
    laid = _laid({key: value for key, value in base.items() if key != "reason"}, said)
    return {**laid, "reason": reasons} if reasons else laid


def _differing(said: Table, reason: Table) -> Table:
    """What was said of a code and a reason says otherwise: it holds for the reason as well."""
    return {key: value for key, value in said.items() if key in reason}


def _laid(base: Table, own: Table) -> Table:
    """`own` upon `base`, language by language; a table of `alert` upon one."""
    laid = {**base, **own}
    for key in _TEXTS:
        if key in base and key in own:
            laid[key] = {**base[key], **own[key]}
    if isinstance(base.get("alert"), dict) and own.get("alert"):
        new = own["alert"] if isinstance(own["alert"], dict) else {}
        laid["alert"] = _laid_alert(base["alert"], new)
    return laid


def _laid_alert(base: Table, own: Table) -> Table:
    laid = {**base, **own}
    if "title" in base and "title" in own:
        laid["title"] = {**base["title"], **own["title"]}
    return laid


def _plain(table: Table) -> Table:
    """The table with every text as a table of languages; one text stands for all of them."""
    plain = {key: _spoken(value) if key in _TEXTS else value for key, value in table.items()}
    if isinstance(alert := plain.get("alert"), dict) and "title" in alert:
        plain["alert"] = {**alert, "title": _spoken(alert["title"])}
    if "reason" in plain:
        plain["reason"] = {name: _plain(each) for name, each in plain["reason"].items()}
    return plain


def _spoken(text: Any) -> dict[str, Any]:
    return text if isinstance(text, dict) else dict.fromkeys(LANGUAGES, text)


def ways(table: Table) -> dict[str, Text]:
    """One thing to do, on each platform."""
    return {platform: msgspec.convert(_spoken(text), Text) for platform, text in table.items()}


def faults(base: Table | None, own: Table, known: Mapping[str, set[str]]) -> Iterator[tuple[Path, str]]:
    """What is wrong with the table `own`, laid upon `base` of ours, if there is one.

    Args:
        base: The table that we ship for the code.
        own: The table, of the right shape.
        known: The names of every `code` and every `how`.
    """
    table = over(base or {}, own)
    yield from _missing(base, table)
    for name, reason in [("", table), *table.get("reason", {}).items()]:
        path: Path = ("reason", name) if name else ()
        yield from _unspoken(_laid(table, reason), path)
        yield from _unknown(reason, path, known)
    for key in _FIXED:
        if base is not None and key in own and own[key] != base.get(key):
            yield (
                (key,),
                f"`{key}` of a code that logrules ships stays as it is; a code of your own may have any",
            )


def _missing(base: Table | None, table: Table) -> Iterator[tuple[Path, str]]:
    for key in _NEEDED:
        if key not in table:
            yield (), f"`{key}` is missing: {shape.CODES[key]['description']}"
    if base is None and table.get("fatal") and "exit" not in table:
        choices = ", ".join(repr(name) for name in _EXITS if name != "ok")
        yield ("fatal",), f"what is fatal ends a process: say with which `exit`, one of {choices}"


def _unspoken(table: Table, path: Path) -> Iterator[tuple[Path, str]]:
    """Texts that are there in one language only."""
    alert = table.get("alert")
    title = {"title": alert["title"]} if isinstance(alert, dict) and "title" in alert else {}
    for key, text in {**{key: table[key] for key in _TEXTS if key in table}, **title}.items():
        for lang in LANGUAGES:
            if lang not in text:
                yield (
                    (*path, *(("alert",) if key in title else ()), key),
                    f"`{key}.{lang}` is missing: write it, or one text for every language: {key} = …",
                )


def _unknown(table: Table, path: Path, known: Mapping[str, set[str]]) -> Iterator[tuple[Path, str]]:
    for key, kind in (("inhibits", "code"), ("resolved_by", "code"), ("how", "how")):
        for number, name in enumerate(table.get(key, ())):
            if name not in known[kind]:
                yield (*path, key, number), f"`{key}`: unknown {name!r}{shape.meant(name, known[kind])}"


def built(name: str, table: Table) -> Code:
    """The code that a whole table without faults stands for."""
    own = {key: value for key, value in table.items() if key != "reason"}
    reasons = {reason: _built(name, _laid(own, said)) for reason, said in table.get("reason", {}).items()}
    return msgspec.structs.replace(_built(name, own), reasons=reasons)


def _built(name: str, table: Table) -> Code:
    sign = Sign(table["sign"])
    severity = Severity(table.get("severity", _SEVERITIES.get(sign, Severity.INFO)))
    made = {**table, "code": name, "severity": severity, "steps": table["remediation"]}
    del made["remediation"]
    made["exit"] = _EXITS[table["exit"]] if "exit" in table else None
    made["alert"] = _alert(table.get("alert", False), severity, table["summary"])
    if "resolve_after" in table:
        made["resolve_after"] = seconds(table["resolve_after"])
    if "confirm" in table:
        confirm = table["confirm"]
        made["confirm"] = {"count": int(confirm["count"]), "within": seconds(confirm["within"])}
    return msgspec.convert(made, Code)


def _alert(spec: Any, severity: Severity, summary: Table) -> Table | None:
    """`alert = true` takes every default; `alert = false` wakes nobody."""
    if spec is False:
        return None
    own = {} if spec is True else spec
    return {
        "title": own.get("title", summary),
        "level": own.get("level", _SENTRY_LEVELS.get(severity, severity.value)),
        "repeat": seconds(own.get("repeat", "4h")),
    }
