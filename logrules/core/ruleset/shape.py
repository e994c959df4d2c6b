"""What may stand in a pack, as a JSON Schema, and its faults in plain words.

The schema that editors read is the one that `check` goes by. Only the keywords that `faults` knows are used.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from logrules.core.model import Exit, Form, Severity, Sign

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from logrules.core.ruleset.places import Path

Shape = dict[str, Any]

FORMAT = 0
LONGEST = 2000
"""Characters of an expression. How long it takes to compile grows with them."""
_FEW = 30
MOST = 2000
"""Patterns in one pack."""

CODE = r"^[A-Z][A-Z0-9_]{2,47}$"
NAME = r"^[a-z][a-z0-9_]{0,39}$"
_CONTROL = "[\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]"
_LEVELS = ["debug", "info", "warning", "error", "fatal"]
_KINDS = {
    "string": "a text in quotes",
    "boolean": "true or false, without quotes",
    "integer": "a whole number, without quotes",
    "object": "a table",
}


def _shape(kind: str, description: str = "", **more: Any) -> Shape:
    return {"type": kind, **({"description": description} if description else {}), **more}


def _texts(description: str, **more: Any) -> Shape:
    return _shape("array", description, items={"type": "string", "maxLength": 20_000}, **more)


def _choice(values: Iterable[str], description: str) -> Shape:
    return _shape("string", description, enum=list(values))


def _table(description: str, properties: Mapping[str, Shape], *required: str) -> Shape:
    more = {"required": list(required)} if required else {}
    return _shape("object", description, properties=dict(properties), additionalProperties=False, **more)


_LINE = {"type": "string", "minLength": 1, "maxLength": 1000, "not": {"pattern": _CONTROL}}
_CODE = {"type": "string", "pattern": CODE}
_CODES = {"type": "array", "items": _CODE}
_EXPRESSION = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST,
    "not": {"pattern": "[\\u0000-\\u001f]"},
}
_EXPRESSIONS = {"type": "array", "items": _EXPRESSION}
_LASTS = {"type": "string", "pattern": "^[0-9]{1,6}[smhd]$"}


def _text(description: str) -> Shape:
    both = {**_table("in every language", {"en": _LINE, "ru": _LINE}), "minProperties": 1}
    return {"description": description, "anyOf": [_LINE, both]}


def _steps(description: str) -> Shape:
    lines = {"type": "array", "items": _LINE, "minItems": 1, "maxItems": 9}
    both = {**_table("in every language", {"en": lines, "ru": lines}), "minProperties": 1}
    return {"description": description, "anyOf": [lines, both]}


PATTERN: dict[str, Shape] = {
    "code": {**_CODE, "description": "what it means: a code of ours (logrules codes) or of this pack"},
    "reason": _shape("string", "which of the code's reasons", pattern=NAME),
    "any": {
        **_EXPRESSIONS,
        "minItems": 1,
        "description": "regular expressions, from a statement's first word on; one of them must match",
    },
    "whole": _shape("boolean", "the line must end with the words, punctuation and emoji aside"),
    "form": _shape(
        "array",
        "where the words must stand: behind a log's head, in a traceback's last line, or in a line alone",
        items={"enum": [form.value for form in Form], "type": "string"},
        minItems=1,
    ),
    "level": _choice(
        Severity, "the lowest level of a record that counts; by default warning for what is bad"
    ),
    "fatal": _shape(
        "boolean", "whether it needs an operator or a restart, if that differs from the code's own"
    ),
    "generic": _shape("boolean", "it says that something failed, not what: anything else in the record wins"),
    "logged": _shape(
        "boolean", "only in a record that came through a logger (true), or only in others (false)"
    ),
    "frames": {**_EXPRESSION, "description": "only under a traceback in which this expression is found"},
    "beats": {**_CODES, "description": "codes that add nothing where this one stands"},
    "match": _texts("records that it must recognise; each expression needs one", minItems=1),
    "ignore": _texts("records in which nothing may be recognised"),
}
"""The keys of a `[[pattern]]`."""

_ALERT = _table(
    "whom it wakes",
    {
        "title": _text("what a lock screen shows"),
        "level": _choice(_LEVELS, "how loud it is; by default as the code's severity"),
        "repeat": {
            **_LASTS,
            "description": "when an incident that goes on is told again: '90s', '15m', '4h', '1d'",
        },
    },
)
_CONFIRM = _table(
    "how often it must be seen before it wakes anybody",
    {
        "count": _shape("integer", "so many times", minimum=1),
        "within": {**_LASTS, "description": "in so long"},
    },
    "count",
    "within",
)
_OF_CODE: dict[str, Shape] = {
    "sign": _choice(Sign, "what it says to somebody who skims"),
    "severity": _choice(Severity, "the level of its events"),
    "fatal": _shape("boolean", "whether it needs an operator or a restart"),
    "exit": _choice(
        (each.name.lower() for each in Exit if each), "the status with which a process ends for it"
    ),
    "alert": {"description": "whom it wakes: true, false or a table", "anyOf": [{"type": "boolean"}, _ALERT]},
    "confirm": _CONFIRM,
    "summary": _text("what happened, and why"),
    "check": _steps("how to make sure"),
    "remediation": _steps("what to do, step by step"),
    "avoid": _steps("what not to do"),
    "how": _shape(
        "array", "things to do that differ from platform to platform", items=_shape("string", pattern=NAME)
    ),
    "inhibits": {**_CODES, "description": "codes that say nothing new while this one goes on"},
    "resolved_by": {**_CODES, "description": "codes that end it"},
    "resolve_after": {**_LASTS, "description": "how long such a code must have stood: '90s', '5m'"},
    "search": _texts("what to type into the search of a raw log"),
}
_REASON = _table("", _OF_CODE)
CODES: dict[str, Shape] = {
    **_OF_CODE,
    "reason": _shape(
        "object", "what differs for one reason", additionalProperties=_REASON, propertyNames={"pattern": NAME}
    ),
}
"""The keys of a `[code.NAME]`."""

HOW = _shape(
    "object",
    "one thing to do, on each platform",
    additionalProperties=_text("how it is done there"),
    propertyNames={"pattern": NAME},
)

PACK = _table(
    "",
    {
        "format": {"type": "integer", "enum": [FORMAT], "description": "a pack begins with `format = 0`"},
        "lead": {**_EXPRESSIONS, "description": "what may stand before the words of this pack's patterns"},
        "own": {
            **_EXPRESSIONS,
            "description": "what only a library says: before it, in a bad line, its author may say anything",
        },
        "terms": _shape(
            "object",
            "parts of expressions: where an expression says {name}, the term of that name stands",
            additionalProperties=_EXPRESSION,
            propertyNames={"pattern": NAME},
        ),
        "off": _texts("rules of logrules that are not for you: 'discord', 'telegram/CONFLICT_409'"),
        "pattern": _shape(
            "array",
            "how codes look in a log",
            items=_table("", PATTERN, "code", "any", "match"),
            maxItems=MOST,
        ),
        "code": _shape(
            "object",
            "codes of your own, or what you would say differently of ours",
            additionalProperties=_table("", CODES),
            propertyNames={"pattern": CODE},
        ),
        "how": _shape("object", "", additionalProperties=HOW, propertyNames={"pattern": NAME}),
    },
    "format",
)
"""A whole pack."""


def schema(codes: Iterable[str]) -> Shape:
    """The JSON Schema (draft 2020-12) of a pack; editors offer `codes`, and take others too."""
    pattern = {**PATTERN, "code": {**PATTERN["code"], "examples": sorted(codes)}}
    listed = {**PACK["properties"]["pattern"], "items": _table("", pattern, "code", "any", "match")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A logrules pack",
        **PACK,
        "properties": {**PACK["properties"], "pattern": listed},
    }


def faults(value: Any, shape: Shape, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every way in which `value` is not of its shape: where, and what to write instead."""
    if "anyOf" in shape:
        fitting = [each for each in shape["anyOf"] if _is(value, each["type"])]
        if not fitting:
            yield (
                path,
                f"{_named(path)} must be {' or '.join(map(_kind, shape['anyOf']))}, not {_what(value)}",
            )
        for each in fitting:
            yield from faults(value, each, path)
    elif not _is(value, shape["type"]):
        yield path, f"{_named(path)} must be {_kind(shape)}, not {_what(value)}"
    elif isinstance(value, str):
        yield from ((path, fault) for fault in _of_text(value, shape, path))
    elif isinstance(value, list):
        yield from _of_list(value, shape, path)
    elif isinstance(value, dict):
        yield from _of_table(value, shape, path)
    elif "minimum" in shape and value < shape["minimum"]:
        yield path, f"{_named(path)} must be at least {shape['minimum']}"
    elif "enum" in shape and value not in shape["enum"]:
        yield path, f"{_named(path)} must be {' or '.join(map(str, shape['enum']))}, not {value}"


