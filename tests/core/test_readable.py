"""Events as text at a terminal."""

from __future__ import annotations

import re

import pytest

from logrules.core.event import Error, Event, encode
from logrules.core.model import Severity
from logrules.core.output.readable import Readable
from logrules.rules import rules


def line(level=Severity.CRITICAL, **fields):
    told = {"timestamp": "2026-11-22T09:40:42.123456Z", "message": "409 CONFLICT DETECTED", **fields}
    return encode(Event(level=level, service="my-bot", instance="a", **told), str)


def test_what_to_do_stands_below_once():
    """The line first, then a step a line; the same trouble again is one line."""
    shown = Readable(colours=False)
    conflict = line(code="CONFLICT_409", fatal=True, remediation="1) Stop it: `kill 7`. 2) Start ours.")

    assert shown(conflict).decode().splitlines() == [
        "09:40:42 ✖ CONFLICT_409  409 CONFLICT DETECTED",
        "           1) Stop it: `kill 7`.",
        "           2) Start ours.",
    ]
    assert shown(conflict).count(b"\n") == 1
    other = line(code="CONFLICT_409", fatal=True, reason="webhook_active", remediation="Delete it.")
    assert b"Delete it." in shown(other)


@pytest.mark.parametrize("lang", ["en", "ru"])
def test_every_step_and_every_warning_has_a_line(lang):
    """Of each code and reason: what to do, a line each, then what not to do; warnings in either, too."""
    for spec in (each for code in rules.specs.values() for each in (code, *code.reasons.values())):
        shown = Readable(colours=False)(line(code=spec.code, remediation=spec.remediation(lang)))
        rows = [row.strip() for row in shown.decode().splitlines()[1:]]
        steps = spec.steps[lang]
        numbered = [f"{number}) {step}" for number, step in enumerate(steps, 1)] if len(steps) > 1 else steps
        said = [*numbered, *spec.avoid[lang]]
        assert rows == [row for text in said for row in re.split(" (?=WARNING|ВНИМАНИЕ)", text)]


def test_good_news_are_one_line():
    """Of what needs nobody there is nothing more to say, whatever its event holds."""
    event = line(Severity.INFO, code="LOCK_ACQUIRED", remediation="Nothing to do.", attrs={"waited": 1})

    assert Readable(colours=False)(event) == b"09:40:42 i LOCK_ACQUIRED  409 CONFLICT DETECTED\n"


def test_ordinary_record_names_its_logger_and_shows_its_traceback():
    """What the program itself logs looks the same, a traceback below it."""
    error = Error(type="ValueError", message="no", stack="Traceback:\n  x\nValueError: no")
    shown = Readable(colours=False)(
        line(Severity.ERROR, logger="bot", error=error, attrs={"a": [1], "b": "two\nlines"})
    )

    assert shown.decode().splitlines() == [
        "09:40:42 ✖ bot  409 CONFLICT DETECTED",
        "           a: [1]",
        "           b: two",
        "           lines",
        "           Traceback:",
        "             x",
        "           ValueError: no",
    ]


def test_long_traceback_shows_its_end():
    """What failed, and where, stands in its last lines; how many are left out is said, and who has them."""
    rows = ["Traceback (most recent call last):", *(f"  frame {at}" for at in range(78)), "OSError: away"]
    shown = Readable(colours=False)(
        line(Severity.ERROR, error=Error(type="OSError", message="away", stack="\n".join(rows)))
    )
    _, first, *rest = (row[11:] for row in shown.decode().splitlines())

    assert first == "… 68 lines before these: LOGRULES_FORMAT=json prints them"
    assert rest == rows[68:]


def test_terminal_is_not_told_anything_by_a_message():
    """No byte of a message, a step or a traceback moves the cursor; our colours alone are escapes."""
    evil = "\x1b]0;title\x07\x1b[2J"
    error = Error(type="E", message=evil, stack=f"{evil}\n{evil}")
    shown = Readable(colours=True)(line(code="X_Y", message=evil, remediation=evil, error=error))

    assert re.sub(rb"\x1b\[[\d;]+m", b"", shown).replace(b"\n", b"").decode().isprintable()


@pytest.mark.parametrize("raw", [b"no json\n", b"[]\n", b"{}\n", b'{"level":"odd","message":1}\n', b"\xff\n"])
def test_what_is_no_event_stays(raw):
    """A line that is none of ours is not lost, and raises nothing."""
    assert Readable(colours=True)(raw) == raw
