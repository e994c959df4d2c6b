"""The dead-man's switch of whole bots: who checks in, and when it falls silent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

BOT = """
import os, threading
import logrules.polling.life
import logrules.sinks.crons as crons
from telegram.ext import Application
from logrules import Timers, guard

crons.EVERY = crons.LOOK = 0.1
logrules.polling.life.ANSWERED = float(os.environ.get("ANSWERED", 90))
timers = Timers(
    lease=7, dropped=7, keepalive=0.5, answer=1, fence=6, chunk=1, check=0.5, grace=0.3, patience=1, drain=3
)
builder = Application.builder().token(os.environ["BOT_TOKEN"]).base_url(os.environ["API"] + "/bot")
guard(builder.build(), timers=timers).run_polling(timeout=1)
left = [thread for thread in threading.enumerate() if thread.name == "logrules-crons"]
for thread in left:
    thread.join(5)
print("left behind:", [thread.name for thread in left if thread.is_alive()])
"""


@pytest.fixture
def start(bot_api, sentry, tmp_path):
    """Start a bot that checks in ten times a second; its environment tells one from another."""
    processes = []

    def begin(name, *way, **more):
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("LOGRULES_", "PG"))}
        environ = clean | {
            "BOT_TOKEN": bot_api.token,
            "API": bot_api.url,
            "SENTRY_DSN": sentry.dsn,
            "SENTRY_ENVIRONMENT": name,
            "LOGRULES_BOT_API": bot_api.url,
            "LOGRULES_STATE": ":memory:",
            "LOGRULES_INSTANCE": name,
            "TMPDIR": str(tmp_path),
        }
        command = [*way, sys.executable, "-c", BOT]
        processes.append(subprocess.Popen(command, env=environ | more, stdout=subprocess.PIPE, text=True))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def by(sentry, name):
    return [check_in for check_in in sentry.check_ins if check_in["environment"] == name]


def test_only_the_holder_checks_in(start, sentry, postgres):
    """The one that polls checks in, the one that waits does not; after a SIGKILL the other one does."""
    first = start("first", DATABASE_URL=postgres.url)
    sentry.wait_for(lambda: by(sentry, "first"))
    second = start("second", DATABASE_URL=postgres.url)
    assert any('"LOCK_WAITING"' in line for line in second.stdout)
    seen = len(by(sentry, "first"))
    sentry.wait_for(lambda: len(by(sentry, "first")) >= seen + 5)
    assert by(sentry, "second") == []

    first.send_signal(signal.SIGKILL)
    first.wait()
    last = len(by(sentry, "first"))
    sentry.wait_for(lambda: len(by(sentry, "second")) >= 5)
    assert len(by(sentry, "first")) == last
    assert {check_in["monitor_slug"] for check_in in sentry.check_ins} == {"bot123456"}


def test_stopped_bot_is_silent(start, sentry):
    """After its end in order a bot says nothing more: who suspends a service is told, too."""
    first = start("first")
    sentry.wait_for(lambda: by(sentry, "first"))
    first.send_signal(signal.SIGTERM)

    assert first.wait(20) == 0
    assert first.stdout.read().endswith("left behind: []\n")
    seen = len(sentry.check_ins)
    start("second")
    sentry.wait_for(lambda: by(sentry, "second"))
    assert len(by(sentry, "first")) == seen


def test_bot_that_telegram_does_not_answer_is_silent(start, sentry, bot_api):
    """A bot that never heard from Telegram holds the lock, and does not check in."""
    bot_api.fail_next("getUpdates", 502, "Bad Gateway", times=1_000_000)
    start("first")
    bot_api.wait_for(lambda: polls(bot_api) >= 2)

    assert sentry.check_ins == []


def polls(bot_api):
    return len([call for call in bot_api.requests if call.method == "getUpdates"])


@pytest.mark.long
def test_bot_that_telegram_answers_no_more_is_silent(start, sentry, bot_api):
    """A bot that polls, and whose polls fail from now on, checks in for a while and then no more."""
    start("first", ANSWERED="1")
    sentry.wait_for(lambda: sentry.check_ins)
    bot_api.fail_next("getUpdates", 502, "Bad Gateway", times=1_000_000)
    failed = polls(bot_api) + 4  # there are pauses between them, which grow
    bot_api.wait_for(lambda: polls(bot_api) >= failed)
    seen = len(sentry.check_ins)
    bot_api.wait_for(lambda: polls(bot_api) > failed)

    assert len(sentry.check_ins) == seen


@pytest.mark.parametrize(("crons", "slug"), [("my-monitor", "my-monitor"), ("off", None)])
def test_name_of_the_monitor(start, sentry, bot_api, crons, slug):
    """LOGRULES_CRONS names the monitor, or switches it off; under `logrules run` the guard does it, too."""
    start("first", sys.executable, "-m", "logrules", "run", "--", LOGRULES_CRONS=crons)
    bot_api.wait_for(lambda: polls(bot_api) >= 4)
    if slug is None:
        assert sentry.check_ins == []
    else:
        (check_in, *_) = sentry.wait_for(lambda: sentry.check_ins)
        assert check_in["monitor_slug"] == slug