def _of_text(text: str, shape: Shape, path: Path) -> Iterator[str]:
    if len(text) < shape.get("minLength", 0):
        yield f"{_named(path)} is empty"
    elif len(text) > shape.get("maxLength", len(text)):
        yield f"{_named(path)} is longer than {shape['maxLength']} characters"
    elif "enum" in shape and text not in shape["enum"]:
        yield f"{_named(path)}: unknown {text!r}{meant(text, shape['enum'])}"
    elif "pattern" in shape and not re.search(shape["pattern"], text):
        yield f"{_named(path)}: {text[:60]!r} is not {_FORMS[shape['pattern']]}"
    elif "not" in shape and (found := re.search(shape["not"]["pattern"], text)):
        yield (
            f"{_named(path)} has a control character in it ({found[0]!r} at {found.start() + 1}): "
            r"in single quotes '\b' and '\n' stay as they are"
        )


def _of_list(values: list[Any], shape: Shape, path: Path) -> Iterator[tuple[Path, str]]:
    if len(values) < shape.get("minItems", 0):
        yield path, f"{_named(path)} is empty: write at least one"
    if len(values) > shape.get("maxItems", len(values)):
        yield path, f"{_named(path)} has more than {shape['maxItems']} entries"
        return
    for number, value in enumerate(values):
        yield from faults(value, shape["items"], (*path, number))


