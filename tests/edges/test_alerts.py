"""From a match to a receiver: real receivers that fail, real files, real processes that die."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
import threading
import time

import msgspec
import pytest

from logrules.alerts import Notices, open_alerts
from logrules.core.alerting import delivery
from logrules.core.event import timestamp
from logrules.core.match import Match
from logrules.core.redact import Redactor
from logrules.rules import rules
from logrules.settings import Settings
from logrules.stores.sqlite import outbox
from logrules.testing import BotApiServer, SentryReceiver

TOKEN = "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
PASSWORD = "s3cr3t-of-the-db"
KEY = "fedcba9876543210" * 2


def make_match(code="CONFLICT_409", **changes):
    spec = rules.specs[code]
    fields = {"fatal": spec.fatal, "level": spec.severity, "message": "409", "service": "bot"}
    fields |= {"instance": "a", "time": time.time(), "proved": True}
    return Match(code=code, **{**fields, **changes})


@pytest.fixture
def receiver():
    with SentryReceiver() as sentry:
        yield sentry


@pytest.fixture
def opened(tmp_path):
    """Open alerts as a process would; all are closed at the end."""
    everything = []

    def open_(redact=Redactor(), codes=rules.specs, **settings):  # noqa: B008
        names = {"service": "bot", "instance": "a", "lang": "en", "state_file": tmp_path / "alerts.db"}
        alerts = open_alerts(Settings(**{**names, **settings}), redact, codes=codes)
        everything.append(alerts)
        return alerts

    yield open_
    for alerts in everything:
        alerts.close()


@pytest.fixture
def quick(monkeypatch):
    """Back-off and leases of tests: short."""
    monkeypatch.setattr(delivery, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(delivery, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(outbox, "LEASE", 1.0)


def test_match_reaches_the_receiver_once(opened, receiver):
    """Three matches of one incident are one event, and nothing stays behind."""
    alerts = opened(sentry_dsn=receiver.dsn)
    for _ in range(3):
        alerts.send(make_match())
    (event,) = receiver.wait_for(1)

    assert alerts.flush(10) == []
    assert event["tags"]["code"] == "CONFLICT_409"
    assert sum(receiver.received.values()) == 1


def test_send_waits_for_no_receiver(opened, receiver):
    """`send` has returned, and the alert is safe, while the receiver has not answered yet."""
    alerts = opened(sentry_dsn=receiver.dsn)
    receiver.slow(3600)
    alerts.send(make_match())
    receiver.wait_for(1)

    assert len(alerts._store.undelivered()) == 1


def test_flush_delivers_what_a_passing_trouble_kept_back(opened, receiver):
    """A dying process tries again within its deadline, and reports nothing as lost that arrived."""
    receiver.status(503, times=2)
    alerts = opened(sentry_dsn=receiver.dsn)
    alerts.send(make_match())

    assert alerts.flush(30) == []
    assert [attempt.status for attempt in receiver.attempts] == [503, 503, 200]
    assert {attempt.event_ids for attempt in receiver.attempts} == {tuple(receiver.received)}


def test_flush_returns_what_stays(opened, receiver):
    """What no receiver took in time is returned, whole, and stays in the file."""
    receiver.down()
    alerts = opened(sentry_dsn=receiver.dsn)
    alerts.send(make_match())
    (left,) = alerts.flush(0.3)

    assert left.code == "CONFLICT_409"
    assert left.remediation["en"]
    assert [alert.event_id for alert in opened()._store.undelivered()] == []  # no sink: not its business


def test_flush_does_not_wait_for_a_receiver_that_wants_quiet(opened, receiver):
    """A 429 that lasts longer than the deadline ends the flush at once, without another request."""
    receiver.status(429, {"Retry-After": "3000"})
    alerts = opened(sentry_dsn=receiver.dsn)
    alerts.send(make_match())
    started = time.monotonic()
    (left,) = alerts.flush(300)

    assert left.code == "CONFLICT_409"
    assert time.monotonic() - started < 150
    assert len(receiver.attempts) == 1


def test_next_process_sends_what_the_last_one_left(opened, receiver, quick, monkeypatch):
    """What could not go out goes out at the next start, however long the rest: with its id and own time."""
    monkeypatch.setattr(delivery, "FIRST_WAIT", 1000.0)
    monkeypatch.setattr(delivery, "LONGEST_WAIT", 1000.0)
    receiver.down()
    first = opened(sentry_dsn=receiver.dsn)
    first.send(make_match(time=time.time() - 86400))
    (left,) = first.flush(0.1)
    first.close()
    receiver.ok()
    opened(sentry_dsn=receiver.dsn)
    (event,) = receiver.wait_for(1)

    assert event["event_id"] == left.event_id
    assert event["timestamp"] == timestamp(left.time)
    assert left.time < time.time() - 86000


def test_trouble_in_one_sink_does_not_delay_the_other(opened, receiver):
    """With Telegram hanging, Sentry has its event, and the other way round nothing is lost."""
    with BotApiServer() as api:
        api.fail_next("sendMessage", hang=True)
        alerts = opened(sentry_dsn=receiver.dsn, alert_chat="-100", token=api.token, bot_api=api.url)
        alerts.send(make_match())
        receiver.wait_for(1)
        (left,) = alerts.flush(0.1)

        assert left.event_id in receiver.events


def test_telegram_chat_gets_its_message(opened):
    """Without Sentry, the chat alone is told, by the bot itself."""
    with BotApiServer() as api:
        alerts = opened(alert_chat="-100", token=api.token, bot_api=api.url, lang="ru")
        alerts.send(make_match())

        assert alerts.flush(20) == []
        assert alerts.configured
        assert "Что делать" in api.sent[0].text


def test_429_is_waited_for_and_then_one_event_says_it_all(opened, receiver):
    """While Sentry limits us all is kept; after the header's wait each kind arrives once, with its count."""
    spec = rules.specs["CONFLICT_409"]
    assert spec.alert is not None
    eager = msgspec.structs.replace(spec, alert=msgspec.structs.replace(spec.alert, repeat=0.0))
    receiver.status(429, {"X-Sentry-Rate-Limits": "1:error:organization"})
    alerts = opened(
        codes={**rules.specs, "CONFLICT_409": msgspec.structs.replace(eager, reasons={})},
        sentry_dsn=receiver.dsn,
    )
    for number in range(20):
        alerts.send(make_match(service=f"s{number % 2}"))
    receiver.wait_for(lambda: len(receiver.attempts) >= 1)
    refused = len(receiver.attempts)
    receiver.ok()
    events = receiver.wait_for(2)
    assert alerts.flush(20) == []

    assert refused <= 2
    assert sum(receiver.received.values()) == 2
    assert {event["contexts"]["incident"]["count"] for event in events} == {10}


