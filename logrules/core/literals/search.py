"""Finds the lines in which many patterns may match, in one pass: by all the words that each needs, in order.

A literal alone is often a common word; most patterns cannot match without several. Vectorscan where there is
one and enough to scan, else `bytes.find`: both give the same hits.
"""

from __future__ import annotations

from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from logrules.core.literals import plan as plans
from logrules.core.literals.digits import like
from logrules.core.literals.scanner import WARM_UP, Literal, Store
from logrules.core.literals.shelf import Shelf, Wanted, packed
from logrules.core.literals.spelled import unspelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from logrules.core.literals.plan import Plan

REACH = 4
"""Lines before its last one, in which the rest of a wrapped statement may stand."""
FARTHEST = 16 * 1024
"""Bytes of each that count."""
_SOON = 8 * 1024
"""…and of a database that was kept."""
_CALL = 256
"""Bytes whose search costs as much as asking for it."""
_ESCAPES = (b"\\n", b"\\r", b"\\t")
"""Letters that stand for a line end or a tab where a record is written out in one line, as JSON is."""

_STORM, _KINDS = 1024, 4096
"""Bytes of a line whose verdict is remembered, and how many are."""
_PAGE = 512
"""Literals that are objects at a time, where they are looked for one by one."""


class Hit(NamedTuple):
    """Where a line ends that holds the last of something wanted, and all that it holds."""

    end: int
    wanted: frozenset[int]


def last_lines(lines: bytes) -> list[bytes]:
    """Of whole lines those which a scan of the next ones must see once more, each at most `FARTHEST` long."""
    if lines.find(b"\n") == len(lines) - 1:
        return [lines[-FARTHEST:]]
    at = len(lines)
    for _ in range(REACH + 1):
        at = lines.rfind(b"\n", 0, at)
        if at < 0:
            break
    return [line[-FARTHEST:] for line in lines[at + 1 :].splitlines(keepends=True)]


