"""Which of many expressions can match at all where a text begins as it does.

A line is tried against dozens of shapes, of which its first letters rule out nearly all. What they rule out
is read from the tree of `re`'s own parser, and remembered for the next line that begins alike. Nothing is
left out that could match.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from logrules.core.literals.factors import parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Chooser = Callable[[str], "tuple[re.Pattern[str], ...]"]
_STAMPED, _OTHER = 26, 6
"""Letters that are looked at: a time stamp and what follows it, and of anything else the first word."""
_BEGINNINGS = 2048
_DIGITS = str.maketrans("123456789", "000000000")
_TEN = "0123456789"
_ASCII = 127
_MARK = 0xF0000
"""The first of the letters that stand for pieces: nobody's own, and in no expression."""

_CATEGORIES: dict[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": str.isdecimal,
    "CATEGORY_NOT_DIGIT": lambda letter: not letter.isdecimal(),
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_NOT_SPACE": lambda letter: not letter.isspace(),
    "CATEGORY_WORD": lambda letter: letter.isalnum() or letter == "_",
    "CATEGORY_NOT_WORD": lambda letter: not (letter.isalnum() or letter == "_"),
}


class Shape(NamedTuple):
    """A regular expression that is not compiled before a text begins as it asks for: few ever are."""

    pattern: str
    flags: int = 0

    def compiled(self) -> re.Pattern[str]:
        """It, ready to match."""
        return _compiled(self.pattern, self.flags)


_compiled = cache(re.compile)


