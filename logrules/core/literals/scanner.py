"""Finds many literals in bytes at once.

Vectorscan (through the `hyperscan` wheel) where there is one and enough to scan, else `bytes.find`: both give
the same hits.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

WARM_UP = 1 << 16
"""Bytes that are searched with `bytes.find` before a database is worth its compilation."""
_CALL = 256
"""Bytes whose search costs as much as asking for it."""


class Literal(NamedTuple):
    """Bytes to find; `caseless` folds ASCII letters only."""

    data: bytes
    caseless: bool = False


class Hit(NamedTuple):
    """Where a literal ends, and which one it is."""

    end: int
    literal: int


class Scanner:
    """Every occurrence of every literal, overlapping ones too, in the order in which they end."""

    def __init__(self, literals: Sequence[Literal], *, warm_up: int = WARM_UP) -> None:
        self.literals = tuple(literals)
        self._warm_up = warm_up
        self._database: Database | None = None

    def scan(self, data: bytes) -> list[Hit]:
        """The hits in `data`. Safe to call from several threads."""
        if self._warm_up > 0:
            self._warm_up -= len(data) + _CALL
            if self._warm_up <= 0:
                self._database = compiled(
                    [literal.data for literal in self.literals],
                    [literal.caseless for literal in self.literals],
                    literal=True,
                )
        if self._database is None:
            return _found(self.literals, data)
        return [Hit(end, number) for end, number in self._database.ends(data)]


class Database:
    """Expressions that Vectorscan has compiled."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._scratch = threading.local()

    def ends(self, data: bytes) -> list[tuple[int, int]]:
        """Where each expression matches, and its number, in order. Any thread may call it."""
        found: list[tuple[int, int]] = []
        try:
            scratch = self._scratch.value
        except AttributeError:
            scratch = self._own_scratch()
        self._database.scan(data, _collect, context=found, scratch=scratch)
        if found:
            found.sort()
        return found

    def dump(self) -> bytes:
        """It as bytes for `loaded`, on a machine with the same `version`."""
        import hyperscan

        return bytes(hyperscan.dumpb(self._database))

    def _own_scratch(self) -> Any:
        """This thread's: two threads in one are an error in Vectorscan."""
        import hyperscan

        self._scratch.value = hyperscan.Scratch(self._database)
        return self._scratch.value


def _collect(number: int, _start: int, end: int, _flags: int, found: list[tuple[int, int]]) -> None:
    found.append((end, number))


class Store(Protocol):
    """Keeps what took long to make, for the next process."""

    def load(self, name: str) -> bytes | None:
        """What was saved under `name`, whole and our own; None if it was not, or cannot be read."""

    def save(self, name: str, data: bytes) -> None:
        """Keep `data`, if that is possible."""


def compiled(
    expressions: Sequence[bytes], caseless: Sequence[bool] = (), *, literal: bool = False, first: int = 0
) -> Database | None:
    """The database of `expressions`; None where Vectorscan has no wheel.

    Args:
        expressions: regular ones, or with `literal` texts.
        caseless: which of them; none by default.
        literal: whether they are texts.
        first: the number of the first one.
    """
    try:
        import hyperscan  # here, because it costs 18 ms and small inputs never need it
    except ImportError:
        return None
    if not expressions:
        return None
    flags = [hyperscan.HS_FLAG_CASELESS if each else 0 for each in caseless] or [0] * len(expressions)
    database = hyperscan.Database()
    ids = list(range(first, first + len(flags)))
    database.compile(expressions=expressions, ids=ids, flags=flags, literal=literal)
    return Database(database)


def loaded(data: bytes) -> Database | None:
    """The database that was dumped; None if it is another processor's or version's after all."""
    import hyperscan

    try:
        return Database(hyperscan.loadb(data, hyperscan.HS_MODE_BLOCK))
    except hyperscan.error:
        return None


def version() -> bytes:
    """What a dump depends on: the library's version and the processor's features; nothing without a wheel."""
    try:
        import hyperscan
    except ImportError:
        return b""
    tiny = hyperscan.Database()
    tiny.compile(expressions=[b"x"], ids=[0], flags=[0])
    return b"%b %b" % (getattr(hyperscan, "__version__", "").encode(), repr(tiny.info()).encode())


def _found(literals: Sequence[Literal], data: bytes) -> list[Hit]:
    hits = []
    folded = data.lower() if any(literal.caseless for literal in literals) else data
    for number, literal in enumerate(literals):
        where, wanted = (folded, literal.data.lower()) if literal.caseless else (data, literal.data)
        at = where.find(wanted)
        while at >= 0:
            hits.append(Hit(at + len(wanted), number))
            at = where.find(wanted, at + 1)
    hits.sort()
    return hits
