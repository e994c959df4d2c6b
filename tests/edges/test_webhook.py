"""Alerts as signed JSON, to a receiver that fails like a real one."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest

from logrules.core.alerting.delivery import BARE_429, Verdict, seal
from logrules.core.alerting.incidents import decide, end_of
from logrules.core.match import Match
from logrules.core.redact import Redactor
from logrules.rules import rules
from logrules.sinks.webhook import Webhook, message, signature
from logrules.testing import WebhookReceiver

START = 1_800_000_000.0
TOKEN = "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def decided(code="CONFLICT_409", **changes):
    spec = msgspec.structs.replace(rules.specs[code].why(changes.get("reason")), confirm=None)
    fields = {"fatal": spec.fatal, "level": spec.severity, "message": "409 CONFLICT DETECTED", "time": START}
    fields |= {"service": "bot", "instance": "host:1", "proved": True}
    return decide(None, Match(code=code, **{**fields, **changes}), spec, START)


def make_alert(code="CONFLICT_409", **changes):
    return decided(code, **changes).alert


@pytest.fixture
def receiver():
    with WebhookReceiver() as hook:
        yield hook


def key_of(receiver):
    return base64.b64decode(receiver.secret.removeprefix("whsec_"))


@pytest.fixture
def webhook(receiver):
    return Webhook(receiver.url, key_of(receiver))


def test_signature_is_that_of_the_standard():
    """The specification's own example is signed as it says."""
    headers = {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330"}
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    assert signature(key, headers, b'{"test": 2432232314}') == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_message_says_all_that_a_program_needs(receiver, webhook):
    """Code, cause, remediation in both languages, counts and times arrive, under an id that stays."""
    alert = make_alert(reason="webhook_active", evidence="the line «ы»", epoch=3, attrs={"pid": 1})

    assert webhook.send(alert).verdict is Verdict.DELIVERED
    got = receiver.events[alert.event_id]

    assert (got["type"], got["timestamp"]) == ("alert.firing", "2027-01-15T08:00:00.000000Z")
    assert got["data"] == {
        "incident": "bot/CONFLICT_409/webhook_active",
        "code": "CONFLICT_409",
        "reason": "webhook_active",
        "level": "fatal",
        "fatal": True,
        "title": alert.title,
        "message": "409 CONFLICT DETECTED",
        "remediation": alert.remediation,
        "service": "bot",
        "instance": "host:1",
        "first_seen": "2027-01-15T08:00:00.000000Z",
        "last_seen": "2027-01-15T08:00:00.000000Z",
        "closed_at": None,
        "count": 1,
        "suppressed": 0,
        "before": 0,
        "number": 1,
        "epoch": 3,
        "evidence": "the line «ы»",
        "attrs": {"pid": 1},
        "runbook": "",
    }


def test_end_names_the_same_incident(receiver, webhook):
    """What is over is told as resolved, of the incident whose beginning was told."""
    decision = decided()
    closed = msgspec.structs.replace(decision.incident, closed_at=START + 600)
    end = end_of(closed, rules.specs["CONFLICT_409"])
    for alert in (decision.alert, end):
        webhook.send(alert)
    first, last = receiver.events.values()

    assert (first["type"], last["type"]) == ("alert.firing", "alert.resolved")
    assert first["data"]["incident"] == last["data"]["incident"] == "bot/CONFLICT_409"
    assert last["data"]["closed_at"] == "2027-01-15T08:10:00.000000Z"


@pytest.mark.parametrize(
    ("fault", "kept"),
    [("reset", 1), ("ack_lost", 2), ("down", 1)],
)
def test_network_trouble_is_tried_again(receiver, webhook, fault, kept):
    """A reset connection, a lost answer and a closed port are retried, with the same id, signed anew."""
    alert = make_alert()
    getattr(receiver, fault)()
    first = webhook.send(alert)
    receiver.ok()
    second = webhook.send(alert)

    assert (first.verdict, first.after) == (Verdict.RETRY, None)
    assert second.verdict is Verdict.DELIVERED
    assert receiver.received == {alert.event_id: kept}


@pytest.mark.parametrize(
    ("status", "headers", "after"),
    [
        (429, {"Retry-After": "7"}, 7),
        (429, {}, BARE_429),
        (408, {}, None),
        (500, {}, None),
        (502, {}, None),
        (503, {}, None),
    ],
)
def test_passing_trouble_is_tried_again(receiver, webhook, status, headers, after):
    """A rate limit waits as long as it says, or a minute; 408 and 5xx leave the wait to our back-off."""
    receiver.status(status, headers, times=1)
    delivery = webhook.send(make_alert())

    assert (delivery.verdict, delivery.after) == (Verdict.RETRY, after)
    assert str(status) in delivery.why


@pytest.mark.parametrize(
    ("status", "setting"),
    [
        (301, "LOGRULES_ALERT_WEBHOOK"),
        (400, "answered 400"),
        (401, "LOGRULES_ALERT_WEBHOOK_SECRET"),
        (404, "LOGRULES_ALERT_WEBHOOK"),
        (410, "LOGRULES_ALERT_WEBHOOK"),
        (413, "answered 413"),
    ],
)
def test_refusal_is_final_and_explained(receiver, webhook, status, setting):
    """What a receiver will never take is not tried again, nor sent where it points; the setting is named."""
    receiver.status(status, {"Location": receiver.url}, times=1)
    delivery = webhook.send(make_alert())

    assert delivery.verdict is Verdict.REJECTED
    assert setting in delivery.why
    assert len(receiver.attempts) == 1


def test_wrong_secret_is_refused(receiver):
    """A receiver can tell our messages from somebody else's."""
    wrong = Webhook(receiver.url, b"x" * 32).send(make_alert())
    unsigned = Webhook(receiver.url).send(make_alert())

    assert wrong.verdict is unsigned.verdict is Verdict.REJECTED
    assert "LOGRULES_ALERT_WEBHOOK_SECRET" in wrong.why
    assert receiver.events == {}


def test_slow_answer_is_waited_for(receiver, webhook):
    """A receiver that takes its time is no failure, and gets the message once."""
    receiver.slow(0.3)

    assert webhook.send(make_alert()).verdict is Verdict.DELIVERED
    assert sum(receiver.received.values()) == 1


def test_address_and_secret_are_told_to_nobody(receiver):
    """The address of a webhook is a secret itself: no outcome and no message holds it, nor what signs it."""
    secret = "T0123456789abcdefSECRETPATH"
    sink = Webhook(f"{receiver.url}/{secret}?key={secret}", key_of(receiver))
    whys = []
    for status in (301, 400, 404, 429, 500):
        receiver.status(status, times=1)
        whys.append(sink.send(make_alert()).why)
    receiver.reset(times=1)
    whys.append(sink.send(make_alert()).why)
    receiver.down()
    whys.append(sink.send(make_alert()).why)

    assert all(why for why in whys)
    assert not [why for why in whys if secret in why or receiver.secret in why]
    assert not receiver.holds(receiver.secret)


def test_hostile_texts_are_sent_whole():
    """Whatever a log held, the body is JSON in UTF-8."""
    hostile = "\ud800\0\u2028</script>" + "м" * 9000
    alert = seal(
        make_alert(message=hostile, evidence=hostile, service="a/b c", attrs={"o": object()}),
        Redactor([TOKEN]),
    )
    body = json.dumps(message(alert), ensure_ascii=False).encode()

    assert json.loads(body)["data"]["service"] == "a/b c"
