"""A pattern drafted from a raw line: where its words stand, what varies, what the scanner can find."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from logrules.core.literals.factors import factors
from logrules.core.literals.search import Hit
from logrules.core.model import Form, Origin, Severity, Sign
from logrules.core.reading.heads import ANSI
from logrules.core.reading.records import Window
from logrules.core.reading.statements import INSIDE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from logrules.core.reading.statements import Parsed, Statement

LENGTHS = (120, 70, 40, 20, 400)
"""Characters of a statement that a draft keeps, the best first: the words at its start say what it is."""
_LOOKED_AT = 1000  # a line may be longer than a record
SAMPLE = 1000
"""Characters of the record that it keeps as its sample."""
SCHEMA = "logrules.schema.json"
"""The file in which a draft looks for the schema of packs."""
NO_WORDS = "MY_RULE"
_WORDS = 3
_ORIGIN = Origin("text", "-", "text")
_VARIES = re.compile(
    r"""
    (?P<secret>\*\*\*)
  | (?P<url>https?://\S+)
  | (?P<quoted>"[^"\n]*"|'[^'\n]*'|`[^`\n]*`)
  | (?P<name>@\w+)
  | (?P<hex>\b(?:0x)?[0-9a-fA-F]*\d[0-9a-fA-F]*(?:-[0-9a-fA-F]+)+\b|\b0x[0-9a-fA-F]+\b|\b[0-9a-f]{12,}\b)
  | (?P<number>-?[0-9]+(?:[.,:][0-9]+)*)
    """,
    re.VERBOSE,
)
_AS = {
    "secret": r"\S{1,200}",
    "url": r"https?://\S{1,200}",
    "name": r"@\w{1,200}",
    "hex": r"[0-9A-Fa-fx-]{1,200}",
}
_SIGNS = {Severity.DEBUG: Sign.INFO, Severity.INFO: Sign.INFO, Severity.WARNING: Sign.WARN}


class Draft(NamedTuple):
    """What a pattern for a record would hold."""

    expression: str
    words: tuple[str, ...]
    """Of these the scanner must see one; empty: nothing in the words is fixed enough."""
    form: Form
    level: Severity | None
    """The record's own, if it has one."""
    said: str
    """What the record states."""
    sample: str
    ignore: str | None = None
    beats: tuple[str, ...] = ()

    @property
    def quoted(self) -> str:
        """The sample as somebody else's words, in which nothing may be recognised."""
        return f'42 wrote: "{self.sample.partition(chr(10))[0]}"'

    def toml(self, code: str, *, own: bool) -> str:
        """The pack with this one pattern, and with `code` if that is the user's `own`."""
        lines = [f"#:schema ./{SCHEMA}", "format = 0", ""]
        if own:
            lines += [
                f"[code.{code}]",
                f'sign        = "{_SIGNS.get(self.level, Sign.BAD) if self.level else Sign.WARN}"',
                "summary     = 'Say here what happened, and why.'",
                "remediation = ['Say here what to do first, with the exact command.', 'And then.']",
                "",
            ]
        lines += [
            "[[pattern]]",
            f'code   = "{code}"',
            f"any    = [{_literal(self.expression)}]",
            f'form   = ["{self.form}"]',
        ]
        if self.level and self.level.rank < Severity.WARNING.rank:
            lines.append(f'level  = "{self.level}"')
        if self.beats:
            lines.append(f"beats  = [{', '.join(_literal(each) for each in self.beats)}]")
        lines.append(f"match  = [{_literal(self.sample)}]")
        if self.ignore is not None:
            lines.append(f"ignore = [{_literal(self.ignore)}]")
        return "\n".join(lines) + "\n"


def drafts(text: str) -> Iterator[Draft]:
    """Drafts for the first record of `text`, from which secrets are masked already, the best first.

    There is none if it states nothing, as an indented line does.
    """
    parsed = _parsed(text)
    if parsed is None:
        return
    made_up = ("Traceback (", INSIDE)  # words that stand nowhere in a log
    said = [each for each in parsed.statements if not each.text.startswith(made_up)]
    said.sort(key=lambda each: each.form is not Form.TRACEBACK)  # the exception says what happened
    for statement in said:
        for length in LENGTHS:
            yield _draft(parsed, statement, length)


def name(said: str, taken: Collection[str]) -> str:
    """A code of the user's own for what a record states: its first words."""
    words = re.findall(r"[A-Za-z]{3,}", _VARIES.sub(" ", said))[:_WORDS]
    wanted = "_".join(["MY", *(word.upper()[:14] for word in words)]) if words else NO_WORDS
    return next(each for each in (wanted, *(f"{wanted}_{n}" for n in range(2, 1000))) if each not in taken)


def _parsed(text: str) -> Parsed | None:
    data = ANSI.sub(b"", text.strip("\r\n").encode("utf-8", "replace")).replace(b"\0", b"") + b"\n"
    window = Window(_ORIGIN)
    window.push(data, [Hit(min(data.index(b"\n") + 1, _LOOKED_AT), frozenset({0}))])
    return next(window.take(0.0, final=True), None)


def _draft(parsed: Parsed, statement: Statement, length: int) -> Draft:
    words = statement.text.strip().split("\n", 1)[0].strip()
    expression = _expression(words, length)
    if '\\"' in parsed.record.text:  # what is sought in a log must not end with what is escaped there
        expression = expression.replace('"[^', r"[^\w\s][^")
    found = tuple(literal.data.decode("utf-8", "replace") for literal in factors(expression))
    sample = parsed.record.text.strip("\r\n")
    if len(sample) > SAMPLE and "\n" not in sample[:SAMPLE]:
        sample = sample[:SAMPLE]
    return Draft(expression, found, statement.form, parsed.record.level, words, sample)


def _expression(words: str, length: int) -> str:
    """A regular expression for the words, with classes for whatever another run would print differently."""
    kept = words if len(words) <= length else words[:length].rsplit(" ", 1)[0]
    parts, at = [], 0
    for found in _VARIES.finditer(kept):
        parts += [_escaped(kept[at : found.start()]), _class_of(found, kept[found.end() :])]
        at = found.end()
    return "".join([*parts, _escaped(kept[at:])])


def _class_of(found: re.Match[str], rest: str) -> str:
    kind = str(found.lastgroup)
    if kind == "quoted":
        mark = found.group()[0]
        return f"{mark}[^{mark}\\n]{{0,200}}{mark}"
    if kind == "number":
        if rest.startswith((".", ",", ":")):  # where the number ends must be clear
            return "-?" + re.sub("[0-9]+", "[0-9]{1,200}", _escaped(found.group().lstrip("-")))
        return r"-?[0-9.,:]{1,200}"
    return _AS[kind]


def _escaped(text: str) -> str:
    """The text as an expression, in which something stands for what cannot be seen or was no text."""
    plain = re.sub(r"([\\.^$*+?{}\[\]|()])", r"\\\1", text)
    seen = "".join(char if char.isprintable() else r"[^\n]" for char in plain)
    return re.sub("\ufffd+", lambda _: r"[^\n]{1,99}", seen)


def _literal(text: str) -> str:
    """A TOML string; in single quotes where it can be, so that backslashes stay as they are."""
    if "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
