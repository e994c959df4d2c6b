"""What becomes of a command's lines: their levels, events, masks, fewer of them; and which secrets show."""

from __future__ import annotations

import json
import random

import pytest

from logrules.core.event import MAX_BYTES
from logrules.core.output.leaks import Leaks
from logrules.core.output.levels import Levels, whole
from logrules.core.output.masks import Masks
from logrules.core.output.thinning import Thinner
from logrules.core.output.wrapping import Wrapper

TOKEN = "123456789:AAF" + "x" * 32
PASSWORD = "s3cr3t/pw"
ENVIRON = {"BOT_TOKEN": TOKEN, "DATABASE_URL": f"postgres://u:{PASSWORD}@db/name", "HOME": "/root"}
STAMP = "2026-01-15T08:29:41.511000Z"

LEVELS = [
    ("2026-01-15 08:29:41,511 - telegram.ext.Updater - ERROR - boom", "error"),
    ("Traceback (most recent call last):", "error"),
    ('  File "bot.py", line 1, in <module>', "error"),
    ("ValueError: x", "error"),
    ("", "error"),
    ("During handling of the above exception, another exception occurred:", "error"),
    ("", "error"),
    ("Traceback (most recent call last):", "error"),
    ('  File "bot.py", line 2, in <module>', "error"),
    ("KeyError: 1", "error"),
    ("what follows is nobody's", "info"),
    ("2026-01-15 08:29:41 - app - INFO - there was no ERROR here", "info"),
    ('user 42 wrote: "ERROR ERROR"', "info"),
    ("[2026-01-15 08:29:41] [WARNING ] discord.gateway: slow", "warning"),
    ("  and why", "warning"),
    ("error: something", "error"),
    ("no error: fine", "info"),
    ("Found 0 errors", "info"),
    ("DEBUG:root:hi", "debug"),
    ("2026-01-15 08:29:41.511 | CRITICAL | app:main:3 - x", "critical"),
    ('{"level":"warn","msg":"x"}', "warning"),
    ('{"severity": "ERROR", "message": "x"}', "error"),
    ('{"level":50,"msg":"x"}', "error"),
    ('time=2026-01-15T08:29:41Z level=error msg="y"', "error"),
    ("(node:12) Warning: a thing", "warning"),
    ("TypeError: x is not a function", "error"),
    ("    at foo (bar.js:1:1)", "error"),
    ("npm ERR! code ELIFECYCLE", "error"),
    ("a plain line", "info"),
]


def _levels(text: str, size: int) -> list[str]:
    """The level of each line of `text`, which comes so many lines at a time."""
    levels, found = Levels(), []
    lines = text.encode().splitlines(keepends=True)
    for at in range(0, len(lines), size):
        part = b"".join(lines[at : at + size])
        for start, end, level in whole(part, levels.runs(part)):
            found += [str(level)] * part.count(b"\n", start, end)
    return found


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_each_line_has_its_level(size: int) -> None:
    """Heads, JSON, logfmt and tracebacks say how loud a line is, however many lines come at once."""
    text = "".join(f"{line}\n" for line, _ in LEVELS)

    assert list(zip((line for line, _ in LEVELS), _levels(text, size), strict=True)) == LEVELS


def _events(lines: bytes) -> list[dict[str, object]]:
    made = Wrapper("bot", "i:1")(lines, STAMP)
    assert max(map(len, made.splitlines(keepends=True))) <= MAX_BYTES
    return [json.loads(line) for line in made.decode("utf-8").split("\n")[:-1]]


AWKWARD = [
    b'say "hello" \\ back\ttab',
    "русский текст, № и 🚀".encode(),
    "lines\u2028that\u2029others\x85break\x7f".encode(),
    b"NUL \x00 and \x01 bell \x07",
    b"no UTF-8: \xff\xfe\xc3",
    b"",
    b"{broken json",
    b'{"no":"level"}',
    b"[1, 2]",
    b"\\u0001",
]


def test_every_line_is_one_event() -> None:
    """Whatever is in it, each line gives one whole line of JSON with the same words, in the same order."""
    lines = b"".join(line + b"\n" for line in AWKWARD)

    events = _events(lines)

    assert [event["message"] for event in events] == [line.decode("utf-8", "replace") for line in AWKWARD]
    assert {(event["v"], event["service"], event["instance"], event["timestamp"]) for event in events} == {
        (1, "bot", "i:1", STAMP)
    }
    assert "code" not in events[0]
    assert _events(b"\x1b[31mred\x1b[0m\r\n")[0]["message"] == "red"