def _of_table(table: dict[str, Any], shape: Shape, path: Path) -> Iterator[tuple[Path, str]]:
    known = shape.get("properties", {})
    misspelt = {key for name in table.keys() - known.keys() for key in _close(name, known)}
    for key in shape.get("required", ()):
        if key not in table and key not in misspelt:
            yield path, f"`{key}` is missing: {known[key]['description']}"
    if len(table) < shape.get("minProperties", 0):
        yield path, f"{_named(path)} is empty"
    for key, value in table.items():
        below = (*path, key)
        if key in known:
            yield from faults(value, known[key], below)
        elif shape["additionalProperties"] is False:
            yield below, f"unknown key {key!r}{meant(key, known)}"
        elif not re.search(names := shape["propertyNames"]["pattern"], key):
            yield below, f"{key[:60]!r} is not {_FORMS[names]}"
        else:
            yield from faults(value, shape["additionalProperties"], below)


_FORMS = {
    CODE: "a code: capitals, digits and _, 3 to 48 of them",
    NAME: "a name: small letters, digits and _",
    _LASTS["pattern"]: "a duration: write for example '90s', '15m', '4h' or '1d'",
}


def meant(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: what was probably meant, else the few that are known."""
    close = _close(word, known)
    if close:
        return f": did you mean {close[0]!r}?"
    words = sorted(known)
    return f"; known are {', '.join(words)}" if len(words) <= _FEW else ""


def _close(word: str, known: Iterable[str]) -> list[str]:
    """The one that was probably meant, if there is such a one."""
    words, word = sorted(known), word[:100]
    return difflib.get_close_matches(word, words, 1) or difflib.get_close_matches(word.upper(), words, 1)


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
        case "array":
            return isinstance(value, list)
    return isinstance(value, dict)


def _kind(shape: Shape) -> str:
    if shape["type"] == "array":
        return (
            "a list, such as ['…', '…']"
            if shape["items"].get("type") == "string"
            else "a list: `[[pattern]]`, with two brackets"
        )
    return _KINDS[shape["type"]]


def _what(value: Any) -> str:
    """A value as the user sees it, never what it holds."""
    kinds = {
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
    }
    return next((name for kind, name in kinds.items() if type(value) is kind), "a date")


def _named(path: Path) -> str:
    """The last key of a path, and which entry of its list."""
    keys = [part for part in path if isinstance(part, str)]
    if not keys:
        return "the pack"
    number = path[-1]
    return f"`{keys[-1]}`" if isinstance(number, str) else f"entry {number + 1} of `{keys[-1]}`"
