"""Alerts as Sentry events: to a receiver that fails like a real one, and through Sentry's own normaliser."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime

import msgspec
import pytest
import sentry_sdk
from sentry_relay.processing import StoreNormalizer
from sentry_sdk.client import SDK_INFO

from logrules.core.alerting.delivery import BARE_429, LONGEST_ASKED, Verdict, seal
from logrules.core.alerting.incidents import decide, end_of
from logrules.core.event import timestamp
from logrules.core.match import Match
from logrules.core.redact import Redactor
from logrules.rules import rules
from logrules.sinks.sentry import Sentry, event
from logrules.testing import SentryReceiver

START = time.time() - 3600
TOKEN = "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def match_of(code="CONFLICT_409", **changes):
    spec = rules.specs[code].why(changes.get("reason"))
    fields = {"fatal": spec.fatal, "level": spec.severity, "message": "409 CONFLICT DETECTED", "time": START}
    fields |= {"service": "bot", "instance": "host:1", "proved": True}
    return Match(code=code, **{**fields, **changes})


def make_alert(code="CONFLICT_409", **changes):
    spec = msgspec.structs.replace(rules.specs[code].why(changes.get("reason")), confirm=None)
    return decide(None, match_of(code, **changes), spec, START).alert


@pytest.fixture(scope="module")
def receiver():
    with SentryReceiver() as sentry:
        yield sentry


@pytest.fixture
def sentry(receiver):
    receiver.ok()
    return Sentry(receiver.dsn, instance="host:1", release="v1", environment="staging")


def normalised(plain):
    limits = {"max_secs_in_future": 60, "max_secs_in_past": 30 * 86400, "enable_trimming": True}
    now = datetime.now(UTC).isoformat()
    relay = StoreNormalizer(project_id=1, client="logrules", protocol_version="7", received_at=now, **limits)
    return relay.normalize_event(plain)


def alerting():
    """Every code and reason that wakes somebody."""
    for name, code in rules.specs.items():
        for reason in [None, *code.reasons]:
            if code.why(reason).alert is not None:
                yield name, reason


@pytest.mark.parametrize(("code", "reason"), list(alerting()))
def test_sentry_keeps_every_event_as_it_is(code, reason):
    """Sentry's normaliser finds no error in the event of any code, and trims nothing of it."""
    match = make_alert(
        code,
        reason=reason,
        service="my bot/№1",
        instance="i" * 300,
        message="м" * 3000,
        evidence="ы\n" * 3000,
        epoch=5,
        attrs={"pid": 1, "deep": {"a": [1, {"b": None}]}},
    )
    match = msgspec.structs.replace(match, before=7, closed_at=START + 600)
    for lang in ("en", "ru"):
        sent = event(seal(match, Redactor()), lang, time.time())
        kept = normalised(sent)

        assert not kept.get("errors")
        assert not kept.get("_meta")
        assert match.remediation.items() <= kept["contexts"]["remediation"].items()
        assert match.remediation[lang] in kept["logentry"]["formatted"] == sent["logentry"]["formatted"]
        assert kept["fingerprint"] == ["logrules", "my bot/№1", code, *([reason] if reason else [])]


@pytest.mark.parametrize(
    ("release", "environment"),
    [("a\nb/c", "pro/d \n"), ("", ""), ("latest", "None"), ("x" * 300, "y" * 300), ("v\udcff1", "\ud800")],
)
def test_odd_release_and_environment_are_put_right(receiver, release, environment):
    """What Sentry would drop for its form is sent in a form that it keeps."""
    receiver.ok()
    alert = msgspec.structs.replace(make_alert(), event_id=f"{hash((release, environment)) % 16**32:032x}")
    sink = Sentry(receiver.dsn, instance="a\nb", release=release, environment=environment)
    sink.send(alert)
    got = receiver.events[alert.event_id]
    kept = normalised(got)

    assert not kept.get("errors")
    assert not kept.get("_meta")
    assert kept["environment"]
    assert "\\ud" not in json.dumps(got)  # Relay's parser takes no half of a character


def test_event_says_what_an_operator_needs(receiver, sentry):
    """Title, level, tags, fingerprint, count and the time of the event arrive as agreed."""
    alert = make_alert(reason="webhook_active", evidence="the line", epoch=3)

    assert sentry.send(alert).verdict is Verdict.DELIVERED
    got = receiver.events[alert.event_id]

    assert got["logentry"]["formatted"].startswith(f"CONFLICT_409: {alert.title}\n\n409 CONFLICT DETECTED")
    assert (got["level"], got["timestamp"]) == ("fatal", timestamp(START))
    assert got["tags"] == {
        "code": "CONFLICT_409",
        "reason": "webhook_active",
        "service": "bot",
        "fatal": "true",
    }
    assert (got["release"], got["environment"], got["server_name"]) == ("v1", "staging", "host:1")
    assert got["contexts"]["incident"]["count"] == 1
    assert got["contexts"]["incident"]["epoch"] == 3
    assert got["contexts"]["evidence"] == {"text": "the line"}
    assert "breadcrumbs" not in got
    assert "modules" not in got


