"""`logrules alerts` and `logrules silence` on a real store, beside a bot that uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from logrules.core.alerting.delivery import rejected, retry
from logrules.core.alerting.incidents import Outcome
from logrules.core.alerting.silences import Silence
from logrules.core.guarding.database_url import parse
from logrules.core.match import Match
from logrules.rules import rules
from logrules.stores.postgres import Mirror
from logrules.stores.sqlite.store import Store
from logrules.testing.ports import free_port
from tests import warm

TOKEN = "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
ENVIRON = {name: os.environ[name] for name in ("PATH", "XDG_CACHE_HOME")} | {
    "LANG": "C.UTF-8",
    "PYTHONWARNINGS": "error",
}


def make_match(code="CONFLICT_409", **changes):
    spec = rules.specs[code]
    fields = {"fatal": spec.fatal, "level": spec.severity, "message": "409", "service": "bot"}
    fields |= {"instance": "a", "time": time.time(), "proved": True}
    return Match(code=code, **{**fields, **changes})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bot.sqlite3"


@pytest.fixture
def store(path):
    """What a bot holds open while somebody types commands."""
    opened = Store(path, rules.specs, ("sentry", "telegram"), redact=str, on_failure=pytest.fail)
    yield opened
    opened.close()


def run(path, *arguments, **environ):
    command = [sys.executable, "-m", "logrules", *arguments]
    return warm.run(command, env={**ENVIRON, "LOGRULES_STATE": str(path), **environ})


def lines(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def at_terminal(path, *arguments, **environ):
    """What it prints to a terminal, its colours left out."""
    return warm.at_terminal(
        [sys.executable, "-m", "logrules", *arguments],
        stderr=subprocess.DEVNULL,
        env={**ENVIRON, "TERM": "dumb", "COLUMNS": "100", "LOGRULES_STATE": str(path), **environ},
    )


def test_alerts_lists_what_is_wrong_and_who_does_not_know(store, path):
    """Open incidents with their counts, what waits for which receiver and why, what was refused and why."""
    for _ in range(3):
        store.take(make_match(reason="webhook_active"))
    store.settle(store.claim("sentry"), "sentry", retry("the receiver answered 503", 40))
    store.settle(store.claim("telegram"), "telegram", rejected("chat not found"))
    done = run(path, "alerts")
    incident, undelivered, refused, resting = lines(done)

    assert done.stderr == f"logrules: the store is {path}\n"
    assert {"service": "bot", "code": "CONFLICT_409", "reason": "webhook_active"}.items() <= incident.items()
    assert (incident["count"], incident["alerts"], incident["suppressed"]) == (3, 1, 2)
    assert (undelivered["kind"], undelivered["sink"]) == ("undelivered", "sentry")
    assert (refused["kind"], refused["sink"], refused["why"]) == ("refused", "telegram", "chat not found")
    assert undelivered["event_id"] == refused["event_id"]
    assert (resting["sink"], resting["failures"], resting["why"]) == (
        "sentry",
        1,
        "the receiver answered 503",
    )


@pytest.mark.parametrize(
    ("lang", "words"), [("en", "Open incidents"), ("ru", "Открытые инциденты")], ids=["en", "ru"]
)
def test_people_get_a_table(store, path, lang, words):
    """At a terminal the same stands in a table, in the operator's language; JSON if it is asked for."""
    store.take(make_match(message="a", reason="webhook_active", service="\x1b[2Jbot"))
    shown = at_terminal(path, "alerts", LOGRULES_LANG=lang)

    assert words in shown
    assert "CONFLICT_409 (webhook_active)" in shown
    assert "\x1b" not in shown
    assert json.loads(at_terminal(path, "alerts", "--json").splitlines()[0])["kind"] == "incident"


def test_incident_that_is_over_is_not_listed(store, path):
    """Neither one that resolved by itself meanwhile, nor one that is not confirmed."""
    store._clock = lambda: time.time() - 86400
    opened = [store.take(make_match(code)).outcome for code in ("CONFLICT_409", "POLLING_STARTED")]
    store._clock = time.time
    store.take(make_match("LOCK_LOST", proved=False))
    found = [line for line in lines(run(path, "alerts")) if line["kind"] == "incident"]

    assert opened[0] is Outcome.OPENED
    assert found == []


