"""What is left out for want of a word near it is nothing that any pattern could match."""

from __future__ import annotations

import json

import pytest

from logrules.core.engine import classify
from logrules.core.needs import REACH, Need, choices, worth
from logrules.core.rulebook import Rulebook
from logrules.core.scanner import Hit, Literal
from logrules.rules import rulebook

QUIET = "2026-01-15 08:29:41,100 - bot - DEBUG - tick {}\n"
BEFORE = "".join(QUIET.format(number) for number in range(2 * REACH))
SAMPLES = [sample for pattern in rulebook().patterns for sample in pattern.match]


class Unfiltered(Rulebook):
    """One that looks at every hit."""

    def hits(self, lines):
        return self.scanner.scan(lines)


@pytest.mark.parametrize("part", range(8))
def test_nothing_is_lost(part):
    """Every pack's samples, in the middle of a log, say the same with the filter and without it."""
    every = Unfiltered(rulebook().codes, rulebook().patterns)
    for sample in SAMPLES[part::8]:
        text = f"{BEFORE}{sample}\n{BEFORE}"
        assert classify(rulebook(), text) == classify(every, text), sample


def test_common_words_are_left_out():
    """Of healthy lines that hold a pattern's rarest word few are worth a look."""
    healthy = [
        'INFO - httpx - HTTP Request: POST https://api.telegram.org/bot1:x/getUpdates "HTTP/1.1 200 OK"',
        "INFO dfs.DataNode: PacketResponder 483 for block blk_667 terminating",
        "INFO - bot - user 499 wrote: what is the price of a lock, and of the other one",
        "DEBUG - shop - status of order 12: terminating in 3 days",
    ]
    lines = "".join(
        f"2026-01-15 08:29:{number % 60:02},100 - {healthy[number % 4]}\n" for number in range(400)
    ).encode()
    kept = rulebook().hits(lines)

    assert len({lines.rfind(b"\n", 0, hit.end) for hit in kept}) < 0.05 * 400


def hits(data, *words):
    """Where each word ends, in order."""
    found = [Hit(data.find(word) + len(word), number) for number, word in enumerate(words) if word in data]
    return sorted(found)


def test_needs_beside_a_literal():
    """A hit stays if all that one of its patterns needs stands near; near the edges nothing is known."""
    pad = b"x\n" * REACH
    need = [[Need(((b"lost",),)), Need(((b"gone", b"away"), (b"server",)))]]

    def stays(text):
        data = pad + text + pad
        return bool(worth(data, hits(data, b"lock"), need))

    assert stays(b"lock lost\n")
    assert stays(b"the SERVER of the lock has gone\n")
    assert stays(b"lock\n" + b"x\n" * (REACH - 1) + b"lost\n")
    assert not stays(b"lock of a server\n")
    assert not stays(b"lock\n" + b"x\n" * REACH + b"lost\n")
    assert worth(b"lock\n", hits(b"lock\n", b"lock"), need)


def test_no_statement_begins_within_a_word():
    """A pattern that begins with its literal cannot match in the middle of a word."""
    pad = b"x\n" * REACH
    data = pad + b"what is it\n" + pad + b"at app.js\n" + pad
    found = [Hit(data.find(b"at is") + 3, 0), Hit(data.find(b"at app") + 3, 0)]

    assert worth(data, found, [[Need(begins=3)]]) == found[1:]


def test_only_words_that_look_the_same_everywhere_are_needed():
    """What JSON escapes, or an old code page spoils, is not asked for; nor is the word that was found."""
    chosen = [Literal(b"advisory lock")]
    sets = [chosen, [Literal(b'"quoted"')], [Literal("замок".encode())], [Literal(b"a")], [Literal(b"Lost")]]

    assert choices(sets, chosen) == ((b"lost",),)


TRACE = 'Traceback (most recent call last):\n  File "b.py", line 1, in f\nMemoryError'


@pytest.mark.parametrize("text", [json.dumps({"level": "error", "exc_info": TRACE}), "[31mMemoryError"])
def test_a_line_end_that_is_written_out_is_no_word(text):
    """In JSON a statement begins behind the letter of an escape; behind a colour's too, where it was cut."""
    found = classify(rulebook(), f"{BEFORE}{text}\n{BEFORE}")

    assert [match.code for match in found] == ["OUT_OF_MEMORY"]


class Asked(tuple[tuple[bytes, ...], ...]):
    """Choices that count how often anybody looks for them."""

    __slots__ = ()
    times = 0

    def __iter__(self):
        Asked.times += 1
        return super().__iter__()


def test_a_line_of_one_word_is_cheap():
    """What stands near is looked for once for a line, however often a literal stands in it; not at all where
    the lines are so long that a look at the record costs less.
    """
    pad = b"x\n" * REACH
    for text, times in ((b"lock " * 1000, 1), (b"lock " * 10_000, 0)):
        data = pad + text + b"\n" + pad
        found = [Hit(5 * number + len(pad) + 4, 0) for number in range(text.count(b"lock"))]
        Asked.times = 0

        assert bool(worth(data, found, [[Need(Asked([(b"gone",)]))]])) is not bool(times)
        assert Asked.times == times