def test_end_of_an_incident_reaches_the_chat_by_itself(opened):
    """Nobody has to look: some time after the good sign the chat hears that it is over."""
    spec = rules.specs["CONFLICT_409"]
    codes = {**rules.specs, "CONFLICT_409": msgspec.structs.replace(spec, resolve_after=0.3)}
    with BotApiServer() as api:
        alerts = opened(codes=codes, alert_chat="-100", token=api.token, bot_api=api.url)
        (sender,), asleep = alerts._senders, threading.Event()
        sleep = sender._woken.wait

        def fall_asleep(seconds):
            asleep.set()
            return sleep(seconds)

        sender._woken.wait = fall_asleep
        alerts.send(make_match())
        api.wait_for(lambda: len(api.sent) == 1)
        assert asleep.wait(20)
        alerts.send(make_match("POLLING_STARTED"))
        api.wait_for(lambda: len(api.sent) == 2)

        assert [sent.text[0] for sent in api.sent] == ["🔴", "✅"]


def test_without_receivers_incidents_are_counted(opened):
    """Nobody to tell: it says so, keeps the count, and has nothing to flush."""
    alerts = opened()
    for _ in range(2):
        alerts.send(make_match())

    assert not alerts.configured
    assert alerts.flush(10) == []
    assert alerts._store.open_incidents()[0].count == 2


def test_refusal_is_told_and_not_repeated(opened, receiver):
    """A receiver that refuses for good is asked once, and the operator hears why."""
    receiver.status(403)
    heard: list[str] = []
    alerts = opened(sentry_dsn=receiver.dsn)
    alerts.listen(lambda _, text: heard.append(text))
    alerts.send(make_match())
    alerts.flush(10)

    assert len(receiver.attempts) == 1
    assert "CONFLICT_409" in heard[0]
    assert "SENTRY_DSN" in heard[0]


def test_outage_is_told_once(opened, receiver, quick):
    """However long a receiver is away, the operator hears of it once."""
    heard: list[str] = []
    receiver.status(503)
    alerts = opened(sentry_dsn=receiver.dsn)
    alerts.listen(lambda _, text: heard.append(text))
    alerts.send(make_match())
    receiver.wait_for(lambda: len(receiver.attempts) >= 8)
    receiver.ok()
    receiver.wait_for(1)

    assert [text for text in heard if "503" in text] == heard[:1] == heard


def test_long_rest_is_told_at_once(opened):
    """A receiver that wants quiet for long, as one with a refused token does, is said at once."""
    heard: list[str] = []
    with BotApiServer() as api:
        api.revoke()
        alerts = opened(alert_chat="-100", token=api.token, bot_api=api.url)
        alerts.listen(lambda _, text: heard.append(text))
        alerts.send(make_match("TOKEN_INVALID"))
        (left,) = alerts.flush(20)

        assert left.code == "TOKEN_INVALID"
        assert "LOGRULES_ALERT_TOKEN" in heard[0]


def test_chat_without_a_bot_is_said(opened):
    """A chat and no token: nobody can write there, and the operator hears what to set."""
    heard: list[str] = []
    alerts = opened(alert_chat="-100")
    alerts.listen(lambda _, text: heard.append(text))

    assert not alerts.configured
    assert "LOGRULES_ALERT_TOKEN" in heard[0]


