"""Logs that nobody has seen: a short form of `make fuzz`, always with the same dice."""

from __future__ import annotations

import random
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logrules.core.reading.statements import STATEMENT
from logrules.rules import rulebook
from tests.fuzz import logs, properties
from tests.fuzz.nearmisses import near_misses

LOGS = 60
LINES = st.sampled_from(
    [
        b"2026-01-15 08:29:41 ERROR Conflict: terminated by other getUpdates request",
        b"Traceback (most recent call last):",
        b'  File "/app/bot.py", line 7, in <module>',
        b"    main()",
        b"telegram.error.Conflict: Conflict: terminated by other getUpdates request",
        b"During handling of the above exception, another exception occurred:",
        b"  | ExceptionGroup: many (2 sub-exceptions)",
        b"  +-+---------------- 1 ----------------",
        b"    at f (/app/bot.js:1:1) {",
        b"  [cause]: Error: connect ECONNREFUSED 127.0.0.1:5432",
        b"Caused by: java.net.ConnectException: Connection refused",
        b"goroutine 1 [running]:",
        b"thread 'main' panicked at src/main.rs:5:10:",
        b"/app/bot.js:3",
        b"^",
        b"Node.js v20.20.2",
        b'{"level": "error", "msg": "MemoryError"}',
        b"bot-1  | ",
        b"> ",
        b"",
        b"\xff\xfe\0",
        b" " * 300,
    ]
)


@pytest.mark.parametrize("holds", properties.ANY_LOG, ids=lambda holds: holds.__name__)
def test_whatever_was_done_to_a_log(holds: properties.Property) -> None:
    """Flipped, cut, doubled, interleaved and misread logs: no crash, no line lost, the same in any pieces."""
    for number in range(LOGS):
        data = logs.damaged(random.Random(f"{holds.__name__}:{number}"))
        holds(data, random.Random(data))


def test_what_programs_print() -> None:
    """In logs that are whole nothing is passed over for want of a word."""
    for number in range(LOGS):
        data = logs.log(random.Random(f"whole:{number}"))
        properties.nothing_is_passed_over(data, random.Random(data))


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.lists(LINES, max_size=12), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.binary(max_size=8))
def test_lines_in_any_order(lines: list[bytes], end: bytes, rest: bytes) -> None:
    """Whatever follows on whatever, each line is in one record and says the same however it comes."""
    data = end.join(lines) + rest
    for holds in properties.ANY_LOG:
        holds(data, random.Random(data))


def test_near_misses_of_every_expression() -> None:
    """What keeps an expression busiest, at a statement's full length: it gets through, and seldom matches.

    That none of them can take long is shown in test_linear.py.
    """
    expressions = [
        (pattern.compiled(number), text)
        for pattern in rulebook().patterns
        for number, text in enumerate(pattern.any)
    ]
    missed = [any(not one.match(miss) for miss in near_misses(text, STATEMENT)) for one, text in expressions]

    assert missed.count(True) > 0.8 * len(missed)


def test_a_log_of_near_misses() -> None:
    """A log of nothing but near misses is read to its end, and what follows is found."""
    misses = chain.from_iterable(
        near_misses(text, 200) for pattern in rulebook().patterns[::7] for text in pattern.any
    )
    log = "".join(f"ERROR - {miss}\n" for miss in misses) + "ERROR - MemoryError\n"

    assert properties.matches(rulebook(), [log.encode()])[-1].code == "OUT_OF_MEMORY"
