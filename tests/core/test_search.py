"""A line that is left out for want of a word holds nothing that a pattern could match."""

from __future__ import annotations

import json

import pytest

from logrules.core.engine import classify
from logrules.core.literals import search as search_module
from logrules.core.literals.scanner import Literal
from logrules.core.literals.search import FARTHEST, REACH, Hit, Search, last_lines
from logrules.core.literals.shelf import Wanted, unpacked
from logrules.core.ruleset.needs import needs
from logrules.rules import rulebook
from tests.fuzz.properties import every_line

BEFORE = "2026-01-15 08:29:41,100 - bot - DEBUG - tick\n"
TRACE = 'Traceback (most recent call last):\n  File "b.py", line 1, in f\nMemoryError'


def found(data, *wanted, before=()):
    """The lines (from 0) in which each is found, the same with Vectorscan and without it."""
    slow, fast = (Search(wanted, warm_up=size).scan(data, before) for size in (0, 1))

    assert slow == fast
    return [(data.count(b"\n", 0, end - 1), each) for end, wanted in fast for each in sorted(wanted)]


def parts(*texts):
    return tuple(tuple(Literal(word.encode()) for word in text.split("|")) for text in texts)


def test_letters_that_are_spelled_out_are_found_where_their_line_ends():
    """Lines before, between and after it, and one without an end, stay where they are."""
    wanted = Wanted(parts("Бот"))
    spelled = json.dumps({"message": "🚀 Бот"}).encode()
    data = b"\n".join([b"x", spelled, "Бот".encode(), b"", rb"C:\Users\u0411", spelled])

    assert found(data, wanted) == [(1, 0), (2, 0), (5, 0)]
    assert found(data + b"\n", wanted, before=[spelled + b"\n"]) == [(1, 0), (2, 0), (5, 0)]


def test_letters_beyond_ascii_are_sought_where_there_are_any():
    """Their database comes with the first of them; an expression for both kinds of data is found in both."""
    wanted = [Wanted(parts("Бот")), Wanted(parts("lost")), Wanted(parts("error|ошибка", "in|в"))]
    search = Search(wanted, warm_up=1)

    assert search.scan(b"an error in it\nlost\n") == [Hit(15, frozenset({2})), Hit(20, frozenset({1}))]
    assert search.databases == 1
    assert search.scan("Бот lost\nошибка в\n".encode()) == [
        Hit(12, frozenset({0, 1})),
        Hit(28, frozenset({2})),
    ]
    assert search.databases == 2
    assert search.scan("Бот".encode().decode("cp1251").encode()) == [Hit(14, frozenset({0}))]
    plain = Search([Wanted(parts("lost"))], warm_up=1)
    assert plain.scan("Бот lost".encode()) == [Hit(11, frozenset({0}))]


def test_a_word_that_stands_in_a_line_again_and_again_is_judged_once(monkeypatch):
    """What else the line must hold is looked for as often as it has lines, not as often as it has words."""
    looked_for = []
    is_there = search_module._is_there

    def counted(*asked):
        looked_for.append(asked)
        return is_there(*asked)

    monkeypatch.setattr(search_module, "_is_there", counted)
    search = Search([Wanted(parts("quorum ", "never"))], warm_up=1)

    assert search.scan(b"quorum " * 9000 + b"\n" + b"quorum \n") == []
    assert len(looked_for) == 2


def test_an_expression_without_words_is_found_nowhere():
    """`check` refuses it; where somebody has it checked, it ends nothing with an error of ours."""
    (need,) = needs(["[a-z]{3}[0-9]"])

    assert found(b"abc1\n", unpacked(need.wanted)) == []


def test_nothing_is_lost():
    """Every pack's samples, each in the middle of a log, say the same as where every line is looked at."""
    samples = [sample for pattern in rulebook().patterns for sample in pattern.match]
    text = BEFORE + "".join(f"{sample}\n{BEFORE}" for sample in samples)
    found = classify(rulebook(), text)

    assert len(found) > 0.99 * len(samples)  # a few belong to what stands before them
    assert found == classify(every_line(), text)


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
    )

    assert len({hit.end for hit in rulebook().hits(lines.encode())}) < 0.05 * 400