def test_silence_holds_in_the_running_bot(store, path):
    """A silence is in force in the bot's process once the command returns, is listed, and ends when asked."""
    (said,) = lines(run(path, "silence", "conflict_409", "--for", "2h", "--why", "moving the database"))
    quiet = store.take(make_match()).outcome
    (listed,) = lines(run(path, "silence"))
    (incident, shown) = lines(run(path, "alerts"))
    ended = run(path, "silence", "CONFLICT_409", "--end")

    assert quiet is Outcome.SILENCED
    assert said == listed == shown
    assert (listed["code"], listed["why"], listed["service"]) == ("CONFLICT_409", "moving the database", None)
    assert incident["silenced"]
    assert ended.returncode == 0
    assert store.take(make_match()).outcome is Outcome.OPENED
    assert lines(run(path, "silence")) == []


def test_silence_of_one_service_leaves_the_others(store, path):
    """With --service only that bot is quiet."""
    lines(run(path, "silence", "CONFLICT_409", "--for", "30m", "--why", "x", "--service", "bot"))

    assert store.take(make_match()).outcome is Outcome.SILENCED
    assert store.take(make_match(service="other")).outcome is Outcome.OPENED


def test_person_is_told_how_to_take_it_back(path, store):
    """At a terminal the answer is a sentence with the command that ends it."""
    shown = at_terminal(path, "silence", "CONFLICT_409", "--for", "1d", "--why", "x", "--service", "bot")

    assert "logrules silence CONFLICT_409 --service bot --end" in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("CONFLICT_40", "--for", "2h", "--why", "x"), "Did you mean CONFLICT_409"),
        (("CONFLICT_409", "--for", "2h"), "--why"),
        (("CONFLICT_409", "--why", "x"), "--for 2h"),
        (("CONFLICT_409", "--for", "2 hours", "--why", "x"), "90s, 30m, 2h or 1d"),
        (("CONFLICT_409", "--for", "0m", "--why", "x"), "90s, 30m, 2h or 1d"),
        (("CONFLICT_409", "--for", "31d", "--why", "x"), "at most 30d"),
        (("CONFLICT_409", "--end"), "is not silenced"),
    ],
)
def test_senseless_silence_is_refused(store, path, arguments, says):
    """A wrong code, no reason, no duration or an endless one: one clear line, status 78, nothing kept."""
    done = run(path, "silence", *arguments)

    assert (done.returncode, done.stdout) == (78, "")
    assert says in done.stderr.splitlines()[-1]
    assert store.ledger().silences == []


def test_missing_file_is_named_and_not_made(tmp_path, store, path):
    """Somebody who types the command elsewhere learns which files there are; none is made."""
    other = tmp_path / "other.sqlite3"
    done = run(other, "alerts")

    assert done.returncode == 78
    assert str(other) in done.stderr
    assert f"LOGRULES_STATE={path}" in done.stderr
    assert not other.exists()


def test_memory_keeps_nothing_to_show():
    """With LOGRULES_STATE=:memory: there is nothing to act on, and that is said."""
    done = run(":memory:", "alerts")

    assert done.returncode == 78
    assert "LOGRULES_STATE" in done.stderr


def test_broken_file_is_said_and_left(tmp_path):
    """A file that cannot be read is an error with its cure, not an empty list."""
    path = tmp_path / "broken.sqlite3"
    path.write_bytes(b"no database at all" * 500)
    done = run(path, "alerts")

    assert (done.returncode, done.stdout) == (78, "")
    assert f"mv {path}" in done.stderr
    assert path.read_bytes() == b"no database at all" * 500


