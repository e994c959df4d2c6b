"""One call: a line on the console and a match for whoever tells people; no sink's trouble costs another's."""

import contextlib
import json
import os
import selectors
import subprocess
import sys
import threading

import pytest

from logrules.core.match import Alert, Match
from logrules.core.model import Severity
from logrules.core.redact import Redactor
from logrules.report import Reporter
from logrules.rules import rules
from logrules.settings import read
from logrules.sinks.console import Console

TOKEN = "123456:" + "A" * 35


class Box:
    """Keeps the matches that it is sent."""

    def __init__(self):
        self.matches = []

    def send(self, match):
        self.matches.append(match)


class Stage:
    """A reporter whose console and wrapper are real pipes."""

    def __init__(self, alerts=None, *, wrapped=False, lang="en"):
        self.console, console = os.pipe()
        self.wrapper, events = os.pipe()
        self.open = [self.console, console, self.wrapper, events]
        environ = {"LOGRULES_SERVICE": "kie-bot", "LOGRULES_INSTANCE": "i-1", "LOGRULES_LANG": lang}
        if wrapped:
            environ["LOGRULES_EVENT_FD"] = str(events)
        redact = Redactor(["hunter22"])
        self.report = Reporter(read(environ), Console(console, redact), alerts, clock=lambda: 1763804442.5)

    def lines(self, reader=None):
        reader = reader or self.console
        os.set_blocking(reader, False)
        try:
            return [json.loads(line) for line in os.read(reader, 1 << 20).splitlines()]
        except BlockingIOError:
            return []

    def close(self, *fds):
        for fd in fds or list(self.open):
            self.open.remove(fd)
            os.close(fd)


@pytest.fixture
def stage():
    made = []

    def make(*args, **kwargs):
        made.append(Stage(*args, **kwargs))
        return made[-1]

    yield make
    for each in made:
        each.close()


def failed():
    """A real exception with a cause, its message full of secrets."""

    def connect():
        raise ConnectionError(f"postgres://bob:pw@db/x refused bot{TOKEN}")

    try:
        try:
            connect()
        except ConnectionError as cause:
            raise RuntimeError("hunter22 was wrong") from cause
    except RuntimeError as error:
        return error


def test_the_line(stage):
    """A report is one line with the code's level, fate and remediation, who says it, and what it was told."""
    box = Box()
    one = stage(box)
    one.report("CONFLICT_409", "409 CONFLICT DETECTED", reason="webhook_active", epoch=7, attrs={"seen": 2})
    (line,) = one.lines()
    rule = rules["CONFLICT_409"].why("webhook_active")

    assert line == {
        "timestamp": "2025-11-22T09:40:42.500000Z",
        "level": rule.severity,
        "code": "CONFLICT_409",
        "message": "409 CONFLICT DETECTED",
        "remediation": rule.spec.remediation("en"),
        "service": "kie-bot",
        "instance": "i-1",
        "v": 1,
        "fatal": rule.fatal,
        "reason": "webhook_active",
        "lang": "en",
        "pid": os.getpid(),
        "epoch": 7,
        "attrs": {"seen": 2},
    }


def test_the_match(stage):
    """The store gets the same, proved: it was said by ourselves."""
    box = Box()
    stage(box).report("LOCK_LOST", "the lock is gone", fatal=True, error=failed(), epoch=7, attrs={"a": 1})
    (match,) = box.matches

    assert (match.code, match.message, match.fatal, match.proved) == (
        "LOCK_LOST",
        "the lock is gone",
        True,
        True,
    )
    assert (match.service, match.instance, match.time, match.epoch) == ("kie-bot", "i-1", 1763804442.5, 7)
    assert match.attrs == {"a": 1}
    assert "RuntimeError" in match.evidence


@pytest.mark.parametrize("lang", ["en", "ru"])
@pytest.mark.parametrize("code", list(rules))
def test_every_code_in_every_language(stage, code, lang):
    """Each code's line says whether it is fatal and what to do, in the operator's language."""
    one = stage(lang=lang)
    one.report(code, "message")
    (line,) = one.lines()

    assert line["fatal"] is rules[code].fatal
    assert line["remediation"] == rules.speak(lang)[code].remediation
    assert line["level"] == rules[code].severity
    assert line["lang"] == lang


@pytest.mark.parametrize("fatal", [True, False])
def test_the_caller_knows_better(stage, fatal):
    """The guard may say that something is fatal, or that it is not."""
    one = stage()
    one.report("LOCK_LOST", "message", fatal=fatal)

    assert one.lines()[0]["fatal"] is fatal


