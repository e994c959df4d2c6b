"""One pack: a TOML file with patterns, codes and ways to do things, and every fault that it may have.

A pack may come from anybody. It is data: nothing in it is run, and what could keep the program busy for ever
(keys nested without end, expressions that go back and try again) is a fault like any other.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from logrules.core.model import LogrulesError
from logrules.core.ruleset import codes, places, shape
from logrules.core.ruleset.places import Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from logrules.core.ruleset.codes import Table
    from logrules.core.ruleset.patterns import Pattern
    from logrules.core.ruleset.places import Path

LONGEST = 512 * 1024
"""Characters of a pack."""
DEEPEST = 16
"""How deep its tables may be nested."""
_SHARED = ("lead", "own")
"""The keys of a pack that all of its patterns go by."""
_PLACES = {"lead": 1, "own": 300}
"""At how many places of a statement each is tried."""


class PackError(LogrulesError):
    """A pack is malformed: says which file, which code or pattern, and what to write instead."""


class Fault(NamedTuple):
    """What is wrong, where, and what to write instead."""

    source: str
    place: Place | None
    what: str
    """The pattern or code, for people; empty for the pack as a whole."""
    text: str

    def __str__(self) -> str:
        at = ":".join(map(str, (self.source, *(self.place or ()))))
        return ": ".join(filter(None, (at, self.what, self.text)))


@dataclass(frozen=True, slots=True)
class Pack:
    """What could be read of one, and what could not."""

    source: str
    text: str = field(repr=False)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The document as it was parsed."""
    patterns: tuple[Pattern, ...] = ()
    codes: Mapping[str, Table] = field(default_factory=dict)
    how: Mapping[str, Table] = field(default_factory=dict)
    off: tuple[str, ...] = ()
    """Rules of ours that are not wanted: the name of a rule, or the first parts of it."""
    faults: tuple[Fault, ...] = ()

    def fault(self, path: Path, text: str) -> Fault:
        """A fault of the value at `path`."""
        return Fault(self.source, places.place(self.text, path), self._what(path), text)

    def _what(self, path: Path) -> str:
        """The pattern or code that a path leads into."""
        match path:
            case ("pattern", int(number), *_):
                table = self.data["pattern"][number]
                code = table.get("code") if isinstance(table, dict) else None
                return (
                    f"pattern {number + 1} ({code[:48]})"
                    if isinstance(code, str)
                    else f"pattern {number + 1}"
                )
            case ("code" | "how" | "terms" as kind, str(name), *_):
                return f"{kind.removesuffix('s')} {name[:48]}"
        return ""


class Known(NamedTuple):
    """What packs may refer to."""

    codes: Mapping[str, Table]
    """The codes that we ship."""
    how: Collection[str]
    rules: Collection[str]
    """The names of the patterns that we ship."""


def load(text: str, source: str) -> Pack:
    """A pack whose form must be right. Raises PackError with the first fault."""
    pack = read(text, source)
    refuse(pack.faults)
    return pack


def shipped(data: Mapping[str, Any], source: str) -> Pack:
    """A pack of ours: its faults were looked for before it was shipped, and are not again at each start.

    What only a fault is told with is not kept.
    """
    return replace(_made(Pack(source, "", data=data), []), data={})


def document(text: str, *, samples: bool) -> dict[str, Any]:
    """What a pack of ours says; its samples, which few ask for, are half of it."""
    data = tomllib.loads(text)
    for table in data.get("pattern", ()) if not samples else ():
        table.pop("match", None)
        table.pop("ignore", None)
    return data


def dump(documents: Iterable[Mapping[str, Any]]) -> bytes:
    """`documents` for `restored`: TOML takes forty times as long to read."""
    return msgspec.msgpack.encode([msgspec.Raw(msgspec.msgpack.encode(each)) for each in documents])


def restored(data: bytes) -> Iterator[dict[str, Any]]:
    """What was dumped, one at a time."""
    for each in msgspec.msgpack.decode(data, type=list[msgspec.Raw]):
        yield msgspec.msgpack.decode(each)


