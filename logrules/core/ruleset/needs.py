"""What an expression needs and tells apart, as its tree has it, and how that is kept for the next process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from logrules.core.literals.digits import tells
from logrules.core.literals.factors import candidates, factors, forget, leading, parsed
from logrules.core.literals.scanner import Literal
from logrules.core.literals.shelf import Wanted, packed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_OF_FRAMES = r"\(\w{3}\s\w{3}\)\sin\s"
"""How patterns spell what is stated of a frame: words that stand nowhere in a log."""
_FRAME = (Literal(b", line "),)
_MADE_UP = b"(cut off)"
"""Stated of a traceback, and no word of it."""
_SHORTEST, _LONGEST, _MOST = 3, 32, 2
"""Letters of a word, words of a part, and parts beside the rarest that are worth looking for."""
_SIGNS = (b"#", b"@", b"^C")
"""…but for signs that few lines hold."""
_SPOILT = frozenset(b"\"'\\\t\r\n\x1b")


class Need(NamedTuple):
    """What is known of an expression from its tree, which takes long to read."""

    wanted: bytes
    """What a log must hold, packed."""
    tells: bool
    """Whether it tells one digit from another."""


def needs(texts: Iterable[str]) -> list[Need]:
    """What is known of each expression. Takes 0.5 ms for each: `logrules.derived` keeps it."""
    found = [Need(packed(_wanted(text)), tells(text)) for text in texts]
    forget()
    return found


def _wanted(text: str) -> Wanted:
    chosen = factors(text)
    if not chosen:
        return Wanted(((),))  # found nowhere: `check` refuses it
    if text.startswith(_OF_FRAMES):
        return Wanted((tuple(_in_one_line(_in_paths(chosen))), _FRAME))
    sets = candidates(text)
    rarest = max(number for number, each in enumerate(sets) if each == chosen)
    is_ascii = all(literal.data.isascii() for literal in chosen)
    beside = [
        number
        for number, each in enumerate(sets)
        if number != rarest and _is_plain(_in_one_line(each), is_ascii=is_ascii)
    ]
    beside.sort(key=lambda number: -min(len(literal.data) for literal in sets[number]))
    spans = _may_wrap(_worded(parsed(text)))
    if spans:  # what stands in later lines has not been read yet
        beside = [number for number in beside if number < rarest]
    kept = sorted([rarest, *beside[:_MOST]])
    parts = tuple(tuple(_in_one_line(sets[number])) for number in kept)
    begins = kept[0] == 0 and leading(text) and all(literal.data[:1].isalnum() for literal in parts[0])
    return Wanted(parts, kept.index(rarest), spans, begins)


def _is_plain(literals: Sequence[Literal], *, is_ascii: bool) -> bool:
    """Whether the words look the same in JSON; with `is_ascii` also where it spells out all others."""
    return 0 < len(literals) <= _LONGEST and all(
        (len(data) >= _SHORTEST or data in _SIGNS)
        and data.isascii() >= is_ascii
        and not set(data) & _SPOILT
        and data != _MADE_UP
        for data, _ in literals
    )


def _in_one_line(literals: Iterable[Literal]) -> list[Literal]:
    pieces = ((max(data.split(b"\n"), key=len), caseless) for data, caseless in literals)
    return [Literal(data.lower() if caseless else data, caseless) for data, caseless in pieces]


def _worded(tree: Any) -> Any:
    """An expression without what may follow its last word: a line's end there parts no words."""
    end = len(tree)
    while end and _is_wrapped(str(tree[end - 1][0]), tree[end - 1][1]):
        if tree[end - 1 : end].getwidth()[0] > 1:  # it may hold a word that is wanted
            break
        end -= 1
    return tree[:end]


def _may_wrap(tree: Iterable[Any]) -> bool:
    """Whether an expression can match a line's end: what it matches may then stand in several lines."""
    return any(_is_wrapped(str(operation), argument) for operation, argument in tree)


def _is_wrapped(name: str, argument: Any) -> bool:
    found = name not in {"ANY", "AT", "ASSERT", "ASSERT_NOT"}
    match name:
        case "LITERAL":
            found = argument == _NEWLINE
        case "NOT_LITERAL":
            found = argument != _NEWLINE
        case "IN":
            negated = str(argument[0][0]) == "NEGATE"
            found = negated != any(_holds_newline(str(kind), value) for kind, value in argument[negated:])
        case "BRANCH":
            found = any(map(_may_wrap, argument[1]))
        case "SUBPATTERN" | "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            found = _may_wrap(argument[-1])
        case "ATOMIC_GROUP":
            found = _may_wrap(argument)
    return bool(found)


def _holds_newline(kind: str, value: Any) -> bool:
    if kind == "LITERAL":
        return bool(value == _NEWLINE)
    if kind == "RANGE":
        return bool(value[0] <= _NEWLINE <= value[1])
    return str(value) in {"CATEGORY_SPACE", "CATEGORY_NOT_WORD", "CATEGORY_NOT_DIGIT"}


_NEWLINE = ord("\n")


def _in_paths(modules: Iterable[Literal]) -> Iterator[Literal]:
    """A frame's module, as a log spells it."""
    for data, caseless in modules:
        for end in (b"/", b"\\", b".py"):
            yield Literal(data + end, caseless)


def dump(known: Mapping[str, Need]) -> bytes:
    """`known` for `load`."""
    return msgspec.msgpack.encode(known)


def load(data: bytes) -> dict[str, Need]:
    """What was dumped."""
    return msgspec.msgpack.decode(data, type=dict[str, Need])
