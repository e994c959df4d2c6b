"""What each code means and leads to: the types behind `packs/codes.toml`, and how they are read."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import msgspec

from logrules.core.model import Exit, LogrulesError, Severity, Sign

LANGUAGES = ("en", "ru")
CODE = re.compile(r"[A-Z][A-Z0-9_]{2,47}\Z")
FORMAT = 0

_EXITS = {exit_.name.lower(): exit_ for exit_ in Exit}
_SENTRY_LEVELS = {Severity.DEBUG: "debug", Severity.CRITICAL: "fatal"}  # the others bear the same name


class PackError(LogrulesError):
    """A pack is malformed: says which file, which code or pattern, and what to write instead."""


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text in every language that an operator reads."""

    en: str
    ru: str

    def __getitem__(self, lang: str) -> str:
        """The text in `lang`, or in English."""
        return self.ru if lang == "ru" else self.en


class Steps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do, step by step, in every language."""

    en: list[str]
    ru: list[str]

    def __getitem__(self, lang: str) -> list[str]:
        """The steps in `lang`, or in English."""
        return self.ru if lang == "ru" else self.en

    def joined(self, lang: str) -> str:
        """The steps as one text: numbered where there is more than one."""
        steps = self[lang]
        return steps[0] if len(steps) == 1 else " ".join(f"{n}) {step}" for n, step in enumerate(steps, 1))


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


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """One code (or one reason of a code): an API; never reused, never renamed."""

    code: str
    sign: Sign
    severity: Severity
    fatal: bool
    """It does not heal by itself: an operator or a restart is needed."""
    exit: Exit | None
    """The status with which we end a process for it."""
    alert: AlertSpec | None
    summary: Text
    steps: Steps
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


def seconds(text: str) -> float:
    """`90s`, `15m`, `4h`, `2d` as seconds. Raises ValueError for anything else."""
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if not found:
        raise ValueError(f"{text!r} is no duration: write for example '90s', '15m', '4h' or '2d'")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]


def load(text: str, source: str) -> dict[str, Code]:
    """The codes of one `codes.toml`. `source` names the file in errors. Raises PackError."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PackError(f"{source}: not valid TOML: {error}") from error
    if data.get("format") != FORMAT:
        raise PackError(f"{source}: the first line must be `format = {FORMAT}`")
    return {name: _code(name, table, source) for name, table in data.get("code", {}).items()}


def _code(name: str, table: dict[str, Any], source: str) -> Code:
    if not CODE.match(name):
        raise PackError(f"{source}: {name!r} is no code: write capitals, digits and _, 3 to 48 of them")
    table = dict(table)
    reasons = table.pop("reason", {})
    # A reason states only what differs from its code.
    made = {reason: _built(name, _merged(table, own), source) for reason, own in reasons.items()}
    return _built(name, {**table, "reasons": made}, source)


def _merged(table: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = {**table, **own}
    if isinstance(table.get("alert"), dict) and isinstance(own.get("alert"), dict):
        merged["alert"] = {**table["alert"], **own["alert"]}
    return merged


def _built(name: str, table: dict[str, Any], source: str) -> Code:
    reasons = table.pop("reasons", {})
    try:
        severity = Severity(table["severity"])
        table["exit"] = _EXITS[table["exit"]] if "exit" in table else None
        table["alert"] = _alert(table.get("alert", False), severity, table["summary"])
        table["steps"] = table.pop("remediation")
        for key in ("resolve_after",):
            if key in table:
                table[key] = seconds(table[key])
        if "confirm" in table:
            table["confirm"] = {**table["confirm"], "within": seconds(table["confirm"]["within"])}
        _known(table)
        code = msgspec.convert({**table, "code": name}, Code)
    except KeyError as error:
        raise PackError(
            f"{source}: code {name}: {error} is missing or not one of the known values"
        ) from error
    except (ValueError, msgspec.ValidationError) as error:
        raise PackError(f"{source}: code {name}: {error}") from error
    if code.fatal and code.exit is None:
        raise PackError(f"{source}: code {name} is fatal, so it needs an `exit`: one of {', '.join(_EXITS)}")
    return msgspec.structs.replace(code, reasons=reasons)


def _known(table: dict[str, Any]) -> None:
    unknown = table.keys() - set(Code.__struct_fields__)
    if unknown:
        known = ", ".join(sorted({*Code.__struct_fields__, "remediation"} - {"code", "steps", "reasons"}))
        raise ValueError(f"unknown key {min(unknown)!r}; the known ones are {known}")


def _alert(spec: Any, severity: Severity, summary: dict[str, str]) -> dict[str, Any] | None:
    """`alert = true` takes every default; `alert = false` wakes nobody."""
    if spec is False:
        return None
    own = {} if spec is True else spec
    return {
        "title": own.get("title", summary),
        "level": own.get("level", _SENTRY_LEVELS.get(severity, severity.value)),
        "repeat": seconds(own.get("repeat", "4h")),
    }