def test_words_stand_in_one_line_in_their_order():
    """Each part once, one behind the other and apart, in one line unless the expression can wrap."""
    lock = Wanted(parts("connection|server", "lost|gone"), 1)
    spans = lock._replace(spans=True)

    assert found(b"connection lost\nserver: gone, lost\nlost connection\nconnection\nlost\n", lock) == [
        (0, 0),
        (1, 0),
    ]
    assert found(b"x\nserver\n" + b"x\n" * (REACH - 1) + b"gone\ngone\n", lock, spans) == [(REACH + 1, 1)]
    assert found(b"conflictflict\n", Wanted(parts("conflict", "flict"))) == [(0, 0)]
    assert found(b"conflict\n", Wanted(parts("conflict", "flict"))) == []


def test_words_in_any_number():
    """More common words than one expression may name are looked for one by one."""
    many = "|".join(f"user {number}" for number in range(4000))

    assert found(b"the user 77\nuser 3999 of bot\n", Wanted(parts(many, "bot"), 1)) == [(1, 0)]


def test_what_was_told_is_not_told_again():
    """Of lines that are seen once more only what ends behind them counts; what began in them is known."""
    spans = Wanted(parts("server", "gone"), 1, spans=True)
    before = b"server gone\n"

    assert found(b"gone\nx\n", spans, before=[before]) == [(0, 0)]
    assert last_lines(b"1\n2\n3\n4\n5\n6\n") == [b"3\n", b"4\n", b"5\n", b"6\n"]
    assert last_lines(b"1\n2\n") == [b"1\n", b"2\n"]
    assert [len(line) for line in last_lines(b"x" * 9 * FARTHEST + b"\n")] == [FARTHEST]


def test_no_statement_begins_within_a_word():
    """A pattern that begins with its words cannot match in the middle of one; an escape's letter is none."""
    at = Wanted(parts("at "), begins=True)

    assert found(b"what is it\nthat at app.js\n", at) == [(1, 0)]
    assert found(rb"x\nat y" + b"\n[31mat z\nat\xd1\x8fat \n", at) == [(0, 0), (1, 0), (2, 0)]


def test_only_words_that_look_the_same_everywhere_are_asked_for():
    """Beside its rarest words a pattern asks for nothing that JSON escapes; if it wraps, none behind."""
    (plain, quoted, wraps, begins) = (
        unpacked(need.wanted)
        for need in needs(
            [
                "lost (?:my|the) advisory lock",
                'advisory lock "of" x lost',
                "lost[^a]advisory lock[^a]and",
                "(?:a|b)x: y",
            ]
        )
    )

    assert plain.parts == parts("lost my advisory lock|lost the advisory lock")
    assert [part[0].data for part in quoted.parts] == [b'advisory lock "of" x lost']
    assert (wraps.parts, wraps.spans, plain.spans) == (parts("lost", "advisory lock"), True, False)
    assert begins.begins


@pytest.mark.parametrize("text", [json.dumps({"level": "error", "exc_info": TRACE}), "[31mMemoryError"])
def test_a_line_end_that_is_written_out_is_no_word(text):
    """In JSON a statement begins behind the letter of an escape; behind a colour's too, where it was cut."""
    assert [match.code for match in classify(rulebook(), f"{BEFORE}{text}\n{BEFORE}")] == ["OUT_OF_MEMORY"]


def test_a_search_for_nothing():
    """No patterns: no hits, no error."""
    assert found(b"anything\n") == []
    assert found(b"", Wanted(parts("x"))) == []
    assert Search([Wanted(parts("abc"))], warm_up=1).scan(b"abc") == [Hit(3, frozenset({0}))]


def test_what_is_remembered_of_a_line_is_true_at_any_time(monkeypatch):
    """Every sample behind one stamp after the other gives what a look afresh finds."""
    search = rulebook().search
    search.prepare()
    lines = [line for pattern in rulebook().patterns for text in pattern.match for line in text.splitlines()]
    stamps = ("2026-01-15 08:29:41,511 ", "2026-11-22 23:59:59,409 ", "[2026-01-15T08:29:41.137Z] ", "429 ")
    for stamp in stamps:
        log = "".join(f"{stamp}{line}\n" for line in lines).encode()
        remembered = search.scan(log)
        with monkeypatch.context() as patch:
            patch.setattr("logrules.core.literals.search._STORM", -1)
            assert remembered == search.scan(log)


def test_a_word_in_a_lines_time_is_not_remembered():
    """What has digits may stand in the stamp of one line, and not in that of the next."""
    search = Search([Wanted(((Literal(b"409"),), (Literal(b"conflict of"),)), rarest=1)])
    search.prepare()
    lines = [b"12:00:00,409 conflict of two\n", b"12:00:00,408 conflict of two\n"]

    assert [bool(search.scan(line)) for line in (*lines, *lines)] == [True, False, True, False]
