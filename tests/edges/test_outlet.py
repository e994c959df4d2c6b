"""On its way: what a command prints through an outlet, past a full inbox, and between lines of ours."""

from __future__ import annotations

import json
import os
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from logrules.core.model import EVENTS, Chunk, Origin
from logrules.sidecar import inbox as inboxes
from logrules.sidecar.inbox import Inbox
from logrules.sidecar.mouth import WAITING, Mouth
from logrules.sidecar.options import Options
from logrules.sidecar.outlet import PATIENCE, Outlets

TOKEN = "123456789:AAF" + "x" * 32
ENVIRON = {"BOT_TOKEN": TOKEN}
OUT, ERR, TOLD = (Origin("bot", "i:1", name) for name in ("stdout", "stderr", EVENTS))

LONG = b"a line of 70,000 bytes"
"""Stands for it, so that a failing example can be read."""
LINES = st.lists(
    st.sampled_from(
        [
            b"plain",
            b"2026-01-15 08:29:41,511 - app - ERROR - boom",
            b"Traceback (most recent call last):",
            b'  File "x"',
            b"\tat app.Main(Main.java:7)",
            b"50 %\r100 %",
            b"\x01",
            b'{"level":"warn","msg":"x"}',
            b'{"level":"info","message":"x"}',
            b"GET /bot" + TOKEN.encode() + b"/getMe",
            "русский \u2028".encode(),
            b"\xff\x00 \x1b[31mred\x1b[0m\r",
            b"",
            LONG,
        ]
    ),
    max_size=12,
)


def _through(options: Options, data: bytes, cuts: list[int]) -> bytes:
    """What comes out of `data`, which is cut at `cuts`; time stands still."""
    outlet = Outlets(options, ENVIRON).outlet(OUT)
    assert outlet is not None
    ends = [*sorted(at for at in cuts if at < len(data)), len(data)]
    parts = [data[at:end] for at, end in zip([0, *ends], ends, strict=False)]
    return b"".join([*(outlet.feed(part, 100.0) for part in parts if part), outlet.end(100.0)])


@settings(max_examples=300, deadline=None)
@given(
    LINES,
    st.lists(st.integers(0, 3000) | st.integers(0, 300_000), max_size=8),
    st.sets(st.sampled_from(["mask", "json", "thin", "end"])),
)
def test_cuts_change_nothing(lines, cuts, asked):
    """Wherever the bytes are cut the same comes out: no secret, and in JSON one event for each line."""
    redact, as_json, ends = "mask" in asked, "json" in asked, "end" in asked
    options = Options(redact=redact, as_json=as_json, max_lines=1000 if "thin" in asked else None)
    data = b"\n".join(b"x" * 70_000 if line is LONG else line for line in lines)
    data += b"\n" if ends and lines else b""
    if not options.changes_output:
        assert Outlets(options, ENVIRON).outlet(OUT) is None
        return

    whole = _through(options, data, [])

    assert _through(options, data, cuts) == whole
    assert not redact or TOKEN[10:].encode() not in whole
    if as_json:
        events = [json.loads(line) for line in whole.decode().split("\n")[:-1]]
        assert len(events) == len(data.split(b"\n")) - (data.endswith(b"\n") or not data)
    elif not redact:
        assert whole == data


def test_an_unfinished_line_waits_and_goes_out():
    """A prompt is seen after 200 ms; as JSON it is an event, and the rest of its line another one."""
    plain, as_json = (
        Outlets(options, ENVIRON).outlet(OUT)
        for options in (Options(redact=True), Options(redact=True, as_json=True))
    )
    for outlet in (plain, as_json):
        assert outlet.feed(b"Token? 1234567", 10.0) == b""
        assert outlet.deadline == 10.0 + PATIENCE
    said = plain.release(10.2) + plain.feed(b"89:AAF" + b"x" * 32 + b" thanks\nnext\n", 10.3)
    events = as_json.release(10.2) + as_json.feed(b"89:AAF" + b"x" * 32 + b" thanks\nnext\n", 10.3)

    assert said == b"Token? 123456789:*** thanks\nnext\n"
    assert [json.loads(line)["message"] for line in events.splitlines()] == [
        "Token? ",
        "123456789:*** thanks",
        "next",
    ]
    assert plain.deadline is as_json.deadline is None