def test_damaged_entry_hides_no_other(store, path):
    """What cannot be read is said, and all else is listed."""
    for service in ("bot", "shop"):
        store.take(make_match(service=service))
    store._database._db.execute("UPDATE incidents SET recent = '[oops' WHERE service = 'shop'")
    done = run(path, "alerts")

    assert [(line["kind"], line["service"]) for line in lines(done)][:2] == [
        ("incident", "bot"),
        ("undelivered", "bot"),
    ]
    assert "were left out: incident CONFLICT_409." in done.stderr


def test_later_word_counts_whatever_the_clock_says(store, path):
    """A silence that was set by a clock ahead of ours can be taken back."""
    ahead = time.time() + 600
    store.silence(Silence(code="CONFLICT_409", since=ahead, until=ahead + 3600, why="x"))
    lines(run(path, "silence", "CONFLICT_409", "--end"))

    assert store.take(make_match()).outcome is Outcome.OPENED


@pytest.fixture
def mirrored(tmp_path, postgres):
    """A bot on another machine, and its mirror."""
    postgres.query("drop schema if exists logrules cascade")
    store = Store(tmp_path / "far.db", rules.specs, ("sentry",), redact=str, on_failure=pytest.fail)
    url = parse(postgres.url)
    assert url is not None
    failures: list[str] = []
    mirror = Mirror(url, store, str, failures.append, name="n", service="bot", sinks=("sentry",))
    mirror.start()
    yield store, mirror
    mirror.close(30)
    store.close()
    assert failures == []


def test_commands_act_on_the_mirror(mirrored, postgres):
    """With LOGRULES_STATE_URL the commands work from any machine, and say where; no file is touched."""
    store, mirror = mirrored
    store.take(make_match())
    mirror.wake()
    assert mirror.settle(30)
    here = {"LOGRULES_STATE_URL": postgres.url}
    shown = run("/nowhere/at/all", "alerts", **here)
    lines(run("/nowhere/at/all", "silence", "CONFLICT_409", "--for", "2h", "--why", "x", **here))
    mirror.wake()
    assert mirror.settle(30)
    (silence,) = store.ledger().silences
    lines(run("/nowhere/at/all", "silence", "CONFLICT_409", "--end", **here))

    assert [line["kind"] for line in lines(shown)] == ["incident", "undelivered"]
    assert (
        shown.stderr == "logrules: the store is the database 'postgres' at 127.0.0.1:" + f"{postgres.port}\n"
    )
    assert silence.why == "x"
    assert lines(run("/nowhere/at/all", "silence", **here)) == []


def test_mirror_that_is_away_is_said(path, store):
    """Without its database the command says so, and does not fall back to what may be another store."""
    secret = "s3cr3t-of-the-db"
    url = f"postgresql://bot:{secret}@127.0.0.1:{free_port()}/x"
    done = run(path, "silence", "CONFLICT_409", "--for", "2h", "--why", "x", LOGRULES_STATE_URL=url)

    assert (done.returncode, done.stdout) == (69, "")
    assert "LOGRULES_STATE_URL" in done.stderr
    assert secret not in done.stderr
    assert store.ledger().silences == []


@pytest.mark.parametrize("url", ["sqlite:///bot.db", "nonsense", "postgresql://:pw@/db"])
def test_address_that_is_none_is_refused(path, url):
    """A mirror is a PostgreSQL database; what is wrong is said by the setting's name."""
    done = run(path, "alerts", LOGRULES_STATE_URL=url)

    assert done.returncode == 78
    assert "LOGRULES_STATE_URL" in done.stderr
    assert "pw" not in done.stderr


def test_no_secret_in_a_reason(store, path, tmp_path):
    """A token that somebody pastes into --why reaches neither the disk nor the screen."""
    done = run(path, "silence", "CONFLICT_409", "--for", "2h", "--why", f"was {TOKEN}", BOT_TOKEN=TOKEN)
    shown = run(path, "alerts", BOT_TOKEN=TOKEN)
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())

    assert lines(done)[0]["why"].startswith("was 123456:")
    assert TOKEN[7:] not in done.stdout + done.stderr + shown.stdout + shown.stderr
    assert TOKEN[7:].encode() not in written
