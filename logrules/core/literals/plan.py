"""What Vectorscan is to look for on behalf of all that is wanted, and what each of its finds may mean.

To think that out takes a fifth of a second, to compile it more than one; so both are kept, in one piece.
"""

from __future__ import annotations

import re
from array import array
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from logrules.core.literals.factors import are_numbers, is_common
from logrules.core.literals.scanner import Database, Literal, Store, compiled, loaded, version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from logrules.core.literals.shelf import Shelf, Wanted

_LONGEST = 8 * 1024
"""Bytes of an expression; Vectorscan takes no more than 16,000."""
_WITHIN_A_LINE = rb"[^\n]*"


class Sought(NamedTuple):
    """What is wanted where an expression matches."""

    sure: tuple[int, ...] = ()
    """What is there for certain."""
    more: tuple[int, ...] = ()
    """What may be there, whatever the line's numbers."""
    numbered: tuple[int, ...] = ()
    """…or for which those are no matter of indifference, or the lines before."""
    first: tuple[int, ...] = ()
    """What is there unless the literal that the expression is stands within a word."""
    length: int = 0
    """Of that literal."""

    def plus(self, number: int, wanted: Wanted, length: int, *, is_all: bool, numberless: bool) -> Sought:
        """With one more: wanted where a literal of that length stands, or (0) several parts in one line.

        `is_all` says whether no part is missing there.
        """
        if is_all and not wanted.begins:
            return self._replace(sure=(*self.sure, number))
        if not numberless:
            return self._replace(numbered=(*self.numbered, number))
        if is_all and length:
            return self._replace(first=(*self.first, number), length=length)
        return self._replace(more=(*self.more, number))


class Plan(NamedTuple):
    """What is looked for, and what was sought with each expression.

    What holds letters beyond ASCII is a database of its own, of more than half the size, which few data need.
    """

    sought: list[Sought]
    """Each once: many expressions are looked for on behalf of the same."""
    which: array[int]
    """By the number of an expression, the number of what is sought with it."""
    databases: tuple[Database, ...]
    """That for all data; then that for data beyond ASCII, once there were any."""
    is_whole: bool = False
    """Whether it needs nothing more for data beyond ASCII."""

    def ends(self, data: bytes) -> list[tuple[int, int]]:
        """Where each expression matches, and its number, in order."""
        found = [each.ends(data) for each in self.databases[: 1 if data.isascii() else None]]
        return found[0] if len(found) == 1 else sorted(chain(*found))

    def plus(self, other: Plan | None) -> Plan:
        """The whole, with what only data beyond ASCII can match, if there is any; its numbers follow."""
        if other is None:
            return self._replace(is_whole=True)
        more = array("I", [number + len(self.sought) for number in other.which])
        databases = (*self.databases, *other.databases)
        return Plan([*self.sought, *other.sought], self.which + more, databases, is_whole=True)


def made(wanted: Shelf, store: Store | None, before: Plan | None = None) -> Plan | None:
    """The plan for all that is wanted, kept for the next process; None where Vectorscan has no wheel.

    Compiling takes a second for all that we ship.

    Args:
        wanted: all that is wanted.
        store: keeps it.
        before: the plan for what holds no letters beyond ASCII, if this is to be the one for what does.
    """
    beyond = before is not None
    expressions = _sought(wanted, beyond=beyond)
    database = compiled(list(expressions), first=len(before.which) if before else 0)
    if database is None:
        return None
    numbers: dict[Sought, int] = {}
    which = array("I", [numbers.setdefault(each, len(numbers)) for each in expressions.values()])
    plan = Plan(list(numbers), which, (database,))
    if store:
        store.save(_name(wanted, beyond), _encoded(_Kept(database.dump(), plan.sought, which.tobytes())))
    return plan


def kept(wanted: Shelf, store: Store | None, *, beyond: bool = False) -> Plan | None:
    """The plan that another process has kept; None if there is none, or none that can be used here."""
    if not (store and version() and (data := store.load(_name(wanted, beyond)))):
        return None
    try:
        known = _decoded(data)
    except msgspec.DecodeError:
        return None
    database = loaded(known.database)
    return Plan(known.sought, array("I", known.which), (database,)) if database else None


class _Kept(msgspec.Struct, array_like=True):
    database: bytes
    sought: list[Sought]
    which: bytes


_encoded = msgspec.msgpack.Encoder().encode
_decoded = msgspec.msgpack.Decoder(_Kept).decode


def _name(wanted: Shelf, beyond: bool) -> str:  # noqa: FBT001 - which of the two
    return wanted.digest(version() + b" beyond" * beyond)


def _sought(every: Iterable[Wanted], *, beyond: bool) -> dict[bytes, Sought]:
    """Each expression, with what is sought with it: those for data beyond ASCII alone, or all others."""
    found: dict[bytes, Sought] = {}
    known: dict[Sought, Sought] = {}
    for number, wanted in enumerate(every):
        numberless = wanted.is_numberless
        for text, length, is_all in _expressions(wanted, beyond=beyond):
            sought = found.get(text, Sought())
            sought = sought.plus(number, wanted, length, is_all=is_all, numberless=numberless)
            found[text] = known.setdefault(sought, sought)
    return found


def _expressions(wanted: Wanted, *, beyond: bool) -> Iterator[tuple[bytes, int, bool]]:
    """What Vectorscan is to look for, with a literal's length, and whether it is all that is wanted.

    One part, or all where that one is common; of those not the short numbers, which stand anywhere and
    by which alone many expressions differ. Parts in several lines are looked for by the last: what is new in
    a log is searched, and nothing twice.
    """
    part = wanted.parts[wanted.rarest]
    if len(wanted.parts) > 1 and not wanted.spans and is_common(part):
        telling = [each for each in wanted.parts if not are_numbers(each)]
        parts = telling if len(telling) > 1 else wanted.parts
        joined = _WITHIN_A_LINE.join(map(_any, parts))
        if len(joined) <= _LONGEST:
            if not beyond:
                yield joined, 0, len(parts) == len(wanted.parts)
            return
    for literal in part:
        if literal.data.isascii() is not beyond:
            yield _escaped(literal), len(literal.data), len(wanted.parts) == 1


def _any(literals: Iterable[Literal]) -> bytes:
    return b"(?:" + b"|".join(map(_escaped, literals)) + b")"


def _escaped(literal: Literal) -> bytes:
    text = re.escape(literal.data)
    return b"(?i:" + text + b")" if literal.caseless else text
