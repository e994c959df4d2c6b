"""Lines whose common part is encoded once are the same, and as safe, as lines that are encoded whole."""

import json
import random
import threading
from typing import Any

from logrules.core.event import MAX_BYTES, Error, Event, encode, timestamp
from logrules.core.frame import Frame
from logrules.core.model import Severity
from logrules.core.redact import Redactor

TOKEN = "123456:" + "A" * 35


def kind(**fields):
    """An event but for what differs from line to line."""
    common = {"level": Severity.ERROR, "service": "kie-бот", "instance": "host:7", "lang": "en", "pid": 7}
    return Event(**{"timestamp": "", "message": "", **common, **fields})


class Silent:
    """An object that cannot be shown."""

    def __repr__(self):
        raise RuntimeError("no")


MESSAGES: list[Any] = [
    "",
    "key 5",
    "Webhook удалён",
    f"bot{TOKEN}/x",
    "hunter22",
    '"message":""',
    "a\x7fb",
    "a\u2028b",
]
MESSAGES += ["a\nb\0c\\", "\udcff", "x" * 20_000, "\u2028" * 6000, "я" * 9000, 5, None, b"\xff", Silent()]
KINDS: list[dict[str, object]] = [
    {},
    {"code": "LOCK_LOST", "fatal": True, "reason": "hunter22", "remediation": '"message":"" до'},
]
KINDS += [{"logger": "a.b"}, {"rule": "r", "remediation": "я" * 20_000}, {"logger": "l" * 20_000}]
RESTS: list[dict[str, object] | None] = [
    None,
    {},
    {"epoch": 7},
    {"attrs": {"a": 1, TOKEN: ["hunter22", float("nan"), 1 << 64, "\udcff"]}},
]
RESTS += [{"epoch": 1, "attrs": {"x": "y" * 9000}, "error": Error(type="T", message=TOKEN, stack="s" * 8000)}]
RESTS += [{"error": Error(type="T", message="m")}, {"attrs": {1: Silent()}, "raw": "hunter22"}]


def test_a_line_is_the_same_as_if_it_were_encoded_whole():
    """Kinds with messages and rests of every sort: byte for byte, redacted, within the cap, one line."""
    redact = Redactor([TOKEN, "hunter22"])
    frames = [(fields, Frame(kind(**fields), redact)) for fields in KINDS]
    every = [(*frame, message, rest) for frame in frames for message in MESSAGES for rest in RESTS]
    for fields, frame, message, rest in random.Random(409).sample(every, 150):
        own = {
            name: value for name, value in (rest or {}).items() if name != "epoch" or "logger" not in fields
        }
        line = frame.line(1763804442.5, message, own)
        at = {"timestamp": timestamp(1763804442.5), "message": message}

        assert line == encode(kind(**{**fields, **at, **own}), redact)
        assert len(line) <= MAX_BYTES
        assert len(line.decode().splitlines()) == 1
        assert not [secret for secret in ("AAAA", "hunter22") if secret in line.decode()]


def test_what_is_learned_later_is_hidden_from_then_on():
    """Also in what is encoded already, and whatever another thread is encoding meanwhile."""
    redact = Redactor()
    frame = Frame(kind(instance="hunter22", code="LOCK_LOST"), redact)
    assert b'"hunter22"' in frame.line(0.0, "hunter23")
    learned, stop = threading.Event(), threading.Event()
    leaks = []

    def speak():
        while not stop.is_set():
            knows = learned.is_set()
            line = frame.line(0.0, "hunter23")
            leaks.extend([line] if knows and b"hunter" in line else [])

    threads = [threading.Thread(target=speak) for _ in range(2)]
    for thread in threads:
        thread.start()
    redact.add("hunter22", "hunter23")
    learned.set()
    said = [frame.line(0.0, "hunter23") for _ in range(200)]
    stop.set()
    for thread in threads:
        thread.join()

    assert leaks == []
    assert {json.loads(line)["instance"] + json.loads(line)["message"] for line in said} == {"******"}


def test_time_stamps():
    """Every time is rounded to the nearest microsecond, in order, also where that is the next second."""
    dice = random.Random(409)
    times = [0.0, 0.9999994, 0.9999996, 1.0, 59.9999999, -0.5, -1e-9, -1.5, 1763804442.123456, 4e9 + 0.25]
    times += [1763804442 + dice.randrange(3_000_000) / 1e6 for _ in range(300)]
    for seconds in [*sorted(times), *times]:
        whole, micros = divmod(round(seconds * 1e6), 1_000_000)

        assert timestamp(seconds) == f"{timestamp(whole)[:19]}.{micros:06}Z"
    stamps = [timestamp(seconds) for seconds in sorted(times) if seconds >= 0]
    assert stamps == sorted(stamps)