class Search:
    """Every line with something that is wanted, in order."""

    def __init__(
        self, wanted: Sequence[Wanted], store: Store | None = None, *, warm_up: int = WARM_UP
    ) -> None:
        self.wanted = wanted if isinstance(wanted, Shelf) else Shelf(map(packed, wanted))
        self._store = store
        self._warm_up = warm_up
        self._asks_at = max(0, warm_up - _SOON) if store else warm_up
        """How much of the warm-up is left when it is worth a look whether a database was kept."""
        self._plan: Plan | None = None
        """What Vectorscan looks for, as soon as it is worth its database."""
        self._verdicts: dict[tuple[bytes, tuple[int, ...]], _Verdict] = {}
        """Of lines whatever their digits, by what was found: failures come again with other numbers."""

    def scan(self, lines: bytes, before: Iterable[bytes] = ()) -> list[Hit]:
        """The hits in whole lines, behind others in which what is wanted may have begun.

        Safe to call from several threads.
        """
        plain = unspelled(lines)
        if len(plain) == len(lines):
            return self._scan(lines, before)
        return list(_moved(self._scan(plain, map(unspelled, before)), plain, lines))

    def _scan(self, lines: bytes, before: Iterable[bytes]) -> list[Hit]:
        if self._warm_up > 0:
            self._warm_up -= len(lines) + _CALL
            if self._warm_up <= 0:
                self._prepare(only_kept=False)
            elif self._warm_up <= self._asks_at:
                self._asks_at = 0
                self._prepare(only_kept=True)
        plan = self._plan
        if plan is None:
            return self._found(lines, b"".join(before))
        if not (plan.is_whole or lines.isascii()):
            plan = self._complete(plan)
        ends = plan.ends(lines)
        return self._lines(plan, lines, ends, b"".join(before)) if ends else []

    @property
    def databases(self) -> int:
        """How many of Vectorscan's it has by now."""
        return len(self._plan.databases) if self._plan else 0

    def prepare(self) -> None:
        """Go over to Vectorscan now, as a whole: much is to be scanned."""
        if self._plan is None and self._warm_up > 0:
            self._prepare(only_kept=False)
            self._warm_up = 0
        if self._plan and not self._plan.is_whole:
            self._complete(self._plan)

    def _prepare(self, *, only_kept: bool) -> None:
        """Go over to Vectorscan; with `only_kept` if its database was kept."""
        known = plans.kept(self.wanted, self._store)
        if known is None and not only_kept:
            known = plans.made(self.wanted, self._store)
        if known:
            self._plan = known
            self._warm_up = 0
            for name in ("_plain", "_beyond"):
                self.__dict__.pop(name, None)

    def _complete(self, plan: Plan) -> Plan:
        """From now on what holds letters beyond ASCII is looked for, too."""
        more = plans.kept(self.wanted, self._store, beyond=True)
        if more is None:
            more = plans.made(self.wanted, self._store, before=plan)
        self._plan = whole = plan.plus(more)
        return whole

    def _lines(self, plan: Plan, data: bytes, ends: list[tuple[int, int]], before: bytes) -> list[Hit]:
        """The hits among what Vectorscan has found, once for each line."""
        hits = []
        for line, found in _by_line(data, ends):
            wanted, numbered = self._verdict(plan, data, line, found)
            if numbered:
                around = _Around(data, line, before)
                wanted = wanted.union([each for each in numbered if around.holds(self.wanted.at(each))])
            if wanted:
                hits.append(Hit(line, wanted))
        return hits

    def _verdict(self, plan: Plan, data: bytes, line: int, found: list[tuple[int, int]]) -> _Verdict:
        """What is in a line by what was found in it, and what its numbers have a say in."""
        text = data[data.rfind(b"\n", 0, line - 1) + 1 : line]
        if len(text) > _STORM:
            return self._judged(plan, _Around(data, line), found)
        key = like(text), tuple([expression for _, expression in found])
        known = self._verdicts.get(key)
        if known is None:
            if len(self._verdicts) >= _KINDS:
                self._verdicts.clear()
            known = self._verdicts[key] = self._judged(plan, _Around(data, line), found)
        return known

    def _judged(self, plan: Plan, around: _Around, found: list[tuple[int, int]]) -> _Verdict:
        sure, numbered = set[int](), dict[int, None]()
        met = set[int]()
        for end, expression in found:
            sought = plan.sought[plan.which[expression]]
            if expression not in met:  # where it stands again, it says nothing new of its line
                met.add(expression)
                sure.update(sought.sure)
                sure.update(each for each in sought.more if around.holds(self.wanted.at(each)))
                numbered |= dict.fromkeys(sought.numbered)
            if sought.first and not _is_within_a_word(around.data, end - sought.length):
                sure.update(sought.first)
        return frozenset(sure), tuple(numbered)

    @cached_property
    def _plain(self) -> _Words:
        """What is wanted by each literal in ASCII."""
        return self._by_literal(is_ascii=True)

    @cached_property
    def _beyond(self) -> _Words:
        """…and by each of the others: more than half of all, for which most logs hold no letter."""
        return self._by_literal(is_ascii=False)

    def _by_literal(self, *, is_ascii: bool) -> _Words:
        found: tuple[dict[bytes, tuple[int, ...]], ...] = ({}, {})
        known: dict[tuple[int, ...], tuple[int, ...]] = {}
        for number, wanted in enumerate(self.wanted.bare() if is_ascii else self.wanted):
            for literal, caseless in wanted.parts[wanted.rarest]:
                if literal.isascii() is is_ascii:
                    word = literal.lower() if caseless else literal
                    numbers = (*found[caseless].get(word, ()), number)
                    found[caseless][word] = known.setdefault(numbers, numbers)
        exact, folded = found
        return list(_paged(exact)), list(_paged(folded))

    def _found(self, data: bytes, before: bytes) -> list[Hit]:
        """The same without Vectorscan."""
        hits: dict[int, set[int]] = {}
        exact, caseless = self._plain
        every = [(data, exact), (data.lower(), caseless)]
        if not data.isascii():
            every += [(data, self._beyond[0]), (data.lower(), self._beyond[1])]
        for where, pages in every:
            for word, numbers in chain.from_iterable(map(_each, pages)):
                for end in _lines_with(word, data, where):
                    around = _Around(data, end, before)
                    held = [number for number in numbers if around.holds(self.wanted.at(number))]
                    if held:
                        hits.setdefault(end, set()).update(held)
        return [Hit(end, frozenset(hits[end])) for end in sorted(hits)]


def _paged(words: dict[bytes, tuple[int, ...]]) -> Iterator[_Page]:
    left = iter(words.items())
    while some := list(islice(left, _PAGE)):
        yield b"\n".join(word for word, _ in some), tuple(numbers for _, numbers in some)


def _each(page: _Page) -> Iterator[tuple[bytes, tuple[int, ...]]]:
    return zip(page[0].split(b"\n"), page[1], strict=True)


