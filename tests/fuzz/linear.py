"""How much work a regular expression can be made to do: in how many ways it can begin to read one text.

`re` tries one way after another. Two loops that can pass letters from one to the other multiply each other's
work, a loop that can read one text in two ways doubles it with each letter (Weber and Seidl, On the degree of
ambiguity of finite automata, 1991). So the expression is made into an automaton, and its loops are compared.

Looking around is understood where it is for one letter; what is not understood counts as if it were not
there. The answer may be too high; it is never too low.

`core.ruleset.cost` bounds the expressions of a user's pack quickly; this one sees more exactly, and takes
its time: it holds our own to little more than one look at each letter.
"""

from __future__ import annotations

import re
from functools import cached_property, partial
from itertools import product
from re import _parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

FOR_EVER = float("inf")
_STRANGERS = "\x85\xa0éßЖж中٣²\u2028😀"
"""Letters beyond ASCII that classes tell apart."""
_COPIES = 8
"""A repeat that goes no further is written out, unless it is of one letter."""
_LARGEST = 1_000_000
"""Comparisons after which an expression is too large to be judged."""
_ANY = -1
"""Sets of letters are bits of an int; this is every letter."""


class _TooLargeError(Exception):
    pass


class _Edge(NamedTuple):
    """A way on to `target`: over one of `letters`, or over none."""

    target: int
    letters: int | None = None
    ahead: int = _ANY
    """What the next letter must be…"""
    behind: int = _ANY
    """…and what the last one must have been."""


class _Step(NamedTuple):
    """A letter that can be read, and the state after it."""

    letters: int
    target: int
    behind: int
    twice: bool
    """There is more than one way over no letters to it."""


class _Loop(NamedTuple):
    """States that can be gone around, how often at most, and the atomic groups around them."""

    states: range
    times: float
    atoms: frozenset[int]


def steps(pattern: str, length: int, *, search: bool = False, flags: int = 0) -> float:
    """About how many steps `re` can be made to take over `length` letters; FOR_EVER if each doubles them.

    Raises re.error for a malformed pattern.
    """
    try:
        return _Judge(_Automaton(_parser.parse(pattern, flags), length, search=search), length).steps()
    except _TooLargeError:
        return FOR_EVER


class _Alphabet:
    """The letters that an expression tells apart, each with its bit."""

    def __init__(self, tree: Any) -> None:
        near = {code + more for code in _codes(tree) for more in (-1, 0, 1)} | set(range(128))
        letters = {chr(code) for code in near if 0 <= code <= 0x10FFFF} | set(_STRANGERS)
        self.letters = sorted({one for each in letters for one in (each, *each.lower(), *each.upper())})
        self.every = (1 << len(self.letters)) - 1
        self.word = self.set("CATEGORY", "CATEGORY_WORD", 0)
        self.newline = self.set("LITERAL", ord("\n"), 0)

    def set(self, name: str, argument: Any, flags: int) -> int:
        """The letters that a node matches which matches one."""
        holds = _predicate(name, argument, flags)
        folds = flags & re.IGNORECASE
        return sum(
            1 << at
            for at, letter in enumerate(self.letters)
            if holds(letter) or (folds and any(map(holds, (*letter.lower(), *letter.upper()))))
        )


def _codes(tree: Any) -> Iterator[int]:
    """Every number in a tree: the letters that it names are among them."""
    if isinstance(tree, int):
        yield tree
    elif hasattr(tree, "__iter__") and not isinstance(tree, str):
        for each in tree:
            yield from _codes(each)


_CATEGORIES: dict[str, Callable[[str], bool]] = {
    "DIGIT": str.isdecimal,
    "SPACE": str.isspace,
    "WORD": lambda letter: letter.isalnum() or letter == "_",
}


