"""What holds for every log, whatever was done to it. Each property raises AssertionError where it does not.

A property's own dice follow from the bytes, so that the bytes alone reproduce what it found.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING
from unittest.mock import patch

import msgspec

from logrules import derived
from logrules.core.effects import Annotate
from logrules.core.engine import Engine, Policy
from logrules.core.event import encode, of_match
from logrules.core.literals import search as in_search
from logrules.core.literals.search import Hit, Search, last_lines
from logrules.core.model import Chunk, Origin
from logrules.core.reading import looks as in_looks
from logrules.core.reading.heads import ANSI, line
from logrules.core.reading.lines import LONGEST, Lines
from logrules.core.reading.looks import REACH
from logrules.core.reading.records import Window
from logrules.core.redact import Redactor
from logrules.core.ruleset.rulebook import Rulebook
from logrules.rules import rulebook

if TYPE_CHECKING:
    from collections.abc import Iterable

    from logrules.core.effects import Effect
    from logrules.core.match import Match
    from logrules.core.reading.statements import Parsed

ORIGIN = Origin("bot", "1", "stdout")
_MARGINS = str.maketrans("", "", "|+>")
_MARGIN = re.compile(rb"(?:[ \t]|\xc2\xa0)*")
MOST_KEPT = 4 * REACH + LONGEST
"""Bytes of a stream that an engine may hold on to, besides the chunk that it was just given."""


class EveryLine(Rulebook):
    """A rulebook that looks at every record there is, whether anything was found in it or not."""

    def hits(self, lines: bytes, before: Iterable[bytes] = ()) -> list[Hit]:
        """What patterns look for, and the end of each line."""
        found = self.search.scan(lines, before)
        if len(self._floors) == len(self.search.wanted):
            self._floors += bytes(1)
        held = dict(found)
        every = frozenset({len(self.search.wanted)})
        return [Hit(end, every | held.get(end, every)) for end, _ in ends(lines)]


@cache
def every_line() -> EveryLine:
    """The shipped packs over every record."""
    return EveryLine(rulebook().codes, rulebook().patterns, derived.needs, derived.Databases())


def ends(lines: bytes) -> list[Hit]:
    """A hit at the end of each line."""
    return [Hit(found.end(), frozenset({0})) for found in re.finditer(b"\n", lines)]


def pieces(data: bytes, dice: random.Random) -> list[bytes]:
    """`data` in up to ten pieces: cut in characters, in line ends, in colours."""
    cuts = sorted(dice.randint(0, len(data)) for _ in range(dice.randint(1, 9)))
    return [data[start:end] for start, end in pairwise([0, *cuts, len(data)])]


def whole(data: bytes) -> bytes:
    """`data` as whole lines without colours, as records are cut out of them.

    Nor with those that show when others are taken out: an engine would take them out once more.
    """
    lines = Lines()
    text = lines.feed(data) + lines.close()
    while (bare := ANSI.sub(b"", text)) != text:
        text = bare
    return text


def matches(book: Rulebook, chunks: Iterable[bytes], *, ticks: bool = False) -> list[Match]:
    """What an engine finds in a stream that comes in `chunks`; with `ticks` it waits after each."""
    engine = Engine(book, Policy(acts=False))
    effects: list[Effect] = []
    for number, data in enumerate(chunks):
        effects += engine.feed(Chunk(ORIGIN, data, 1.0 + number))
        held = sum(map(len, engine._streams[ORIGIN].window._parts))
        assert held <= MOST_KEPT + len(data), "the engine holds on to too much"
        if ticks:
            effects += engine.tick(1.5 + number)
    effects += engine.end(ORIGIN, 0.0)
    # A record without a time stamp of its own has the time at which it was seen.
    return [msgspec.structs.replace(e.match, time=0.0) for e in effects if isinstance(e, Annotate)]


def records(lines: bytes, hits: list[Hit]) -> list[Parsed]:
    """The records around `hits`."""
    window = Window(ORIGIN)
    window.push(lines, hits)
    return list(window.take(0.0, final=True))


def no_line_is_lost(data: bytes, _dice: random.Random) -> None:
    """Every line belongs to exactly one record, in order, and stands in it with its own words."""
    lines = whole(data)
    found = [(parsed.record.line, parsed.record.text) for parsed in records(lines, ends(lines))]
    starts = [start for start, _ in found]
    count = lines.count(b"\n")

    assert starts == sorted(set(starts)), "records overlap"
    assert starts[:1] == [1][:count], "the first line is lost"
    physical = lines.split(b"\n")
    block = _block(physical)
    for (start, text), after in zip(found, [*starts[1:], count + 1][: len(found)], strict=True):
        said = text.split("\n")
        assert len(said) <= after - start, "a line belongs to two records"
        for number in range(start, after):
            words = said[number - start] if number - start < len(said) else ""
            forms = (physical[number - 1], *block[number - 1 : number])
            assert _letters(words) in {_letters(line(each).text) for each in forms}, (
                f"line {number} is not whole"
            )


def _block(physical: list[bytes]) -> list[bytes]:
    """The lines of the block with which a log begins, if it does, without what moves all of them."""
    margin = _MARGIN.match(next(filter(bytes.strip, physical), b""))
    if not margin or not (len(margin[0]) > 2 or b"\t" in margin[0]):
        return []
    inside = takewhile(lambda each: each.startswith(margin[0]) or not each.strip(), physical)
    return [each.removeprefix(margin[0]) for each in inside]


def _letters(text: str) -> str:
    """`text` without its blanks and its margin: an exception group's, or that of a quotation."""
    return "".join(text.translate(_MARGINS).split())