def refuse(faults: Iterable[Fault]) -> None:
    """Raises PackError for the first of `faults`, if there is one."""
    for fault in faults:
        raise PackError(f"{fault}. `logrules check {fault.source}` shows every fault")


def read(text: str, source: str) -> Pack:
    """Everything of a pack that can be read, and every fault of its form."""
    text = text.replace("\r\n", "\n")
    empty = Pack(source, text)
    if len(text) > LONGEST:
        return _refused(empty, f"it is longer than {LONGEST} characters: that is no pack")
    if places.depth(text) > DEEPEST:
        return _refused(empty, f"its keys or brackets are nested more than {DEEPEST} deep: that is no pack")
    try:
        return _taken_apart(replace(empty, data=tomllib.loads(text)))
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        return replace(empty, faults=(_malformed(str(error), source),))


def _refused(pack: Pack, why: str) -> Pack:
    return replace(pack, faults=(Fault(pack.source, None, "", why),))


def _taken_apart(pack: Pack) -> Pack:
    """What of the document has no fault, and the faults of the rest."""
    wrong: list[tuple[Path, str]] = [((), _NOTHING)]
    if pack.data.keys() - {"format"}:
        wrong = list(shape.faults(pack.data, shape.PACK))
        wrong += list(_faults_of_parts(pack.data, wrong))
    return replace(_made(pack, wrong), faults=tuple(pack.fault(path, text) for path, text in wrong))


def _made(pack: Pack, wrong: list[tuple[Path, str]]) -> Pack:
    """The pack with all in it that nothing is wrong with."""
    data = pack.data
    terms = _terms(_sound(data.get("terms", {}), ("terms",), wrong))
    shared = {key: tuple(_sound(data.get(key, []), (key,), wrong).values()) for key in _SHARED}
    tables = _sound(data.get("pattern", []), ("pattern",), wrong)
    return replace(
        pack,
        patterns=tuple(_pattern(_spelled(tables[n], terms), pack.source, n + 1, shared) for n in tables),
        codes=_sound(data.get("code", {}), ("code",), wrong),
        how=_sound(data.get("how", {}), ("how",), wrong),
        off=tuple(_sound(data.get("off", []), ("off",), wrong).values()),
    )


def _pattern(table: Table, source: str, number: int, shared: Mapping[str, tuple[str, ...]]) -> Pattern:
    # Here, because it costs 70 ms: who only wants to know what codes mean, as a guarded bot does, needs none.
    from logrules.core.ruleset import patterns

    return patterns.made(table, source, number, **shared)


def _expanded(text: str, terms: Mapping[str, str]) -> str:
    from logrules.core.ruleset import patterns

    return patterns.expanded(text, terms)


def _faults_of_parts(data: Mapping[str, Any], wrong: list[tuple[Path, str]]) -> Iterator[tuple[Path, str]]:
    """What is wrong with the expressions that patterns are put together from."""
    from logrules.core.ruleset import patterns

    terms: dict[str, str] = {}
    for name, text in _sound(data.get("terms", {}), ("terms",), wrong).items():
        term = f"(?:{patterns.expanded(text, terms)})"
        found = list(patterns.expression_faults(term, needs_words=False))
        yield from ((("terms", name), fault) for fault in found)
        terms[name] = "" if found else term  # what names it is not at fault
    for key in _SHARED:
        for number, text in _sound(data.get(key, []), (key,), wrong).items():
            faults = patterns.expression_faults(text, needs_words=False, places=_PLACES[key])
            yield from (((key, number), fault) for fault in faults)


def _sound(values: Any, path: Path, wrong: list[tuple[Path, str]]) -> dict[Any, Any]:
    """The entries of a table or list in which nothing is wrong, by name or number."""
    if any(path[: len(where)] == where for where, _ in wrong if where):
        return {}
    bad = {where[len(path)] for where, _ in wrong if where[: len(path)] == path}
    pairs = values.items() if isinstance(values, dict) else enumerate(values)
    return {key: value for key, value in pairs if key not in bad}


def _terms(texts: Mapping[str, str]) -> dict[str, str]:
    """The terms of a pack, spelled out; each may name those before it."""
    terms: dict[str, str] = {}
    for name, text in texts.items():
        terms[name] = f"(?:{_expanded(text, terms)})"
    return terms


