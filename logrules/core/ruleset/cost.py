r"""How long a regular expression can take at worst, by proof and not by trial: for packs from anybody.

`re` goes back and tries again wherever a part can end in several places. A place counts only if what follows
can begin there: `\w+ ` ends in one place, `\w+\w+` in many. The bound is taken over every text: it may be too
high, and is never too low.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from logrules.core.literals.factors import parsed, spelled_out

if TYPE_CHECKING:
    from collections.abc import Iterable

ENDLESS = 1_000_000_000_000
"""More steps than anybody waits for."""

_ASCII = 128
_WORDS = 200
"""Words up to which a choice of them is looked at word by word."""
_BEYOND = "é٣\u3000…"
"""One for every kind of character beyond ASCII: a letter, a digit, a space, anything else."""
_ANY = frozenset([*map(chr, range(_ASCII)), *_BEYOND])
_CATEGORIES = {
    "DIGIT": r"\d",
    "NOT_DIGIT": r"\D",
    "SPACE": r"\s",
    "NOT_SPACE": r"\S",
    "WORD": r"\w",
    "NOT_WORD": r"\W",
}
_FOLDS_TO = frozenset("iksIKS")  # what some character beyond ASCII equals when case is ignored


class _Part(NamedTuple):
    """What a part of an expression can cost, tried at one place of any text."""

    work: int
    """Steps of all its tries."""
    ends: int
    """In how many ways it can end where what follows it may begin."""
    first: frozenset[str]
    """What it may begin with."""
    nullable: bool
    """Whether it may match nothing."""


def worst(pattern: str, length: int) -> int:
    """An upper bound of the steps that one try of `pattern` takes on a text of `length` characters.

    Raises re.error for a malformed pattern.
    """
    tree = parsed(pattern)
    return _Cost(length).sequence(list(tree), None, caseless=bool(tree.state.flags & re.IGNORECASE)).work


class _Cost:
    def __init__(self, length: int) -> None:
        self._length = length

    def sequence(
        self, nodes: list[tuple[Any, Any]], follow: frozenset[str] | None, *, caseless: bool
    ) -> _Part:
        """The cost of nodes one after the other. `follow` is what may come then; None: nothing is asked."""
        parts: list[tuple[str, _Part]] = []
        after = follow
        for operation, argument in reversed(nodes):
            part = self._node(str(operation), argument, after, caseless=caseless)
            parts.append((str(operation), part))
            after = _first(part, after)
        parts.reverse()
        return _Part(*_in_a_row(parts), _begins(parts), all(part.nullable for _, part in parts))

    def _node(self, name: str, argument: Any, follow: frozenset[str] | None, *, caseless: bool) -> _Part:
        match name:
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN" | "RANGE":
                part = _Part(1, 1, _characters(name, argument, caseless=caseless), nullable=False)
            case "AT":
                part = _Part(1, 1, frozenset(), nullable=True)
            case "ASSERT" | "ASSERT_NOT":
                inside = self.sequence(list(argument[1]), None, caseless=caseless)
                part = _Part(inside.work, 1, frozenset(), nullable=True)
            case "ATOMIC_GROUP":
                part = self.sequence(list(argument), None, caseless=caseless)._replace(ends=1)
            case "SUBPATTERN":
                part = self.sequence(list(argument[3]), follow, caseless=_folds(argument, caseless=caseless))
            case "BRANCH":
                part = self._branch(argument, follow, caseless=caseless)
            case "MAX_REPEAT" | "MIN_REPEAT":
                part = self._repeat(argument, follow, caseless=caseless)
            case "POSSESSIVE_REPEAT":
                part = self._repeat(argument, _ANY, caseless=caseless)._replace(ends=1)
            case _:  # a reference back, or what a later Python brings
                part = _Part(ENDLESS, ENDLESS, _ANY, nullable=True)
        return part

    def _branch(self, argument: Any, follow: frozenset[str] | None, *, caseless: bool) -> _Part:
        parts = [self.sequence(list(branch), follow, caseless=caseless) for branch in argument[1]]
        starts = [_first(part, follow) or _ANY for part in parts]
        words = [word.lower() for word in spelled_out(argument[1]) or ()]
        if 0 < len(words) <= _WORDS:  # only those can match together of which one begins the other
            ends = max(sum(one.startswith(other) for other in words) for one in words)
        elif sum(map(len, starts)) == len(frozenset().union(*starts)):
            ends = max(part.ends for part in parts)
        else:
            ends = sum(part.ends for part in parts)
        first = frozenset[str]().union(*(part.first for part in parts))
        return _Part(_capped(sum(part.work for part in parts)), _capped(ends), first, _any_nullable(parts))

    def _repeat(self, argument: Any, follow: frozenset[str] | None, *, caseless: bool) -> _Part:
        least, most, body = argument
        most = min(most, max(least, self._length))
        first = _first_of(body, caseless=caseless)[0]  # by itself: a repeat in a repeat is gone into once
        again = self.sequence(list(body), first | (follow or frozenset()), caseless=caseless)
        if again.ends == 1:  # each round ends in one place: only how many rounds there are is open
            alone = not again.nullable and (follow is None or not first & follow)
            ends = 1 if alone else most - least + 1
            return _Part(_capped(1 + most * again.work), ends, first, least == 0 or again.nullable)
        work = ends = 0
        ways = 1
        for _ in range(most):
            work, ways = _capped(work + ways * again.work), _capped(ways * again.ends)
            ends = _capped(ends + ways)
            if work == ENDLESS:
                break
        return _Part(1 + work, ends + (least == 0), first, least == 0 or again.nullable)


def _in_a_row(parts: list[tuple[str, _Part]]) -> tuple[int, int]:
    """Work and ends of parts one after the other: each is tried wherever those before it can end."""
    work, ways, before = 1, 1, ""
    for name, part in parts:
        if not name == before == "LITERAL":  # letters in a row are compared at once
            work = _capped(work + ways * part.work)
        ways, before = _capped(ways * part.ends), name
    return work, ways


def _begins(parts: Iterable[tuple[str, _Part]]) -> frozenset[str]:
    first = frozenset[str]()
    for _, part in parts:
        first |= part.first
        if not part.nullable:
            break
    return first


def _first(part: _Part, follow: frozenset[str] | None) -> frozenset[str] | None:
    """What may stand where `part` begins; None if nothing is asked there."""
    if not part.nullable:
        return part.first
    return None if follow is None else part.first | follow


def _any_nullable(parts: Iterable[_Part]) -> bool:
    return any(part.nullable for part in parts)


def _capped(steps: int) -> int:
    return min(steps, ENDLESS)


def _first_of(nodes: Iterable[tuple[Any, Any]], *, caseless: bool) -> tuple[frozenset[str], bool]:
    """What nodes one after the other may begin with, and whether they may match nothing."""
    first = frozenset[str]()
    for operation, argument in nodes:
        some, nullable = _first_of_node(str(operation), argument, caseless=caseless)
        first |= some
        if not nullable:
            return first, False
    return first, True


def _first_of_node(name: str, argument: Any, *, caseless: bool) -> tuple[frozenset[str], bool]:
    first, nullable = _ANY, True
    match name:
        case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN" | "RANGE":
            first, nullable = _characters(name, argument, caseless=caseless), False
        case "AT" | "ASSERT" | "ASSERT_NOT":
            first = frozenset()
        case "ATOMIC_GROUP":
            first, nullable = _first_of(argument, caseless=caseless)
        case "SUBPATTERN":
            first, nullable = _first_of(argument[3], caseless=_folds(argument, caseless=caseless))
        case "BRANCH":
            branches = [_first_of(branch, caseless=caseless) for branch in argument[1]]
            first = frozenset[str]().union(*(some for some, _ in branches))
            nullable = any(empty for _, empty in branches)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            first, nullable = _first_of(argument[2], caseless=caseless)
            nullable = nullable or argument[0] == 0
    return first, nullable


def _folds(group: Any, *, caseless: bool) -> bool:
    """Whether case is ignored in a group."""
    _, added, dropped, _ = group
    return (caseless or bool(added & re.IGNORECASE)) and not dropped & re.IGNORECASE


def _characters(name: str, argument: Any, *, caseless: bool) -> frozenset[str]:
    """The characters that a node of one character takes; at least those."""
    match name:
        case "ANY":
            return _ANY - {"\n"}
        case "NOT_LITERAL":
            return _ANY - _letter(argument)
        case "IN":
            return _class(argument, caseless=caseless)
    return _class([(name, argument)], caseless=caseless)


def _class(items: Iterable[tuple[Any, Any]], *, caseless: bool) -> frozenset[str]:
    found: set[str] = set()
    whole: set[str] = set()  # kinds beyond ASCII of which every character is meant
    negated = False
    for operation, argument in items:
        match str(operation):
            case "NEGATE":
                negated = True
            case "LITERAL":
                found |= _letter(argument)
            case "RANGE":
                low, high = argument
                found.update(map(chr, range(low, min(high, _ASCII - 1) + 1)))
                found.update(_BEYOND if high >= _ASCII else "")
            case "CATEGORY":
                kind = _category(str(argument).removeprefix("CATEGORY_"))
                found |= kind
                whole |= kind
    if negated:
        return _ANY - (found - (set(_BEYOND) - whole))
    if caseless:
        letters = found & _FOLDS_TO or found & set(_BEYOND)
        found.update([*(char.swapcase() for char in found if char.isascii())])
        found.update([*_FOLDS_TO, *_BEYOND] if letters else [])
    return frozenset(found)


@cache
def _category(name: str) -> frozenset[str]:
    kind = re.compile(_CATEGORIES[name])
    return frozenset(char for char in _ANY if kind.match(char))


def _letter(code: int) -> set[str]:
    """A character, or the kind of characters beyond ASCII that it belongs to."""
    if code < _ASCII:
        return {chr(code)}
    return {
        each for each in _BEYOND if all(_kind(chr(code), name) == _kind(each, name) for name in _CATEGORIES)
    }


def _kind(char: str, name: str) -> bool:
    return bool(re.match(_CATEGORIES[name], char))
