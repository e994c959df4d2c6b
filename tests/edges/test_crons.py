"""Check-ins with Sentry Crons: only of what is alive, only now, and as Sentry takes them."""

from __future__ import annotations

import re
import threading
from urllib.parse import urlsplit

import pytest

from logrules.sinks import crons
from logrules.sinks.crons import Crons, slug
from logrules.testing import SentryReceiver


@pytest.fixture
def receiver():
    with SentryReceiver() as sentry:
        yield sentry


class Bot:
    """Somebody who may be alive, and is asked."""

    def __init__(self):
        self.is_alive = True
        self.asked = 0
        self._news = threading.Condition()

    def __call__(self):
        with self._news:
            self.asked += 1
            self._news.notify_all()
            return self.is_alive

    def wait_until_asked(self, more):
        with self._news:
            until = self.asked + more
            assert self._news.wait_for(lambda: self.asked >= until, 20)


@pytest.fixture
def bot():
    return Bot()


@pytest.fixture
def begin(receiver, bot, monkeypatch):
    """Start checking in, at a pace for tests; stopped at the end."""
    for name, seconds in (("EVERY", 0.02), ("LOOK", 0.02), ("AGAIN", 0.02)):
        monkeypatch.setattr(crons, name, seconds)
    everyone = []

    def start(monitor="my-bot", on_refusal=lambda why: None, is_alive=bot, **options):
        one = Crons(receiver.dsn, monitor, is_alive, on_refusal, **options)
        one.start()
        everyone.append(one)
        return one

    yield start
    for one in everyone:
        one.stop()


def test_check_in_is_one_that_makes_its_monitor(receiver, begin):
    """Slug, status and schedule are those of the protocol: the first check-in makes the monitor."""
    begin(environment="pro d/uction")
    receiver.wait_for(lambda: len(receiver.check_ins) >= 3)
    first, second, *_ = receiver.check_ins

    assert re.fullmatch(r"[0-9a-f]{32}", first["check_in_id"])
    assert first["check_in_id"] != second["check_in_id"]
    assert {name: value for name, value in first.items() if name != "check_in_id"} == {
        "monitor_slug": "my-bot",
        "status": "ok",
        "environment": "pro-d-uction",
        "monitor_config": {
            "schedule": {"type": "interval", "value": 1, "unit": "minute"},
            "checkin_margin": 2,
            "failure_issue_threshold": 2,
            "recovery_threshold": 1,
            "timezone": "UTC",
        },
    }
    assert crons.EVERY < 60  # in here only
    assert receiver.events == {}


def test_what_is_not_alive_is_silent(receiver, begin, bot):
    """Nobody checks in for a bot that waits, has lost its lock or hears nothing; it begins afterwards."""
    bot.is_alive = False
    begin()
    bot.wait_until_asked(3)
    assert receiver.attempts == []

    bot.is_alive = True
    receiver.wait_for(lambda: receiver.check_ins)


@pytest.mark.parametrize("fault", ["down", "reset", "unavailable"])
def test_nothing_is_sent_later(receiver, begin, bot, fault):
    """What did not get through is gone: no attempt repeats an earlier one, and none comes of a dead bot."""
    getattr(receiver, fault)() if fault != "unavailable" else receiver.status(503)
    begin()
    bot.wait_until_asked(3)
    bot.is_alive = False
    bot.wait_until_asked(2)
    receiver.ok()
    bot.wait_until_asked(3)
    assert receiver.check_ins == []

    bot.is_alive = True
    receiver.wait_for(lambda: len(receiver.check_ins) >= 3)
    ids = [check_in["check_in_id"] for check_in in receiver.check_ins]
    assert len(ids) == len(set(ids))


def test_rate_limit_of_monitors_is_kept(receiver, begin, bot):
    """A limit for check-ins is waited for; one for errors is none of theirs."""
    receiver.status(
        429, {"X-Sentry-Rate-Limits": "3000:error:organization, 0.02:monitor:organization"}, times=1
    )
    begin()
    receiver.wait_for(lambda: receiver.check_ins)
    receiver.status(429, {"X-Sentry-Rate-Limits": "3000:monitor:organization"})
    receiver.wait_for(lambda: receiver.attempts[-1].status == 429)
    attempts, other = len(receiver.attempts), Bot()
    other.is_alive = False
    begin("other", is_alive=other)
    other.wait_until_asked(10)

    assert len(receiver.attempts) == attempts


def test_refusal_ends_it_and_is_told_once(receiver, begin, bot):
    """Where Sentry wants no check-ins people hear that there is no dead-man's switch; it is left in peace."""
    told: list[str] = []
    receiver.status(403)
    refused = begin(on_refusal=told.append)
    assert refused._stopped.wait(20)
    receiver.ok()
    asked = bot.asked
    begin("other", on_refusal=told.append)
    receiver.wait_for(lambda: len(receiver.check_ins) >= 3)

    assert len(told) == 1
    assert "403" in told[0]
    assert {check_in["monitor_slug"] for check_in in receiver.check_ins} == {"other"}
    assert bot.asked > asked


def test_stop_is_the_end(receiver, begin, bot):
    """After `stop` nothing more is sent."""
    one = begin()
    receiver.wait_for(lambda: receiver.check_ins)
    one.stop()
    for thread in threading.enumerate():
        if thread.name == "logrules-crons":
            thread.join(20)
    attempts = len(receiver.attempts)
    begin("other")
    receiver.wait_for(lambda: len(receiver.attempts) > attempts)

    assert receiver.check_ins[-1]["monitor_slug"] == "other"


@pytest.mark.parametrize("name", ["my-bot", "bot_7", "x" * 50])
def test_name_that_sentry_keeps_is_kept(name):
    """A monitor is found under the bot's own name."""
    assert slug(name) == name


def test_other_names_stay_apart():
    """Names that Sentry would cut, change or refuse become slugs that it keeps, each one of its own."""
    names = ["My Bot", "my bot", "Бот 1", "Бот 2", "бот", "", "123456", "x" * 51, "x" * 52, "-a-", "\ud800"]
    slugs = [slug(name) for name in names]

    assert len(set(slugs)) == len(names)
    assert not [each for each in slugs if not re.fullmatch(r"[a-z0-9_-]{1,50}", each) or each.isdigit()]


@pytest.mark.parametrize(
    ("dsn", "url", "auth"),
    [
        (
            "https://abc@o1.ingest.de.sentry.io/5",
            "https://o1.ingest.de.sentry.io/api/5/envelope/",
            "sentry_key=abc",
        ),
        (
            "http://a:b@[::1]:9000/sub/dir/7",
            "http://[::1]:9000/sub/dir/api/7/envelope/",
            "sentry_key=a, sentry_secret=b",
        ),
    ],
)
def test_every_form_of_a_dsn_leads_to_its_project(dsn, url, auth):
    """Host, port, path and secret of a DSN are where Sentry's protocol wants them."""
    assert crons._url(dsn) == url
    assert crons._headers(dsn)["X-Sentry-Auth"].endswith(auth)


def test_key_stands_in_its_header_only(receiver, begin):
    """The DSN's key authenticates, and is nowhere else."""
    begin()
    receiver.wait_for(lambda: receiver.check_ins)

    assert not receiver.holds(urlsplit(receiver.dsn).username)