def _predicate(name: str, argument: Any, flags: int) -> Callable[[str], bool]:
    match name:
        case "LITERAL":
            return lambda letter: ord(letter) == argument
        case "NOT_LITERAL":
            return lambda letter: ord(letter) != argument
        case "ANY":
            return lambda letter: letter != "\n" or bool(flags & re.DOTALL)
        case "RANGE":
            return lambda letter: argument[0] <= ord(letter) <= argument[1]
        case "CATEGORY":
            _, _, kind = str(argument).partition("_")
            within = _CATEGORIES[kind.removeprefix("NOT_")]
            return (lambda letter: not within(letter)) if kind.startswith("NOT_") else within
    others = [(str(kind), value) for kind, value in argument]
    parts = [_predicate(kind, value, flags) for kind, value in others if kind != "NEGATE"]
    negated = len(parts) < len(others)
    return lambda letter: any(part(letter) for part in parts) != negated


class _Automaton:
    """An expression as states and edges; state 0 is its start."""

    def __init__(self, tree: Any, length: int, *, search: bool) -> None:
        self.alphabet = _Alphabet(tree)
        self.edges: list[list[_Edge]] = [[]]
        self.loops: list[_Loop] = []
        self._inside = 0
        self._atoms: frozenset[int] = frozenset()
        self._length = length
        self._sets: dict[str, int] = {}
        self._groups: dict[int, int] = {}
        start = self._spin(0, self.alphabet.every, length) if search else 0
        self.end = self._sequence(tree, tree.state.flags, start)

    def _state(self) -> int:
        if len(self.edges) > _LARGEST // 100:
            raise _TooLargeError
        self.edges.append([])
        return len(self.edges) - 1

    def _join(
        self, at: int, target: int, letters: int | None = None, *, ahead: int = _ANY, behind: int = _ANY
    ) -> int:
        self.edges[at].append(_Edge(target, letters, ahead, behind))
        return target

    def _sequence(self, tree: Any, flags: int, at: int) -> int:
        """The state behind `tree`, begun in `at`."""
        for operation, argument in tree:
            at = self._node(str(operation), argument, flags, at)
        return at

    def _node(self, name: str, argument: Any, flags: int, at: int) -> int:
        letters = self._letters(name, argument, flags)
        if letters is not None:
            return self._join(at, self._state(), letters)
        build = self._builders.get(name)
        if build is None:
            raise _TooLargeError  # of a `re` to come
        return build(argument, flags, at)

    @cached_property
    def _builders(self) -> dict[str, Callable[[Any, int, int], int]]:
        def turned(group: Any, flags: int) -> int:
            return int((flags | group[1]) & ~group[2])

        return {
            "SUBPATTERN": lambda of, flags, at: self._sequence(of[3], turned(of, flags), at),
            "ATOMIC_GROUP": lambda of, flags, at: self._atomic(lambda: self._sequence(of, flags, at)),
            "MAX_REPEAT": self._repeat,
            "MIN_REPEAT": self._repeat,
            "POSSESSIVE_REPEAT": lambda of, flags, at: self._atomic(lambda: self._possessive(of, flags, at)),
            "BRANCH": lambda of, flags, at: self._choice(of[1], flags, at),
            "GROUPREF_EXISTS": lambda of, flags, at: self._choice([each or [] for each in of[1:]], flags, at),
            "GROUPREF": lambda of, _, at: self._same_again(of, at),
            "ASSERT": lambda of, flags, at: self._look(of, flags, at, wanted=True),
            "ASSERT_NOT": lambda of, flags, at: self._look(of, flags, at, wanted=False),
            "AT": lambda of, _, at: self._place(str(of), at),
            "FAILURE": lambda *_: self._state(),
        }

    def _same_again(self, group: int, at: int) -> int:
        """What a group has matched; anything, where that may be more than a letter."""
        letters = self._groups.get(group)
        if letters is None:
            return self._spin(at, self.alphabet.every, self._length)
        return self._join(at, self._state(), letters)

    def _letters(self, name: str, argument: Any, flags: int) -> int | None:
        """The letters of a node that matches one; None if it may match more, or nothing."""
        if name == "SUBPATTERN" and len(argument[3]) == 1:
            operation, inner = argument[3][0]
            letters = self._letters(str(operation), inner, (flags | argument[1]) & ~argument[2])
            if argument[0] and letters is not None:
                self._groups[argument[0]] = letters
            return letters
        if name not in {"LITERAL", "NOT_LITERAL", "ANY", "IN"}:
            return None
        key = f"{name} {argument} {flags}"
        if key not in self._sets:
            self._sets[key] = self.alphabet.set(name, argument, flags)
        return self._sets[key]

    def _one(self, body: Any, flags: int) -> int | None:
        return self._letters("SUBPATTERN", (None, 0, 0, body), flags)

    def _choice(self, bodies: Iterable[Any], flags: int, at: int) -> int:
        ends = [self._sequence(body, flags, self._join(at, self._state())) for body in bodies]
        end = self._state()
        for each in ends:
            self._join(each, end)
        return end

    def _atomic(self, build: Callable[[], int]) -> int:
        """What is left in one way only, however many there are through it."""
        around, self._atoms = self._atoms, self._atoms | {len(self.edges)}
        end = build()
        self._atoms = around
        return end

    def _repeat(self, rounds: tuple[int, int, Any], flags: int, at: int) -> int:
        least, most, body = rounds
        letters = self._one(body, flags)
        if letters is not None and most > 1 and not least == most <= _COPIES:
            return self._spin(self._join(at, self._state(), letters) if least else at, letters, most)
        if most <= _COPIES:
            return self._copies(least, most, body, flags, at)
        return self._round(body, flags, self._sequence(body, flags, at) if least else at)

    def _possessive(self, rounds: tuple[int, int, Any], flags: int, at: int) -> int:
        """A repeat of which no round is tried again: what comes behind it is read in one way."""
        least, most, body = rounds
        letters = self._one(body, flags)
        if letters is not None:
            first = self._join(at, self._state(), letters) if least else at
            return self._spin(first, letters, most, ahead=~letters if most > self._length else _ANY)
        start = self._join(at, self._state())
        round_ = self._sequence(body, flags, start)
        letters = 0
        for edges in self.edges[start:]:
            for edge in edges:
                letters |= edge.letters or 0
        return self._join(round_, self._spin(at, letters, most, aside=start))

    def _spin(self, at: int, letters: int, times: int, *, ahead: int = _ANY, aside: int | None = None) -> int:
        """A loop over one letter; `aside` leads off it, and not back."""
        loop = self._join(at, self._state())
        self._join(loop, loop, letters)
        if aside is not None:
            self._join(loop, aside)
        if not self._inside:
            self.loops.append(_Loop(range(loop, loop + 1), min(times, self._length), self._atoms))
        return self._join(loop, self._state(), ahead=ahead)

    def _copies(self, least: int, most: int, body: Any, flags: int, at: int) -> int:
        ends = []
        for turn in range(most):
            if turn >= least:
                ends.append(at)
            at = self._sequence(body, flags, self._join(at, self._state()))
        end = self._join(at, self._state())
        for each in ends:
            self._join(each, end)
        return end

    def _round(self, body: Any, flags: int, at: int) -> int:
        """A loop over more than a letter."""
        self._inside += 1
        loop = self._join(at, self._state())
        self._join(self._sequence(body, flags, loop), loop)
        self._inside -= 1
        if not self._inside:
            self.loops.append(_Loop(range(loop, len(self.edges)), self._length, self._atoms))
        return self._join(loop, self._state())

    def _look(self, around: Any, flags: int, at: int, *, wanted: bool) -> int:
        direction, body = around
        letters = self._one(body, flags)
        if letters is None:
            if direction > 0:
                self._sequence(body, flags, self._join(at, self._state()))  # read, and not come back from
            return at
        if not wanted:
            letters = ~letters
        after = self._state()
        if direction > 0:
            return self._join(at, after, ahead=letters)
        return self._join(at, after, behind=letters)

    def _place(self, name: str, at: int) -> int:
        after, word = self._state(), self.alphabet.word
        if name.endswith("BOUNDARY"):
            same = "NON" in name
            self._join(at, after, ahead=word if same else ~word, behind=word)
            self._join(at, after, ahead=~word if same else word, behind=~word)
        elif name.startswith("AT_END"):
            self._join(at, after, ahead=0 if name == "AT_END_STRING" else self.alphabet.newline)
        else:
            self._join(at, after, behind=self.alphabet.newline if name == "AT_BEGINNING_LINE" else 0)
        return after


