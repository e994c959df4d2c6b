"""A platform that throws the disk away at each start: whole sidecars, a real PostgreSQL, a real receiver."""

from __future__ import annotations

import json
import os
import sys

import pytest

from tests import warm

CRASH = """
import sys, time
print("2026-01-15 08:29:40,511 - bot - INFO - advisory lock acquired", flush=True)
print("Traceback (most recent call last):", file=sys.stderr)
print('  File "bot.py", line 3, in <module>', file=sys.stderr)
print("telegram.error.Conflict: Conflict: terminated by other getUpdates request; "
      "make sure that only one bot instance is running", file=sys.stderr)
sys.exit(1)
"""


@pytest.fixture
def start(tmp_path, postgres, sentry):
    """One start after the other, each on an empty disk; gives what was said on standard error."""
    postgres.query("drop schema if exists logrules cascade")
    starts = 0

    def run(*command, **environ):
        nonlocal starts
        starts += 1
        here = {"PATH": os.environ["PATH"], "LOGRULES_LANG": "en", "LOGRULES_SERVICE": "shop"}
        here |= {"LOGRULES_STATE": str(tmp_path / f"disk {starts}" / "state"), "SENTRY_DSN": sentry.dsn}
        here |= {"LOGRULES_STATE_URL": postgres.url}
        return warm.run([sys.executable, "-m", "logrules", *command], env={**here, **environ})

    return run


def said(done, code):
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    return [event for event in events if event.get("code") == code]


def test_crash_loop_on_empty_disks_is_one_incident(start, sentry):
    """Nothing is lost while nobody listens, nothing is told twice afterwards, and people see it meanwhile."""
    crash = ("run", "--", sys.executable, "-c", CRASH)
    sentry.down()
    first = start(*crash, LOGRULES_FLUSH="3")
    (undelivered,) = [event for event in said(first, "ALERT_UNDELIVERED") if "attrs" in event]
    seen = [json.loads(line) for line in start("alerts").stdout.splitlines()]
    sentry.ok()
    later = [start(*crash) for _ in range(2)]
    listed = [json.loads(line) for line in start("alerts").stdout.splitlines()]

    assert first.returncode == 1
    assert [line["kind"] for line in seen] == ["incident", "undelivered"]
    assert seen[1]["event_id"] == undelivered["attrs"]["event_id"]
    assert list(sentry.received) == [undelivered["attrs"]["event_id"]]
    assert all(said(done, "ALERT_UNDELIVERED") == [] for done in later)
    assert [(line["code"], line["count"]) for line in listed] == [("CONFLICT_409", 3)]


def test_silence_outlives_the_disk(start, sentry):
    """What somebody has silenced stays silent on the next disk, too."""
    crash = ("run", "--", sys.executable, "-c", CRASH)
    start(*crash)
    told = dict(sentry.received)
    assert (
        start("silence", "CONFLICT_409", "--for", "2h", "--why", "x", LOGRULES_SERVICE="other").returncode
        == 0
    )
    start(*crash, LOGRULES_SERVICE="blog")

    assert len(told) == 1
    assert dict(sentry.received) == told