_Page = tuple[bytes, tuple[tuple[int, ...], ...]]
"""Literals, none of which holds a line's end, and what is wanted by each: an object for each literal would
take a megabyte."""
_Words = tuple[list[_Page], list[_Page]]
"""Those that are; then those that are caseless, which are in small letters."""

_Verdict = tuple[frozenset[int], tuple[int, ...]]
"""What is in a line, and what may be."""


class _Text:
    """A text, and the same in small letters, should they be asked for."""

    def __init__(self, plain: bytes) -> None:
        self.plain = plain

    @cached_property
    def folded(self) -> bytes:
        """In small letters."""
        return self.plain.lower()


class _Around:
    """A line, and those before it, of which some may stand in bytes of their own."""

    def __init__(self, data: bytes, end: int, before: bytes = b"") -> None:
        self.data, self.end, self._before = data, end, before
        self.start = data.rfind(b"\n", 0, end - 1) + 1
        self.line = _Text(data[self.start : end])

    def holds(self, wanted: Wanted) -> bool:
        """Whether the line holds the rarest of what is wanted, and all of it stands in its order."""
        text = self.wide if wanted.spans else self.line
        for number, part in enumerate(wanted.parts):
            # Where most end: they hold the one word and none of the others.
            if number != wanted.rarest and not _is_there(part, text):
                return False
        return _stands(wanted, text, len(text.plain) - (self.end - self.start))

    @cached_property
    def wide(self) -> _Text:
        """It and what stands before it."""
        first, left = self.start, REACH
        while first and left:
            first, left = self.data.rfind(b"\n", 0, first - 1) + 1, left - 1
        text = self.data[first : self.end]
        return _Text(b"".join([*self._before.splitlines(keepends=True)[-left:], text]) if left else text)


def _moved(hits: Iterable[Hit], plain: bytes, lines: bytes) -> Iterator[Hit]:
    """The hits in `plain` where the same lines of `lines` end, which spells letters out."""
    end = at = 0
    for hit in hits:
        for _ in range(plain.count(b"\n", end, hit.end)):
            at = lines.index(b"\n", at) + 1
        end = hit.end
        yield hit._replace(end=at if plain[end - 1 : end] == b"\n" else len(lines))


def _by_line(data: bytes, ends: list[tuple[int, int]]) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Where each line ends with what was found in it."""
    found: list[tuple[int, int]] = []
    line = -1
    for each in ends:
        if each[0] > line:
            if found:
                yield line, found
                found = []
            line = data.find(b"\n", each[0] - 1) + 1 or len(data)
        found.append(each)
    if found:
        yield line, found


def _lines_with(word: bytes, data: bytes, where: bytes) -> Iterator[int]:
    """Where the lines of `data` end in which a word ends; `where` is the same, or in small letters."""
    at = where.find(word)
    while at >= 0:
        line = data.find(b"\n", at + len(word) - 1) + 1 or len(data)
        yield line
        at = where.find(word, max(at + 1, line - len(word) + 1))


def _is_there(part: tuple[Literal, ...], text: _Text) -> bool:
    """Whether one of a part's words stands in a text."""
    for word, caseless in part:  # noqa: SIM110  `any` takes three times as long
        if word in (text.folded if caseless else text.plain):
            return True
    return False


def _stands(wanted: Wanted, text: _Text, line: int) -> bool:
    """Whether all parts stand in a text, the last of them behind `line`."""
    at, last = 0, len(wanted.parts) - 1
    for number, part in enumerate(wanted.parts):
        at = max(at, line) if number == last else at
        at = _end(part, text, at, begins=wanted.begins and not number)
        if at < 0:
            return False
    return True


def _end(part: tuple[Literal, ...], text: _Text, start: int, *, begins: bool) -> int:
    """Where the part that ends first ends; -1 if it is not there."""
    first = -1
    for word, caseless in part:
        where = text.folded if caseless else text.plain
        if word not in where:
            continue
        at = where.find(word, start)
        while begins and at >= 0 and _is_within_a_word(text.plain, at):
            at = where.find(word, at + 1)
        if at >= 0 and not -1 < first <= at + len(word):
            first = at + len(word)
    return first


def _is_within_a_word(data: bytes, start: int) -> bool:
    before = data[max(0, start - 2) : start]
    # An `m` may be the end of a colour whose escape a viewer has dropped.
    return before[-1:].isalnum() and before[-1:] != b"m" and before not in _ESCAPES