def chooser(shapes: Sequence[Shape], pieces: Iterable[str] = ()) -> Chooser:
    """A function that gives those `shapes` that can match where a text begins, in their order.

    Args:
        shapes: what a text may begin with.
        pieces: groups of which they are made, written in the same way: each is read once.
    """
    reader = _Reader(pieces)
    trees = tuple(reader.tree(shape) for shape in shapes)

    @lru_cache(_BEGINNINGS)
    def left(beginning: str) -> tuple[_Tree, ...]:
        """Those that it leaves; few are looked at to its end, for half of it leaves few."""
        possible = left(beginning[: len(beginning) // 2]) if len(beginning) > 1 else trees
        return tuple(each for each in possible if _can_match(each, beginning))

    @lru_cache(_BEGINNINGS)
    def chosen(beginning: str) -> tuple[re.Pattern[str], ...]:
        return tuple(each.shape.compiled() for each in left(beginning))

    def choose(text: str) -> tuple[re.Pattern[str], ...]:
        at = text[:2].lstrip("[(")[:1]
        return chosen(text[: _STAMPED if at.isdigit() else _OTHER].translate(_DIGITS))

    return choose


class _Tree(NamedTuple):
    """An expression, and what it begins with."""

    shape: Shape
    nodes: Any
    folds: bool
    """Whether capitals are small letters to it."""


class _Reader:
    """Reads what so many letters can reach of trees, in plain tuples, equal ones once; the rest is megabytes.

    A piece that many expressions hold is a mark in their text, and its own tree in theirs.
    """

    def __init__(self, pieces: Iterable[str]) -> None:
        self._pieces = sorted(pieces, key=len, reverse=True)
        self._nodes: dict[tuple[int, int], Any] = {}
        self._known: dict[Any, Any] = {}

    def tree(self, shape: Shape) -> _Tree:
        nodes, flags = self._read(shape.pattern, shape.flags)
        return _Tree(shape, nodes, bool(flags & re.IGNORECASE))

    def _read(self, text: str, flags: int, first: int = 0) -> tuple[Any, int]:
        """The nodes of a text, of which the pieces from the `first` on may be part, and its flags."""
        for number, piece in enumerate(self._pieces[first:], first):
            text = text.replace(piece, f"(?>{chr(_MARK + number)})")
        tree = parsed(text, flags)
        return self._reached(tree, flags), tree.state.flags

    def _piece(self, number: int, flags: int) -> Any:
        if (number, flags) not in self._nodes:
            self._nodes[number, flags] = self._read(self._pieces[number], flags, number + 1)[0]
        return self._nodes[number, flags]

    def _reached(self, node: Any, flags: int) -> Any:
        if type(node) is int:
            return node
        if isinstance(node, int):  # one of the parser's own names for numbers, of which one is meant as such
            return int(node) if str(node) == "MAXREPEAT" else str(node)
        if hasattr(node, "getwidth"):
            node = list(_cut(node, _STAMPED))
            if len(node) == 1 and str(node[0][0]) == "LITERAL" and node[0][1] >= _MARK:
                return self._piece(node[0][1] - _MARK, flags)
        if not isinstance(node, list | tuple):
            return node
        plain = tuple([self._reached(each, flags) for each in node])
        # Equal parts are the same by now; to compare all that is in them would take long.
        key = tuple([-id(each) if isinstance(each, tuple) else each for each in plain])
        return self._known.setdefault(key, plain)


def _cut(sequence: Any, letters: int) -> Iterator[Any]:
    """The nodes of a sequence before which fewer letters than that must stand."""
    for at, node in enumerate(sequence):
        if letters <= 0:
            break
        yield node
        letters -= sequence[at : at + 1].getwidth()[0]


def _can_match(tree: _Tree, text: str) -> bool:
    """Whether an expression can match where a text begins like this; at its end all is possible."""
    starts = {0}
    for operation, argument in tree.nodes:
        starts = _after(str(operation), argument, starts, text, folds=tree.folds)
        if not starts or len(text) in starts:
            break
    return bool(starts)


def _ends(tree: Iterable[Any], starts: set[int], text: str, *, folds: bool) -> set[int]:
    """Where a sequence of nodes can end that begins at one of `starts`; at the text's end all is possible."""
    for operation, argument in tree:
        if starts <= {len(text)}:
            break
        starts = _after(str(operation), argument, starts, text, folds=folds)
    return starts


def _after(name: str, argument: Any, starts: set[int], text: str, *, folds: bool) -> set[int]:
    found = starts  # what takes no room
    match name:
        case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
            found = {at for at in starts if at >= len(text) or _may_be(name, argument, text[at], folds=folds)}
            found = {min(at + 1, len(text)) for at in found}
        case "BRANCH":
            found = set().union(*(_ends(each, starts, text, folds=folds) for each in argument[1]))
        case "SUBPATTERN":
            _, added, dropped, body = argument
            inner = (folds or bool(added & re.IGNORECASE)) and not dropped & re.IGNORECASE
            found = _ends(body, starts, text, folds=inner)
        case "ATOMIC_GROUP":
            found = _ends(argument, starts, text, folds=folds)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            found = _repeated(argument, starts, text, folds=folds)
        case "ASSERT" if argument[0] > 0:
            found = {at for at in starts if _ends(argument[1], {at}, text, folds=folds)}
        case "GROUPREF" | "GROUPREF_EXISTS":
            found = set(range(min(starts), len(text) + 1))
    return found


def _repeated(argument: Any, starts: set[int], text: str, *, folds: bool) -> set[int]:
    least, most, body = argument
    for _ in range(min(least, len(text) + 1)):  # more often it cannot get any further
        starts = _ends(body, starts, text, folds=folds)
    found = new = starts
    for _ in range(min(most - least, len(text) + 1)):
        new = _ends(body, new, text, folds=folds) - found
        if not new:
            break
        found = found | new
    return found


def _may_be(name: str, argument: Any, letter: str, *, folds: bool) -> bool:
    """Whether a node can match a letter; 0 stands for any digit."""
    if folds and ord(letter) > _ASCII:
        return True
    letters = _TEN if letter == "0" else {letter, letter.lower(), letter.upper()} if folds else letter
    return any(_is(name, argument, each) for each in letters) or (folds and _names_others(argument))


def _names_others(argument: Any) -> bool:
    """Whether a node names a letter beyond ASCII, whose small or capital form may be within."""
    if isinstance(argument, list | tuple):
        return any(_names_others(each) for each in argument)
    return isinstance(argument, int) and argument > _ASCII


def _is(name: str, argument: Any, letter: str) -> bool:
    if name == "LITERAL":
        return ord(letter) == int(argument)
    if name == "NOT_LITERAL":
        return ord(letter) != int(argument)
    return name == "ANY" or _is_in(argument, letter)


def _is_in(choices: Any, letter: str) -> bool:
    negated = str(choices[0][0]) == "NEGATE"
    return negated != any(_is_one(str(kind), value, letter) for kind, value in choices[negated:])


def _is_one(kind: str, value: Any, letter: str) -> bool:
    if kind == "LITERAL":
        return ord(letter) == int(value)
    if kind == "RANGE":
        return int(value[0]) <= ord(letter) <= int(value[1])
    return bool(_CATEGORIES[str(value)](letter))