@pytest.mark.parametrize(
    ("status", "headers", "after"),
    [
        (429, {"Retry-After": "7"}, 7),
        (429, {"X-Sentry-Rate-Limits": "11:error:organization, 90:transaction:organization"}, 11),
        (429, {"X-Sentry-Rate-Limits": "60::key, 86400:transaction;span:organization"}, 60),
        (429, {"X-Sentry-Rate-Limits": "86400:transaction:key", "Retry-After": "5"}, 5),
        (429, {}, BARE_429),
        (429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, BARE_429),
        (429, {"Retry-After": "999999"}, LONGEST_ASKED),
        (408, {}, None),
        (500, {}, None),
        (503, {}, None),
    ],
)
def test_passing_trouble_is_tried_again(receiver, sentry, status, headers, after):
    """Rate limits wait for as long as the header says; 408 and 5xx leave the wait to our back-off."""
    receiver.status(status, headers, times=1)
    delivery = sentry.send(make_alert())

    assert (delivery.verdict, delivery.after) == (Verdict.RETRY, after)
    assert str(status) in delivery.why


@pytest.mark.parametrize(
    ("status", "word"), [(400, "refused"), (401, "SENTRY_DSN"), (403, "SENTRY_DSN"), (413, "large")]
)
def test_refusal_is_final_and_explained(receiver, sentry, status, word):
    """Other 4xx are not tried again, and the reason tells the operator what to do."""
    receiver.status(status, times=1)
    delivery = sentry.send(make_alert())

    assert delivery.verdict is Verdict.REJECTED
    assert word in delivery.why


@pytest.mark.parametrize("fault", ["reset", "ack_lost", "down"])
def test_network_trouble_is_tried_again(receiver, sentry, fault):
    """A reset connection, a lost acknowledgement and a closed port are retried, with the same event id."""
    alert = make_alert(service=fault)
    getattr(receiver, fault)()
    first = sentry.send(alert)
    receiver.ok()
    second = sentry.send(alert)

    assert (first.verdict, first.after) == (Verdict.RETRY, None)
    assert second.verdict is Verdict.DELIVERED
    assert receiver.received[alert.event_id] == (2 if fault == "ack_lost" else 1)


def test_own_sentry_of_the_user_is_left_alone(receiver, sentry, monkeypatch):
    """Beside a user's own Sentry, ours sends one event with none of their data, and theirs sends none."""
    monkeypatch.setenv("SENTRY_SPOTLIGHT", "1")
    users = []

    class Users(sentry_sdk.transport.Transport):
        def capture_envelope(self, envelope):
            users.append(envelope)

    with sentry_sdk.isolation_scope():
        sentry_sdk.init(dsn="http://users@127.0.0.1:9/7", transport=Users)
        try:
            sentry_sdk.set_tag("token", TOKEN)
            sentry_sdk.add_breadcrumb(message=TOKEN)
            client = sentry_sdk.get_client()
            monkeypatch.setitem(SDK_INFO, "name", "sentry.python.django")
            ours = Sentry(receiver.dsn, instance="a")
            alert = make_alert(service="beside")
            delivery = ours.send(alert)

            assert sentry_sdk.get_client() is client
            assert SDK_INFO["name"] == "sentry.python.django"
        finally:
            sentry_sdk.init()

    assert delivery.verdict is Verdict.DELIVERED
    assert users == []
    assert "token" not in receiver.events[alert.event_id]["tags"]
    assert not receiver.holds(TOKEN)


def test_end_of_an_incident_is_no_event(receiver, sentry):
    """An issue counts sightings, and an end is none: it takes no request; what came late says its end."""
    row = decide(None, match_of(), rules.specs["CONFLICT_409"], START).incident
    closed = msgspec.structs.replace(row, closed_at=START + 600)
    attempts = len(receiver.attempts)
    alert = msgspec.structs.replace(make_alert(service="late"), before=3, closed_at=START + 600)

    assert sentry.send(end_of(closed, rules.specs["CONFLICT_409"])).verdict is Verdict.DELIVERED
    assert len(receiver.attempts) == attempts
    assert sentry.send(alert).verdict is Verdict.DELIVERED
    facts = receiver.events[alert.event_id]["contexts"]["incident"]
    assert (facts["before"], facts["closed_at"]) == (3, timestamp(START + 600))


def test_no_thread_is_left_behind(receiver):
    """Sending starts no thread: the SDK's own queue, monitor and flusher stay away."""
    program = textwrap.dedent("""
        import sys, threading
        sys.path.insert(0, sys.argv[2])
        import test_sentry_sink
        sink = test_sentry_sink.Sentry(sys.argv[1], instance="a")
        print(sink.send(test_sentry_sink.make_alert()).verdict, threading.active_count())
    """)
    receiver.ok()
    command = [sys.executable, "-c", program, receiver.dsn, __file__.rpartition("/")[0]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["delivered", "1"]


def test_tags_hold_no_raw_text():
    """Neither message nor evidence nor attributes reach a tag, where Sentry's scrubbing never looks."""
    alert = make_alert(message="RAW", evidence="RAW", attrs={"RAW": "RAW"})

    assert "RAW" not in str(event(alert, "en", START)["tags"])


@pytest.mark.parametrize("ahead", [400 * 86400, 61, -31 * 86400, -400 * 86400])
def test_time_that_sentry_would_not_take(ahead):
    """An alert of a wrong clock, of an old log or of a long outage arrives without an error, dated now."""
    now = time.time()
    alert = msgspec.structs.replace(make_alert(), time=now + ahead)
    kept = normalised(event(alert, "en", now))

    assert not kept.get("errors")
    assert kept["timestamp"] == pytest.approx(now, abs=0.001)