def the_cut_changes_nothing(data: bytes, dice: random.Random) -> None:
    """The same bytes in other pieces say the same."""
    assert matches(every_line(), pieces(data, dice)) == matches(every_line(), [data])


def live_says_the_same(data: bytes, _dice: random.Random) -> None:
    """Record by record, with pauses between, a log says what it says at once."""
    lines = whole(data)
    starts = [parsed.record.line for parsed in records(lines, ends(lines))]
    physical = [each + b"\n" for each in lines.split(b"\n")[:-1]]
    after = pairwise([*starts, len(physical) + 1])
    chunks = [b"".join(physical[start - 1 : end - 1]) for start, end in after]

    assert matches(every_line(), chunks, ticks=True) == matches(every_line(), [lines])


@cache
def _searches() -> tuple[Search, Search]:
    wanted = rulebook().search.wanted
    return Search(wanted, warm_up=0), Search(wanted, warm_up=1)


def both_ways_find_the_same(data: bytes, dice: random.Random) -> None:
    """Vectorscan and `bytes.find` find the same lines; at once the same as in two parts."""
    lines = whole(data)
    slow, fast = _searches()
    cut = lines.find(b"\n", dice.randint(0, len(lines))) + 1
    found = fast.scan(lines)

    assert found == slow.scan(lines)
    later = [(end + cut, wanted) for end, wanted in fast.scan(lines[cut:], last_lines(lines[:cut]))]
    assert [hit for hit in found if hit.end > cut] == later


def its_events_are_lines(data: bytes, dice: random.Random) -> None:
    """Whatever a record holds, what is told of it is one line of JSON."""
    redact = Redactor()
    for match in matches(rulebook(), pieces(data, dice), ticks=True):
        event = encode(of_match(match, rulebook().codes[match.code], "en"), redact)
        assert event.count(b"\n") == 1
        assert event.endswith(b"\n")
        assert msgspec.json.decode(event)["code"] == match.code


def nothing_is_passed_over(data: bytes, dice: random.Random) -> None:
    """What is left out for want of a word, or of a hit, says nothing."""
    assert matches(rulebook(), pieces(data, dice)) == matches(every_line(), [data])


def other_numbers_are_no_other_log(data: bytes, dice: random.Random) -> None:
    """What is remembered of lines that differ in their digits alone is what a look at each of them says."""
    numbers = b"".join(dice.choices([b"0", b"1", b"3", b"4", b"9"], k=10))
    others = [data, data.translate(bytes.maketrans(b"0123456789", numbers)), data]
    remembered = matches(rulebook(), others)
    with patch.object(in_looks, "_SHORT", -1), patch.object(in_search, "_STORM", -1):
        assert remembered == matches(rulebook(), others)


Property = Callable[[bytes, random.Random], None]
ANY_LOG: tuple[Property, ...] = (
    *(no_line_is_lost, the_cut_changes_nothing, live_says_the_same, its_events_are_lines),
    *(both_ways_find_the_same, other_numbers_are_no_other_log),
)
"""Hold whatever was done to a log."""
INTACT: tuple[Property, ...] = (*ANY_LOG, nothing_is_passed_over)
"""Hold for what programs print; in a heap of ruins the records around two hits may depend on one another."""


def check(data: bytes, *, intact: bool) -> None:
    """Try a property on `data`, and which follows from it. Raises whatever shows that it does not hold."""
    dice = random.Random(data)
    dice.choice(INTACT if intact else ANY_LOG)(data, dice)
