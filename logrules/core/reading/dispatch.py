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
        walk = _Walk(beginning)
        return tuple(each for each in possible if walk.can_match(each))

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

    def _letter(self, name: str, argument: Any) -> Any:
        return self._known.setdefault((name, argument), ("LETTER", _Letter(name, argument)))

    def _reached(self, node: Any, flags: int) -> Any:
        if type(node) is int:
            return node
        if isinstance(node, int):
            return _plain(node)
        if hasattr(node, "getwidth"):
            node = list(_cut(node, _STAMPED))
            if len(node) == 1 and str(node[0][0]) == "LITERAL" and node[0][1] >= _MARK:
                return self._piece(node[0][1] - _MARK, flags)
        if not isinstance(node, list | tuple):
            return node
        if len(node) == 2 and str(node[0]) in _LETTERS:  # noqa: PLR2004
            return self._letter(str(node[0]), _plain(node[1]))
        plain = tuple([self._reached(each, flags) for each in node])
        # Equal parts are the same by now; to compare all that is in them would take long.
        key = tuple([-id(each) if isinstance(each, tuple) else each for each in plain])
        return self._known.setdefault(key, plain)


def _plain(node: Any) -> Any:
    """A node without the parser's own names for numbers, of which one is meant as such."""
    if isinstance(node, list | tuple):
        return tuple([_plain(each) for each in node])
    if type(node) is int or not isinstance(node, int):
        return node
    return int(node) if str(node) == "MAXREPEAT" else str(node)


def _cut(sequence: Any, letters: int) -> Iterator[Any]:
    """The nodes of a sequence before which fewer letters than that must stand."""
    for at, node in enumerate(sequence):
        if letters <= 0:
            break
        yield node
        letters -= sequence[at : at + 1].getwidth()[0]


class _Walk:
    """Along expressions as a text begins; at its end all is possible.

    What several expressions hold is gone through once.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = len(text)
        self._known: dict[tuple[str, int, bool, frozenset[int]], set[int]] = {}

    def can_match(self, tree: _Tree) -> bool:
        """Whether an expression can match where a text begins like this."""
        starts = {0}
        for node in tree.nodes:
            starts = self._ends((node,), starts, folds=tree.folds)
            if not starts or self._end in starts:
                break
        return bool(starts)

    def _ends(self, sequence: Iterable[Any], starts: set[int], *, folds: bool) -> set[int]:
        """Where a sequence of nodes can end that begins at one of `starts`."""
        for name, argument in sequence:
            if starts <= {self._end}:
                break
            starts = (
                {
                    at if at == self._end else at + 1
                    for at in starts
                    if self._may_be(argument, at, folds=folds)
                }
                if name == "LETTER"
                else self._after(name, argument, starts, folds=folds)
            )
        return starts

    def _may_be(self, letter: _Letter, at: int, *, folds: bool) -> bool:
        return at == self._end or letter.may_be(self._text[at], folds=folds)

    def _after(self, name: str, argument: Any, starts: set[int], *, folds: bool) -> set[int]:
        key = (name, id(argument), folds, frozenset(starts))
        if key not in self._known:
            self._known[key] = self._passed(name, argument, starts, folds=folds)
        return self._known[key]

    def _passed(self, name: str, argument: Any, starts: set[int], *, folds: bool) -> set[int]:
        found = starts  # what takes no room
        match name:
            case "BRANCH":
                found = set().union(*(self._ends(each, starts, folds=folds) for each in argument[1]))
            case "SUBPATTERN":
                _, added, dropped, body = argument
                inner = (folds or bool(added & re.IGNORECASE)) and not dropped & re.IGNORECASE
                found = self._ends(body, starts, folds=inner)
            case "ATOMIC_GROUP":
                found = self._ends(argument, starts, folds=folds)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                found = self._repeated(argument, starts, folds=folds)
            case "ASSERT" if argument[0] > 0:
                found = {at for at in starts if self._ends(argument[1], {at}, folds=folds)}
            case "GROUPREF" | "GROUPREF_EXISTS":
                found = set(range(min(starts), self._end + 1))
        return found

    def _repeated(self, argument: Any, starts: set[int], *, folds: bool) -> set[int]:
        least, most, body = argument
        for _ in range(min(least, self._end + 1)):  # more often it cannot get any further
            starts = self._ends(body, starts, folds=folds)
        found = new = starts
        for _ in range(min(most - least, self._end + 1)):
            new = self._ends(body, new, folds=folds) - found
            if not new:
                break
            found = found | new
        return found


_LETTERS = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})


class _Letter:
    """A node that matches one letter; what it was asked it remembers."""

    def __init__(self, name: str, argument: Any) -> None:
        self._name = name
        self._argument = argument
        self._known: dict[tuple[str, bool], bool] = {}

    def may_be(self, letter: str, *, folds: bool) -> bool:
        """Whether it can match a letter; 0 stands for any digit."""
        known = self._known.get((letter, folds))
        if known is None:
            known = self._known[letter, folds] = self._can_be(letter, folds=folds)
        return known

    def _can_be(self, letter: str, *, folds: bool) -> bool:
        if folds and ord(letter) > _ASCII:
            return True
        letters = _TEN if letter == "0" else {letter, letter.lower(), letter.upper()} if folds else letter
        return any(self._is(each) for each in letters) or (folds and _names_others(self._argument))

    def _is(self, letter: str) -> bool:
        if self._name == "LITERAL":
            return bool(ord(letter) == self._argument)
        if self._name == "NOT_LITERAL":
            return bool(ord(letter) != self._argument)
        return self._name == "ANY" or _is_in(self._argument, letter)


def _names_others(argument: Any) -> bool:
    """Whether a node names a letter beyond ASCII, whose small or capital form may be within."""
    if isinstance(argument, tuple):
        return any(_names_others(each) for each in argument)
    return isinstance(argument, int) and argument > _ASCII


def _is_in(choices: Any, letter: str) -> bool:
    negated: bool = choices[0][0] == "NEGATE"
    return negated != any(_is_one(kind, value, letter) for kind, value in choices[negated:])


def _is_one(kind: str, value: Any, letter: str) -> bool:
    if kind == "LITERAL":
        return bool(ord(letter) == value)
    if kind == "RANGE":
        return bool(value[0] <= ord(letter) <= value[1])
    return _CATEGORIES[value](letter)