class _Judge:
    """Compares the loops of an automaton."""

    def __init__(self, automaton: _Automaton, length: int) -> None:
        self._edges = automaton.edges
        self._end = automaton.end
        self._loops = automaton.loops
        self._length = length
        self._furthest = sum(loop.times for loop in automaton.loops)
        self._left = _LARGEST
        self._steps: dict[int, list[_Step]] = {}
        self._chains: dict[int, float] = {}
        self._reaches: dict[tuple[int, int], set[int]] = {}

    def steps(self) -> float:
        """Its work: what a text lets the loops multiply, over as far as they can go."""
        if any(self._doubles(loop) for loop in self._loops):
            return FOR_EVER
        reach = min(self._length, self._furthest) + len(self._edges)
        return reach * max(map(self._chain, range(len(self._pairs))), default=1)

    @cached_property
    def _pairs(self) -> list[tuple[_Loop, _Loop]]:
        """The loops that can pass letters to another, with that one."""
        return [(one, other) for one, other in product(self._loops, repeat=2) if self._share(one, other)]

    def _chain(self, number: int) -> float:
        """The work of a pair and of those that can follow it."""
        if number not in self._chains:
            one, other = self._pairs[number]
            after = [
                each
                for each, (first, _) in enumerate(self._pairs)
                if first is other or (first is not one and self._leads(other, first))
            ]
            self._chains[number] = min(one.times, other.times) * max(map(self._chain, after), default=1)
        return self._chains[number]

    @cached_property
    def _safe(self) -> set[int]:
        """The states that may end the match: who comes to one has it, and nothing is tried again."""
        free = {
            (at, edge.target)
            for at, edges in enumerate(self._edges)
            for edge in edges
            if edge == _Edge(edge.target)
        }
        safe = {self._end}
        while new := {at for at, target in free if target in safe} - safe:
            safe |= new
        return safe

    def _reaching(self, state: int, letters: int) -> set[int]:
        """Every state from which one comes to this one over nothing but these letters."""
        seen = {state}
        left = [state]
        while left:
            edges = self._back[left.pop()]
            new = {at for at, over in edges if over is None or over & letters} - seen
            seen |= new
            left += new
        return seen

    @cached_property
    def _back(self) -> dict[int, list[tuple[int, int | None]]]:
        back: dict[int, list[tuple[int, int | None]]] = {state: [] for state in range(len(self._edges))}
        for at, edges in enumerate(self._edges):
            for edge in edges:
                back[edge.target].append((at, edge.letters))
        return back

    def _leads(self, one: _Loop, other: _Loop, letters: int = _ANY) -> bool:
        """Whether one can come from the one to the other over nothing but these letters."""
        return other.states.start in self._reached(one.states.start, letters)

    def _reached(self, state: int, letters: int) -> set[int]:
        if (state, letters) not in self._reaches:
            seen = self._reaches[state, letters] = {state}
            left = [state]
            while left:
                edges = self._edges[left.pop()]
                new = {to for to, over, *_ in edges if over is None or over & letters} - seen
                seen |= new
                left += new
        return self._reaches[state, letters]

    def _letters(self, loop: _Loop) -> int:
        """All that can be read in it."""
        read = 0
        for state in loop.states:
            for edge in self._edges[state]:
                read |= edge.letters or 0
        return read

    def _doubles(self, loop: _Loop) -> bool:
        """Whether a text leads from a state of the loop back to it in two ways."""
        homes = set(loop.states) - self._safe
        return any(self._again(partial(self._ways_home, loop, home)) for home in homes)

    def _share(self, one: _Loop, other: _Loop) -> bool:
        """Whether a text goes around `one`, goes around `other`, and leads from the one to the other."""
        if one is other or one.atoms - other.atoms:
            return False
        common = self._letters(one) & self._letters(other)
        if not self._leads(one, other, common):
            return False
        between = self._reached(one.states.start, common) & self._reaching(other.states.start, common)
        places = product(set(one.states) - self._safe, set(other.states) - self._safe)
        return any(self._again(partial(self._ways_over, one, other, ends, between)) for ends in places)

    def _again(self, ways: Callable[[int], Iterator[int]]) -> bool:
        """Whether a text can do it that begins as it ends: then it can do it any number of times."""
        return any(True for last in set(ways(_ANY)) for _ in ways(last))

    def _ways_home(self, loop: _Loop, home: int, last: int) -> Iterator[int]:
        """How the texts end that lead from `home` back to it in two ways, begun behind `last`."""
        seen = {(home, home, last, False)}
        left = list(seen)
        while left:
            one, other, last, apart = left.pop()
            ways = (enumerate(self._from(state, last, loop.states)) for state in (one, other))
            for (at, first), (place, second) in product(*ways):
                letters = self._both(first.letters, second.letters)
                if letters:
                    now = apart or at != place or first.twice
                    if now and first.target == second.target == home:
                        yield self._mark(letters)
                    _note((first.target, second.target, self._mark(letters), now), seen, left)

    def _ways_over(
        self, one: _Loop, other: _Loop, ends: tuple[int, int], between: set[int], last: int
    ) -> Iterator[int]:
        """How the texts end that go around both loops and lead from one end to the other, begun behind it."""
        here, there = ends
        seen = {(here, here, there, last)}
        left = list(seen)
        while left:
            at, way, to, last = left.pop()
            for first, second in product(
                self._from(at, last, one.states), self._from(to, last, other.states)
            ):
                both = self._both(first.letters, second.letters)
                for step in self._from(way, last, between) if both else ():
                    letters = self._both(step.letters, both)
                    if letters:
                        if (first.target, step.target, second.target) == (here, there, there):
                            yield self._mark(letters)
                        _note((first.target, step.target, second.target, self._mark(letters)), seen, left)

    def _both(self, letters: int, others: int) -> int:
        self._left -= 1
        if self._left < 0:
            raise _TooLargeError
        return letters & others

    @cached_property
    def _behind(self) -> list[int]:
        """What anything asks of the letter behind it."""
        asked = {edge.behind for edges in self._edges for edge in edges} - {_ANY}
        return sorted(asked | {one & other for one, other in product(asked, repeat=2)})

    def _mark(self, letters: int) -> int:
        """As much of the last letter as anything asks for: a bit for each question that it may answer."""
        return sum(1 << at for at, asked in enumerate(self._behind) if asked & letters)

    def _from(self, state: int, last: int, within: Collection[int]) -> Iterator[_Step]:
        """The letters that can be read in `state` behind `last`, and lead to one of `within`."""
        if state not in self._steps:
            self._steps[state] = list(self._looked_up(state))
        for step in self._steps[state]:
            free = _ANY in {step.behind, last}
            if step.target in within and (free or last >> self._behind.index(step.behind) & 1):
                yield step

    def _looked_up(self, state: int) -> Iterator[_Step]:
        ways: dict[tuple[int, int, int], int] = {}
        times: dict[tuple[int, int, int], int] = {}
        left = [(state, _ANY, _ANY)]
        while left:
            key = at, ahead, behind = left.pop()
            times[key] = times.get(key, 0) + 1
            if times[key] > 2:  # twice is enough to know
                continue
            for edge in self._edges[at]:
                if edge.letters is None:
                    left.append((edge.target, ahead & edge.ahead, behind & edge.behind))
                elif edge.letters & ahead:
                    way = edge.letters & ahead, edge.target, behind
                    ways[way] = ways.get(way, 0) + 1
        for way, count in ways.items():
            yield _Step(*way, twice=count > 1)


def _note(found: Any, seen: set[Any], left: list[Any]) -> None:
    if found not in seen:
        seen.add(found)
        left.append(found)
