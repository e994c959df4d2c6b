"""A pattern drafted from a raw line: where its words stand, what varies, what the scanner can find."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from logrules.core.factors import factors
from logrules.core.model import Form, Origin, Severity
from logrules.core.records import Window
from logrules.core.scanner import Hit

LONGEST = 120
"""Characters of a statement that a draft keeps: the words at its start say what it is."""
_ORIGIN = Origin("text", "-", "text")
_VARIES = re.compile(
    r"""
    (?P<secret>\*\*\*)
  | (?P<url>https?://\S+)
  | (?P<quoted>"[^"\n]*"|'[^'\n]*'|`[^`\n]*`)
  | (?P<name>@\w+)
  | (?P<hex>\b(?:0x)?[0-9a-fA-F]*\d[0-9a-fA-F]*(?:-[0-9a-fA-F]+)+\b|\b0x[0-9a-fA-F]+\b|\b[0-9a-f]{12,}\b)
  | (?P<number>-?\d+(?:[.,:]\d+)*)
    """,
    re.VERBOSE,
)
_AS = {
    "secret": r"\S{1,99}",
    "url": r"https?://\S{1,99}",
    "name": r"@\w{1,40}",
    "hex": r"[0-9A-Fa-fx-]{1,60}",
    "number": r"-?[\d.,:]{1,40}",
}


class Draft(NamedTuple):
    """What a pattern for a record would hold."""

    expression: str
    words: tuple[str, ...]
    """Of these the scanner must see one; empty: nothing in the words is fixed enough."""
    form: Form
    level: Severity | None
    """The record's own, if a pattern must ask for less than its default."""
    sample: str

    def toml(self, code: str) -> str:
        """The pack with this one pattern; `code` as the user named it."""
        lines = [
            "format = 0",
            "",
            "[[pattern]]",
            f'code   = "{code}"',
            f"any    = [{_literal(self.expression)}]",
            f'form   = ["{self.form}"]',
        ]
        if self.level:
            lines.append(f'level  = "{self.level}"')
        quoted = f'42 wrote: "{self.sample.partition(chr(10))[0]}"'
        lines += [f"match  = [{_literal(self.sample)}]", f"ignore = [{_literal(quoted)}]"]
        return "\n".join(lines) + "\n"


def draft(text: str) -> Draft | None:
    """The draft for the first record of `text`, from which secrets are masked already.

    None if it states nothing, as an indented line does.
    """
    data = text.strip("\r\n").encode("utf-8", "replace") + b"\n"
    window = Window(_ORIGIN)
    window.push(data, [Hit(data.index(b"\n") + 1, 0)])
    parsed = next(window.take(0.0, final=True), None)
    said = [each for each in parsed.statements if not each.text.startswith("Traceback (")] if parsed else []
    if parsed is None or not said:
        return None
    statement = next((each for each in said if each.form is Form.TRACEBACK), said[0])
    expression = _expression(statement.text.strip().split("\n", 1)[0])
    level = parsed.record.level
    quiet = level if level and level.rank < Severity.WARNING.rank else None
    found = tuple(literal.data.decode("utf-8", "replace") for literal in factors(expression))
    return Draft(expression, found, statement.form, quiet, parsed.record.text)


def _expression(words: str) -> str:
    """A regular expression for the words, with classes for whatever another run would print differently."""
    kept = words if len(words) <= LONGEST else words[:LONGEST].rsplit(" ", 1)[0]
    parts, at = [], 0
    for found in _VARIES.finditer(kept):
        parts += [_escaped(kept[at : found.start()]), _class_of(found)]
        at = found.end()
    return "".join([*parts, _escaped(kept[at:])])


def _class_of(found: re.Match[str]) -> str:
    if found.lastgroup == "quoted":
        mark = found.group()[0]
        return f"{mark}[^{mark}\\n]{{0,99}}{mark}"
    return _AS[str(found.lastgroup)]


def _escaped(text: str) -> str:
    return re.sub(r"([\\.^$*+?{}\[\]|()])", r"\\\1", text)


def _literal(text: str) -> str:
    """A TOML string; in single quotes where it can be, so that backslashes stay as they are."""
    if "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