def _spelled(table: Table, terms: Mapping[str, str]) -> Table:
    """A pattern's table with the terms that its expressions name spelled out."""
    return {**table, "any": [_expanded(text, terms) for text in table["any"]]} if terms else table


_NOTHING = (
    "there is nothing in it. A pack begins with `format = 0`; then come `[[pattern]]`, `[code.NAME]` or "
    "`off = ['…']`. `logrules new-rule` drafts one from a line of a log"
)
_HINTS = {
    "Invalid value": "texts stand in quotes ('…'), true and false do not",
    "Expected '=' after a key": "write `key = value`, and headers as `[[pattern]]` or `[code.NAME]`",
    "Unescaped '\\'": "write it in single quotes, where a backslash is a backslash: '\\d+'",
    "Illegal character '\\n'": "the closing quote is missing in this line",
    "Unterminated string": "the closing quote is missing",
    'Expected "\'"': "the closing quote is missing",
    "Unclosed array": "the closing ] is missing, or a comma between two entries",
    "Cannot overwrite a value": "the same key stands twice; a file has one `format = 0`, at its beginning",
    "Cannot declare": "the same table stands twice; several patterns are `[[pattern]]`, with two brackets",
    "Cannot mutate immutable namespace": "`pattern = [...]` and `[[pattern]]` do not go together",
    "Cannot namespace": "`[pattern]` with one bracket stands before `[[pattern]]` with two",
    "Expected ']]'": "`[[pattern]]` has two brackets at each end",
    "Expected newline or end of document": "one key or value a line; is a quote or a comma missing before?",
    "Illegal character": "a control character: write it as \\u001b in double quotes, or leave it out",
    "Exceeds the limit": "that number is too long",
    "Expected ']' at the end of a table declaration": "headers are `[[pattern]]` or `[code.NAME]`",
    "Invalid initial character for a key part": "a key is a word, such as `any`",
    "recursion": "it is nested too deeply",
}
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)")


def _malformed(error: str, source: str) -> Fault:
    """The parser's own words, where it stopped, and what is usually meant."""
    at = _AT.search(error)
    place = Place(int(at[1]), int(at[2])) if at and at[1] else None
    hint = next((f": {hint}" for words, hint in _HINTS.items() if words in error), "")
    end = " at the end of the file" if at and not at[1] else ""
    return Fault(source, place, "", f"not valid TOML: {_AT.sub('', error)}{end}{hint}")


def lint(pack: Pack, known: Known, around: Iterable[Pack] = ()) -> Iterator[Fault]:
    """What is wrong with a pack of the right form, before any sample is tried.

    Args:
        pack: The pack.
        known: What we ship.
        around: The packs that are used with it.
    """
    from logrules.core.ruleset import patterns

    others = [pack, *around]
    names = {*known.codes, *(name for each in others for name in each.codes)}
    ways = {*known.how, *(name for each in others for name in each.how)}
    for pattern in pack.patterns:
        for path, text in patterns.faults(pattern, names):
            yield pack.fault(("pattern", pattern.number - 1, *path), text)
    for name, table in pack.codes.items():
        for path, text in codes.faults(known.codes.get(name), table, {"code": names, "how": ways}):
            yield pack.fault(("code", name, *path), text)
    yield from _nothing_off(pack, known)


def _nothing_off(pack: Pack, known: Known) -> Iterator[Fault]:
    for number, rule in enumerate(pack.off):
        if not any(is_off(each, [rule]) for each in known.rules):
            parts = {"/".join(each.split("/")[:length]) for each in known.rules for length in (1, 2, 3)}
            how = (
                shape.meant(rule, parts) or ". They are named in events, and by logrules scan --rules-report"
            )
            yield pack.fault(("off", number), f"no rule {rule!r}{how}")


def is_off(rule: str, off: Iterable[str]) -> bool:
    """Whether a rule is one of those, or below one of them: `discord` means all of `discord/…`."""
    return any(rule == each or rule.startswith(f"{each}/") for each in off)