def test_a_line_without_end_is_cut_once():
    """50 MB without a line end are one event, marked, and little memory; what follows is heard again."""
    outlet = Outlets(Options(as_json=True), ENVIRON).outlet(ERR)
    out = b"".join(outlet.feed(b"x" * 1_000_000, 10.0) for _ in range(50))
    kept = len(outlet._rest)
    out += outlet.feed(b"\nnext\n", 11.0)

    cut, after = (json.loads(line) for line in out.splitlines())
    assert cut["truncated"] is True
    assert after["message"] == "next"
    assert kept <= 64 * 1024


def test_what_was_left_out_is_told_without_secrets():
    """The report of a minute counts, and shows the line that came most often, masked, though it was cut."""
    outlets = Outlets(Options(max_lines=60), ENVIRON)
    outlet = outlets.outlet(OUT)
    line = b"again and again " + b"y" * 70 + b" " + TOKEN.encode() + b" %d\n"
    kept = b"".join(outlet.feed(line % n, 10.0 + n / 100) for n in range(500))
    early = outlets.report(20.0)
    told = outlets.report(10.0 + 70)

    assert early is None
    assert told is not None
    words, attrs = told
    assert kept.count(b"\n") + attrs["left_out"] == 500
    assert f"{attrs['left_out']} of 500 lines" in words
    assert "again and again" in words
    assert TOKEN[10:20] not in words
    assert outlets.deadline is None


def test_an_inbox_lets_go_of_the_oldest_and_owns_up(monkeypatch):
    """Beyond its limit the oldest output goes, line by line; an event of a guard, or a call, never does."""
    monkeypatch.setattr(inboxes, "PACE", 1e12)
    box, called = Inbox(), []
    box.put(Chunk(TOLD, b'{"v":1}\n', 0.0))
    box.call(lambda: called.append(True))
    for number in range(40):
        box.put(Chunk(OUT, (b"%d " % number) * 20_000 + b"half\nof telegram.error.Conflict: x\nhalf ", 0.0))
    box.put(Chunk(ERR, b"errors\n", 0.0))
    first, second = box.take(), box.take()
    assert not isinstance(second, Chunk)
    second()
    rest = [box.take()]
    while rest[-1].origin != ERR:
        rest.append(box.take())

    assert isinstance(first, Chunk)
    assert first.origin == TOLD
    assert called == [True]
    assert rest[0].data.startswith(b"\nof telegram")
    assert len(b"".join(chunk.data for chunk in rest)) <= inboxes.LIMIT + 100_000
    assert box.unread() > 1_000_000
    assert box.unread() == 0


def test_an_inbox_hurries_at_the_end():
    """When the command has ended only its last words are still read; its next life has all the room again."""
    box = Inbox()
    for _ in range(10):
        box.put(Chunk(OUT, b"x" * 99 + b"\n" + b"y" * 99_900, 0.0))
    box.put(Chunk(OUT, b"\nlast words\n", 0.0))
    box.hurry()
    box.call(lambda: None)
    taken = []
    while isinstance(item := box.take(), Chunk):
        taken.append(item)

    assert box.take_now() is None
    assert taken[-1].data == b"\nlast words\n"
    assert sum(len(chunk.data) for chunk in taken) <= inboxes.LAST_WORDS
    box.unread()
    for _ in range(4):
        box.put(Chunk(OUT, b"z" * 99_999 + b"\n", 0.0))
    assert box.unread() == 0


def test_our_lines_stand_between_theirs():
    """A line of ours waits while the command is inside one of its own; too many are lost and counted."""
    reader, writer = os.pipe()
    woken, free = threading.Event(), [False]
    mouth = Mouth(writer, woken.set)
    mouth.listen(lambda: free[0])
    threading.Thread(target=mouth.write, args=(b"ours\n",)).start()
    assert woken.wait(10)
    mouth.say()
    os.write(writer, b"theirs, half ... and whole\n")
    free[0] = True
    mouth.say()
    free[0] = False
    os.write(writer, b"unfinished")
    for _ in range(WAITING + 5):
        mouth.write(b"n\n")
    lost = mouth.lost
    mouth.speak_freely()
    mouth.write(b"at once\n")
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        lines = said.read().splitlines()

    assert lines[:4] == [b"theirs, half ... and whole", b"ours", b"unfinished", b"n"]
    assert (lines.count(b"n"), lines[-1], lost) == (WAITING, b"at once", 5)