def test_broken_sink_loses_nothing(opened, tmp_path):
    """A receiver that cannot even be built keeps its alerts, and the process its calm."""
    heard: list[str] = []
    alerts = opened(sentry_dsn="http://no-key.invalid/1")
    alerts.listen(lambda _, text: heard.append(text))
    alerts.send(make_match())

    assert [alert.code for alert in alerts.flush(0.3)] == ["CONFLICT_409"]


def test_unusable_state_file_still_alerts(opened, receiver):
    """Where no file can be written, alerts go out from memory, and it is said."""
    heard: list[str] = []
    alerts = opened(sentry_dsn=receiver.dsn, state_file="/proc/x/y.db")
    alerts.listen(lambda _, text: heard.append(text))
    alerts.send(make_match())

    assert alerts.flush(20) == []
    assert len(receiver.events) == 1
    assert "/proc/x/y.db" in heard[0]


def test_forked_child_sends_its_own(opened, receiver):
    """After a fork both processes deliver, though threads do not survive it."""
    alerts = opened(sentry_dsn=receiver.dsn)
    alerts.send(make_match(service="before"))
    assert alerts.flush(20) == []
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            alerts.send(make_match(service="child"))
            alerts.flush(20)
        os._exit(0)
    os.waitpid(pid, 0)
    alerts.send(make_match(service="after"))
    alerts.flush(20)

    assert {e["tags"]["service"] for e in receiver.events.values()} == {"before", "child", "after"}


def test_no_secret_leaves_the_process(opened, receiver, tmp_path):
    """Token, database password and DSN key reach neither receiver nor chat nor disk, in whatever field."""
    text = f"{TOKEN} postgres://u:{PASSWORD}@h/d https://{KEY}@sentry.invalid/1"
    with BotApiServer() as api:
        redact = Redactor([TOKEN, PASSWORD, KEY])
        alerts = opened(
            redact, sentry_dsn=receiver.dsn, alert_chat="-1", alert_token=api.token, bot_api=api.url
        )
        alerts.send(make_match(message=text, evidence=text * 3000, attrs={"a": text, text: {"b": [text]}}))
        assert alerts.flush(20) == []
        (sent,) = api.sent
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("alerts.db*"))

    assert len(receiver.events) == 1
    for secret in (TOKEN, TOKEN[7:], PASSWORD, KEY):
        assert not receiver.holds(secret)
        assert secret not in sent.text
        assert secret.encode() not in written


BOT = """
    import os, signal, sys, time
    from pathlib import Path
    from logrules.alerts import open_alerts
    from logrules.core.match import Match
    from logrules.rules import rules
    from logrules.settings import Settings

    path, dsn, end, count = sys.argv[1:]
    settings = Settings(service="b", instance="i", lang="en", state_file=path, sentry_dsn=dsn)
    alerts = open_alerts(settings, str)
    severity = rules.specs["CONFLICT_409"].severity
    for number in range(int(count)):
        alerts.send(Match(code="CONFLICT_409", fatal=True, level=severity, message="m", proved=True,
                          service=f"s{number}", instance="i", time=time.time()))
    match end:
        case "SIGKILL":
            os.kill(os.getpid(), signal.SIGKILL)
        case "SIGTERM":
            os.kill(os.getpid(), signal.SIGTERM)
        case "_exit":
            os._exit(3)
        case "crash":
            raise SystemError("boom")
        case "flush":
            alerts.flush(0.2)
        case "flush patiently":
            alerts.flush(30)
"""


def bot(path, dsn, end, count=12):
    command = [sys.executable, "-c", textwrap.dedent(BOT), str(path), dsn, end, str(count)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_crash_loop_of_real_processes_is_told_once(receiver, tmp_path):
    """Five processes in a row that die of the same are one event."""
    for _ in range(5):
        bot(tmp_path / "alerts.db", receiver.dsn, "flush patiently", 1)

    assert sum(receiver.received.values()) == 1


def test_two_processes_never_send_the_same_alert(opened, receiver, tmp_path):
    """Alerts that two processes on one file send at once arrive once each."""
    receiver.slow(0.02)
    first, second = opened(sentry_dsn=receiver.dsn), opened(sentry_dsn=receiver.dsn)
    for number in range(10):
        (first if number % 2 else second).send(make_match(service=f"s{number}"))
    assert first.flush(20) == second.flush(20) == []

    receiver.wait_for(10)
    assert set(receiver.received.values()) == {1}


class TestNotices:
    """What an operator must hear."""

    def test_what_was_said_early_is_heard_later(self):
        """Texts from before anybody listened are kept, the latest ones, and heard first."""
        notices, heard = Notices(), list[str]()
        for number in range(50):
            notices(str(number))
        notices.listen(lambda _, text: heard.append(text))
        notices("now")

        assert heard == [*map(str, range(30, 50)), "now"]

    def test_listener_that_raises_harms_nobody(self):
        """A log that fails does not stop an alert."""
        heard: list[str] = []

        def listener(_, text):
            heard.append(text)
            raise OSError

        notices = Notices()
        notices.listen(listener)
        notices("x")

        assert heard == ["x"]
