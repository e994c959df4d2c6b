"""The event line: what every reader of it may rely on."""

import json
import math

import pytest

from logrules.core.event import MAX_BYTES, Error, Event, Told, encode, of_match, timestamp
from logrules.core.match import Match
from logrules.core.model import Severity
from logrules.core.redact import Redactor
from logrules.rules import rulebook


def event(message="hello", **fields):
    return Event(
        timestamp=timestamp(1763804442.123456),
        level=Severity.ERROR,
        message=message,
        service="kie-bot",
        instance="host:7",
        **fields,
    )


def test_the_order_of_keys():
    """Keys stand in the schema's order, whatever order they were set in; what is not set is not there."""
    full = event(
        raw="r",
        error=Error(type="ValueError", message="m", stack="s"),
        attrs={"key": 1},
        logger="x",
        epoch=3,
        pid=7,
        lang="en",
        rule="r1",
        event_id="0" * 32,
        count=2,
        line=1,
        reason="conflict",
        fatal=False,
        remediation="do",
        code="CONFLICT_409",
    )
    expected = "timestamp level code message remediation service instance v fatal reason line count event_id"
    expected += " rule lang pid epoch logger attrs error raw"

    assert list(json.loads(encode(full, str))) == expected.split()
    assert list(json.loads(encode(event(), str))) == [
        *("timestamp", "level", "message", "service", "instance", "v")
    ]


def test_the_time_stamp_sorts_as_text():
    """Always UTC, always six digits."""
    assert timestamp(0) == "1970-01-01T00:00:00.000000Z"
    assert timestamp(1763804442.123456) == "2025-11-22T09:40:42.123456Z"


def test_people_can_search_it():
    """UTF-8 stays UTF-8, and the code is a plain token of the line."""
    line = encode(event("Webhook удалён", code="WEBHOOK_DELETED"), str)

    assert "Webhook удалён".encode() in line
    assert b'"code":"WEBHOOK_DELETED"' in line


@pytest.mark.parametrize(
    "char", [*map(chr, range(0x20)), "\x7f", *map(chr, range(0x80, 0xA0)), "\u2028", "\u2029"]
)
def test_no_character_breaks_the_line(char):
    """Nothing that a viewer takes for the end of a line survives unescaped, and none is lost."""
    line = encode(event(f"a{char}b"), str)

    assert len(line.decode().splitlines()) == 1
    assert json.loads(line)["message"] == f"a{char}b"


class Silent:
    """An object that cannot be shown."""

    def __repr__(self):
        raise RuntimeError("no")


CIRCLE: dict[str, object] = {}
CIRCLE["self"] = CIRCLE

STRANGE = {
    "lone surrogate": ("\udcff", "\\udcff"),
    "large": (1 << 64, "0x10000000000000000"),
    "nan": (math.nan, "nan"),
    "infinite": (-math.inf, "-inf"),
    "bytes": (b"\xff", "b'\\xff'"),
    "no repr": (Silent(), "<Silent whose repr fails>"),
    "set": ({1}, [1]),
    "tuple": ((1, None, True), [1, None, True]),
    "exception": (ValueError("x"), "ValueError('x')"),
    "strange keys": ({(1, 2): 3, None: 4, "\udcff": 5}, {"(1, 2)": 3, "None": 4, "\\udcff": 5}),
    "level": (Severity.ERROR, "error"),
}


@pytest.mark.parametrize(("value", "shown"), STRANGE.values(), ids=STRANGE)
def test_a_strange_value_loses_no_line(value, shown):
    """Whatever stands in attrs is shown in some way."""
    assert json.loads(encode(event(attrs={"x": value}), str))["attrs"]["x"] == shown


def test_a_circle_is_cut():
    """What contains itself ends at a depth that is deep enough for people."""
    assert json.loads(encode(event(attrs=CIRCLE), str))["attrs"]["self"]["self"]["self"]


def test_every_text_is_redacted():
    """The redactor sees each foreign text, keys included."""
    seen = []

    def note(text):
        seen.append(text)
        return text

    fields = {
        "reason": "b",
        "attrs": {"c": ["d", {"e": b"f"}]},
        "error": Error(type="g", message="h", stack="i"),
    }
    encode(
        event("a", raw="j", logger="k", rule="l", remediation="m", event_id="n", **fields),
        note,
    )

    assert {"kie-bot", "host:7", "b'f'", *"abcdeghijklmn"} <= set(seen)


@pytest.mark.parametrize("filler", ["x", "я", "🤖", '"', "\0", "\u2028"])
@pytest.mark.parametrize(
    "field", ["raw", "message", "remediation", "reason", "rule", "logger", "attrs", "stack", "error", "type"]
)
def test_a_long_field_is_cut_and_marked(field, filler):
    """No field makes the line longer than the cap; the line is JSON, marked, and says the rest.

    Nor is more of a text cut than must be, however many bytes its characters take.
    """
    long = filler * 20_000
    cases: dict[str, dict[str, object]] = {
        "attrs": {"attrs": {"key": long}},
        "stack": {"error": Error(type="t", message="m", stack=long)},
        "error": {"error": Error(type="t", message=long)},
        "type": {"error": Error(type=long, message="m")},
    }
    fields = cases.get(field, {field: long})
    line = encode(event(**{"message": "hello", "code": "CONFLICT_409", **fields}), str)
    shown = json.loads(line)

    assert len(line) <= MAX_BYTES
    assert field not in {"raw", "message", "stack", "error"} or len(line) > MAX_BYTES - 30
    assert shown["truncated"] is True
    assert shown["code"] == "CONFLICT_409"
    assert field == "message" or shown["message"] == "hello"


def test_what_is_needed_least_is_cut_first():
    """The raw text goes before the traceback, and that before what a person reads first."""
    shown = json.loads(
        encode(event("m" * 100, raw="r" * 20_000, error=Error(type="t", message="e", stack="s" * 9000)), str)
    )

    assert (shown["message"], shown["error"]["stack"]) == ("m" * 100, "s" * 9000)
    assert 6000 < len(shown["raw"]) < 7000


def test_a_line_that_fits_is_not_marked():
    """The mark means that something is missing."""
    line = encode(event("x" * (MAX_BYTES - len(encode(event(""), str)))), str)

    assert len(line) == MAX_BYTES
    assert "truncated" not in json.loads(line)


def test_what_many_matches_have_in_common_is_said_once():
    """One kind after the other, with secrets, too long or out of the ordinary: each as by itself."""
    redact, codes = Redactor(["hunter2hunter2"]), rulebook().codes
    kinds = [match for code in ("DB_LOCKED", "TOKEN_INVALID") for match in (found(code), found(code, line=9))]
    odd = [
        found(count=3),
        found(epoch=7),
        found(attrs={"key": "hunter2hunter2"}),
        found(evidence=""),
        found(line=None),
    ]
    told = Told(codes, "en", redact)

    for match in (*kinds, *odd, *kinds, found(evidence="\x9d long " * MAX_BYTES), found(service="other")):
        assert told.line(match) == encode(of_match(match, codes[match.code], "en"), redact)


def found(code="DB_LOCKED", **fields):
    """A match with a secret in it."""
    said = "database of hunter2hunter2 is locked"
    known = {"fatal": False, "level": Severity.ERROR, "message": said, "service": "bot", "instance": "1"}
    return Match(**{**known, "code": code, "time": 1.5, "line": 4, "rule": "a/b", "evidence": said, **fields})