@pytest.mark.parametrize(
    ("line", "level", "message"),
    [
        ({"level": 30, "time": 1, "pid": 7, "hostname": "h", "msg": "pino", "a": [1]}, "info", "pino"),
        ({"name": "b", "hostname": "h", "pid": 7, "level": 50, "msg": "bunyan", "v": 0}, "error", "bunyan"),
        ({"severity": "WARNING", "message": "google", "trace": "t"}, "warning", "google"),
        ({"event": "structlog", "level": "info", "timestamp": "2026"}, "info", "structlog"),
        ({"lvl": "crit", "msg": 'quoted "x" \u2028'}, "critical", 'quoted "x" \u2028'),
        ({"level": "error", "message": "mine", "service": "theirs"}, "error", "mine"),
        ({"text": "t", "record": {"level": {"name": "ERROR"}, "message": "loguru"}}, "error", "loguru"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_loggers_json_keeps_its_fields(line: dict[str, object], level: str, message: str) -> None:
    """An object with a level and a message becomes an event by our names, and keeps its fields."""
    (event,) = _events(json.dumps(line).encode() + b"\n")

    assert (event["level"], event["message"]) == (level, message)
    renamed = {"level", "msg", "event", "message"}
    assert {name: event.get(name) for name in line if name not in renamed} == {
        name: value for name, value in line.items() if name not in renamed
    }


def test_an_event_passes_as_it_is() -> None:
    """What already has our words for level and message goes out byte for byte: no event is wrapped twice."""
    event = b'{"timestamp":"2026","level":"warning","code":"ALERTS_OFF","message":"x","v":1}\n'
    once = Wrapper("bot", "i:1")(b"a line\n" + event + b"  and another\n", STAMP)

    assert once.splitlines(keepends=True)[1] == event
    assert Wrapper("other", "i:2")(once, "2027-01-01T00:00:00.000000Z") == once


def test_a_long_line_is_cut_and_marked() -> None:
    """A line that is too long for an event is cut between characters, and says so; others stay whole."""
    before, long, after = _events(b"before\n" + "я".encode() * 40_000 + b"\n{}\n")

    assert before["message"] == "before"
    assert long["truncated"] is True
    assert set(str(long["message"])) == {"я"}
    assert after["message"] == "{}"


SECRET_LINES = (
    f"plain\nGET https://api.telegram.org/bot{TOKEN}/getMe\npw {PASSWORD} end\npassword: hunter2\n"
    f"999999999:{'B' * 35}\n-----BEGIN PRIVATE KEY-----\nMIIabc\nMIIdef\n"
    "-----END PRIVATE KEY-----\nplain too\n"
).encode() + b"\xff\xfe\n"
SECRETS = (TOKEN[10:], PASSWORD, "hunter2", "B" * 35, "MIIabc", "MIIdef")


def test_masks_whole_lines() -> None:
    """Secrets by value and by form are masked; every other byte stays, valid UTF-8 or not."""
    told = Masks(ENVIRON).whole(SECRET_LINES)

    assert [secret for secret in SECRETS if secret.encode() in told] == []
    assert told.startswith(b"plain\nGET https://api.telegram.org/bot123456789:***/getMe\npw *** end\n")
    assert told.endswith(b"-----END PRIVATE KEY-----\nplain too\n\xff\xfe\n")


def test_masks_what_comes_line_by_line() -> None:
    """A private key is masked over its lines however they come; one without an end masks no log for ever."""
    masks = Masks(ENVIRON)
    told = b"".join(masks.whole(line) for line in SECRET_LINES.splitlines(keepends=True))
    endless = Masks(ENVIRON)
    endless.whole(b"-----BEGIN PRIVATE KEY-----\n")
    for _ in range(100):
        endless.whole(b"x" * 99 + b"\n")

    assert [secret for secret in SECRETS if secret.encode() in told] == []
    assert endless.whole(b"heard again\n") == b"heard again\n"


@pytest.mark.parametrize("line", SECRET_LINES.splitlines()[1:5], ids=["token", "value", "form", "foreign"])
def test_masks_a_secret_that_pauses_anywhere(line: bytes) -> None:
    """Wherever its line is let out in two parts, neither shows a secret, and only secrets are missing."""
    expected = Masks(ENVIRON).whole(line + b"\n")
    for at in range(1, len(line)):
        masks = Masks(ENVIRON)
        out, waits = masks.part(line[:at])
        out += masks.whole(waits + line[at:] + b"\n")

        assert [secret for secret in SECRETS if secret.encode() in out] == [], at
        assert len(out) <= len(line) + 4
        if b"password" not in line:
            assert out == expected, at


def test_masks_a_secret_that_nothing_ends() -> None:
    """The beginning of a value at the very end of a stream is masked as well."""
    masks = Masks(ENVIRON)
    out, waits = masks.part(b"last " + TOKEN[:30].encode())

    assert (out + masks.last(waits)).startswith(b"last 123456789:")
    assert b"AAFxxx" not in out + Masks(ENVIRON).last(b"last " + TOKEN[:30].encode())


def test_a_leak_is_named_and_not_shown() -> None:
    """Each secret is told once, by its setting or its form, stream and line, wherever the bytes are cut."""
    text = f"a\nb {TOKEN}\n{TOKEN} 999999999:{'A' * 35} x\npw={PASSWORD}\nproduction\n".encode()
    environ = {**ENVIRON, "APP_KEY": "production"}
    dice = random.Random(7)
    for size in (1, 2, 7, 64, 10_000):
        leaks = Leaks(environ)
        found = [
            leak for at in range(0, len(text), size) for leak in leaks.feed("stdout", text[at : at + size])
        ]

        assert {(leak.name, leak.stream, leak.line) for leak in found} == {
            ("the value of BOT_TOKEN", "stdout", 2),
            ("a bot's token", "stdout", 3),
            ("the value of DATABASE_URL", "stdout", 4),
        }
        assert len(found) == 3
        assert not any(
            secret in str(leak) + leak.message for leak in found for secret in (PASSWORD, TOKEN[10:])
        )
        assert leaks.feed("stderr", text[dice.randrange(5) :]) == []


EVENT = (
    b'{"timestamp":"2026-01-15T08:29:41.511000Z","level":"info","code":"LOCK_ACQUIRED","message":"x","v":1}\n'
)


def test_thinning_leaves_out_what_says_least() -> None:
    """Under a limit repetitions go first, then informations, errors last, events never; the rest passes."""
    thinner = Thinner(100)
    words = ["".join(dice) for dice in (random.Random(n).choices("abcdefghij", k=12) for n in range(500))]
    repeated = thinner.thin("stdout", b"".join(b"GET /%d 200\n" % n for n in range(90)), 0.0)
    fresh = thinner.thin("stdout", "".join(f"{word}\n" for word in words[:90]).encode(), 1.0)
    errors = thinner.thin("stderr", "".join(f"ERROR: {word}\n" for word in words[90:180]).encode(), 2.0)
    events = thinner.thin("stderr", EVENT * 5 + b"ERROR: one more\n", 3.0)
    told = thinner.report()

    assert [part.count(b"\n") for part in (repeated, fresh, errors, events)] == [69, 15, 14, 5]
    assert events == EVENT * 5
    assert (told.came, told.left_out, told.repeated, told.errors) == (276, 173, 21, 77)
    assert thinner.left_out == 0
    assert thinner.thin("stdout", b"a minute later\n", 61.5) == b"a minute later\n"


def test_thinning_keeps_its_limit_in_every_minute() -> None:
    """However lines come, no sixty seconds hold more than the limit, and below it nothing is left out."""
    dice, thinner, gone = random.Random(3), Thinner(600), []
    for second in range(300):
        lines = b"".join(b"line %d of %d\n" % (n, dice.randrange(9)) for n in range(dice.choice((0, 5, 200))))
        gone.append(thinner.thin("stdout", lines, float(second)).count(b"\n"))
    calm = Thinner(600)
    steady = [calm.thin("stdout", b"tick %d\n" % n, n / 5).count(b"\n") for n in range(600)]

    assert max(sum(gone[at : at + 60]) for at in range(240)) <= 600
    assert sum(steady) == 600