def test_an_error_comes_with_its_whole_traceback(stage):
    """Causes included, and without any secret: on the console as on the wrapper's descriptor."""
    one = stage(wrapped=True)
    one.report("LOCK_REACQUIRE_FAILED", f"Error reacquiring lock {TOKEN}", error=failed())
    (line,) = one.lines()
    text = json.dumps(line)

    assert one.lines(one.wrapper) == [line]
    assert line["error"]["type"] == "RuntimeError"
    assert line["error"]["message"] == "*** was wrong"
    assert "ConnectionError: postgres://bob:***@db/x refused bot123456:***" in line["error"]["stack"]
    assert "direct cause" in line["error"]["stack"]
    assert "in failed" in line["error"]["stack"]
    assert "raw" not in line
    assert not [secret for secret in ("AAAA", "hunter22 was", ":pw@") if secret in text]


def test_a_wrapper_takes_the_place_of_alerts(stage):
    """With a wrapper, it alone is told."""
    box = Box()
    one = stage(box, wrapped=True)
    one.report("LOCK_ACQUIRED", "PostgreSQL advisory lock acquired")

    assert one.lines() == one.lines(one.wrapper)
    assert box.matches == []


def test_a_wrapper_hears_it_first(stage):
    """Before a line is on the console, the wrapper has it: else it takes the copy for somebody's text."""
    one = stage(wrapped=True)
    os.set_blocking(one.open[1], False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(one.open[1], b"x" * 65_536)
    os.set_blocking(one.open[1], True)
    speaker = threading.Thread(target=one.report, args=("LOCK_LOST", "gone"))
    speaker.start()
    with selectors.DefaultSelector() as selector:
        selector.register(one.wrapper, selectors.EVENT_READ)
        assert selector.select(20)
        assert speaker.is_alive()
    os.read(one.console, 1 << 20)
    speaker.join()


def test_a_wrapper_that_has_gone_is_mourned_once(stage):
    """When the wrapper is gone the console still has every line, one of them says so, and alerts step in."""
    box = Box()
    one = stage(box, wrapped=True)
    one.close(one.wrapper)
    one.report("LOCK_ACQUIRED", "one")
    one.report("LOCK_LOST", "two")

    assert [line.get("code") for line in one.lines()] == ["LOCK_ACQUIRED", None, "LOCK_LOST"]
    assert [match.code for match in box.matches] == ["LOCK_ACQUIRED", "LOCK_LOST"]


def test_a_stray_descriptor_is_not_written_to(tmp_path):
    """A number that belongs to somebody's open file, or to nobody, is left alone."""
    reader, writer = os.pipe()
    with (tmp_path / "precious").open("w+b") as file:
        settings = read({"LOGRULES_EVENT_FD": str(file.fileno())})
        Reporter(settings, Console(writer, Redactor()), None)("LOCK_ACQUIRED", "one")
        assert (tmp_path / "precious").read_bytes() == b""
    Reporter(settings, Console(writer, Redactor()), None)("LOCK_ACQUIRED", "two")
    os.close(writer)
    with os.fdopen(reader, "rb") as lines:
        assert [m for line in lines if (m := json.loads(line)["message"]) in {"one", "two"}] == ["one", "two"]


def test_a_child_of_the_bot_does_not_inherit_the_wrapper(stage):
    """What the bot starts itself can neither speak in its name nor keep the descriptor open."""
    one = stage(wrapped=True)
    script = f"import os; os.write({one.open[3]}, b'forged')"
    child = subprocess.run([sys.executable, "-c", script], close_fds=False, capture_output=True, check=False)

    assert b"Bad file descriptor" in child.stderr


def test_alerts_that_fail_lose_nothing(stage):
    """If alerts raise, the line is there already, and a second one says what was not taken."""

    class Broken:
        def send(self, match):
            raise OSError(f"disk full {TOKEN}")

    one = stage(Broken())
    one.report("LOCK_LOST", "gone")
    lines = one.lines()

    assert [line["code"] for line in lines] == ["LOCK_LOST", "ALERT_UNDELIVERED"]
    assert "LOCK_LOST" in lines[1]["message"]
    assert "AAAA" not in json.dumps(lines)


def test_a_sink_that_reports_its_own_trouble_is_not_asked_again(stage):
    """Reports made while alerts are being served reach the console and end there."""

    class Chatty:
        def send(self, match):
            one.report("ALERT_UNDELIVERED", f"about {match.code}")

    one = stage(Chatty())
    one.report("LOCK_LOST", "gone")
    one.report("LOCK_ACQUIRED", "back")

    assert [line["message"] for line in one.lines()] == [
        "gone",
        "about LOCK_LOST",
        "back",
        "about LOCK_ACQUIRED",
    ]


def test_an_unknown_code_is_still_a_line(stage):
    """A code without any texts is printed with what there is."""
    one = stage()
    one.report("FROM_THE_FUTURE", "hello", reason="x", attrs={"a": object()})
    (line,) = one.lines()

    assert (line["code"], line["fatal"], line["reason"]) == ("FROM_THE_FUTURE", False, "x")


def test_an_error_that_cannot_be_shown(stage):
    """An exception whose own methods raise costs neither the line nor the bot."""

    class NastyError(Exception):
        def __str__(self):
            raise RuntimeError("no")

        __repr__ = __str__

    one = stage()
    one.report("LOCK_LOST", "gone", error=NastyError())

    assert one.lines()[0]["error"]["type"].endswith("NastyError")


def test_whatever_it_is_handed(stage):
    """What cannot be made into an event is still said, and nothing is raised."""
    one = stage()
    one.report("LOCK_LOST", "gone", attrs=[1, 2])

    assert "LOCK_LOST: gone" in one.lines()[0]["message"]


def deep(depth):
    """An exception from `depth` calls down, each on lines of its own."""
    if depth == 0:
        raise ValueError("bottom")
    exec(f"deep({depth - 1})")  # no two frames alike, or they would be folded


def test_a_long_traceback_keeps_its_ends(stage):
    """The middle of a traceback is left out first, so that cause and effect stay and nothing else is cut."""
    one = stage()
    try:
        deep(100)
    except ValueError as error:
        one.report("LOCK_LOST", "gone", error=error)
    (line,) = one.lines()

    assert "truncated" not in line
    assert line["error"]["stack"].startswith("Traceback")
    assert line["error"]["stack"].rstrip().endswith("ValueError: bottom")
    assert "lines left out" in line["error"]["stack"]


def test_what_is_kept_of_a_kind_is_this_process_and_this_reason(stage):
    """A line names the process that says it, also after a fork, and its own reason, whatever came before."""
    one = stage()
    one.report("LOCK_LOST", "from the parent")
    child = os.fork()
    if child == 0:
        one.report("LOCK_LOST", "from the child")
        os._exit(0)
    os.waitpid(child, 0)
    seen = []
    for number in range(600):
        one.report("FROM_THE_FUTURE", "hello", reason=f"reason {number % 400}", fatal=number % 2 == 0)
        seen += one.lines()

    assert [(line["message"], line["pid"]) for line in seen[:2]] == [
        ("from the parent", os.getpid()),
        ("from the child", child),
    ]
    assert [(line["reason"], line["fatal"]) for line in seen[2:]] == [
        (f"reason {number % 400}", number % 2 == 0) for number in range(600)
    ]


def test_annotations_and_the_undelivered(stage):
    """What others said is annotated without waking anybody; what was not delivered stays readable here."""
    box = Box()
    one = stage(box)
    one.report.annotate(
        Match(
            code="CONFLICT_409",
            fatal=False,
            level=Severity.WARNING,
            message="seen",
            service="s",
            instance="i",
            time=0.0,
            line=12,
            evidence=f"Conflict {TOKEN}",
        )
    )
    one.report.undelivered(
        Alert(
            event_id="e" * 32,
            code="LOCK_LOST",
            fatal=True,
            level="fatal",
            title="Lock lost",
            message="gone",
            remediation={"en": "Stop the other one."},
            service="s",
            instance="i",
            time=0.0,
            first_seen=0.0,
            count=3,
        ),
        ["sentry", "webhook"],
    )
    seen, undelivered = one.lines()

    assert (seen["line"], seen["fatal"], seen["raw"]) == (12, False, "Conflict 123456:***")
    assert (undelivered["code"], undelivered["attrs"]["event_id"]) == ("ALERT_UNDELIVERED", "e" * 32)
    assert undelivered["message"] == "Alert not delivered to sentry, webhook: LOCK_LOST: gone"
    assert undelivered["attrs"]["remediation"] == "Stop the other one."
    assert [match.code for match in box.matches] == ["ALERT_UNDELIVERED"]
