"""How many connections to PostgreSQL a bot takes: counted by the server itself."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager

import pytest

from logrules.testing import PostgresServer

BOT = """
import os
from telegram.ext import Application
from logrules import guard

builder = Application.builder().token(os.environ["BOT_TOKEN"])
guard(builder.base_url(os.environ["API"] + "/bot").build()).run_polling(timeout=1)
"""
SESSIONS = (
    "select split_part(application_name, '@', 1) from pg_stat_activity "
    "where backend_type = 'client backend' and pid <> pg_backend_pid()"
)


@pytest.fixture
def database():
    with PostgresServer(settings={"log_connections": "on"}) as server:
        yield server


@contextmanager
def process(command, api, database, tmp_path, name):
    """A bot on a disk of its own; killed at the end if it has not ended."""
    environ = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", "LOGRULES_LANG": "en", "API": api.url}
    environ |= {"BOT_TOKEN": api.token, "LOGRULES_BOT_API": api.url, "DATABASE_URL": database.url}
    environ |= {"LOGRULES_STATE": str(tmp_path / name), "LOGRULES_STATE_URL": database.url}
    environ |= {"LOGRULES_SERVICE": "shop", "LOGRULES_INSTANCE": name}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        try:
            yield child
        finally:
            child.kill()


def until_says(child, code):
    """Read on until it has said this."""
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith(b"{") and json.loads(line).get("code") == code:
            return
    pytest.fail(f"ended without {code}")


def wait_for_sessions(database, *names):
    """Until these are the sessions that there are."""
    until = time.monotonic() + 30
    while sorted(found := database.query(SESSIONS)) != sorted(names):
        assert time.monotonic() < until, found
        time.sleep(0.02)


def made(database):
    """Connections that were ever made, by the name that each gave itself; but for those of this test."""
    return Counter(re.findall(r"connection authorized: .*application_name=(logrules\S*)", database.log))


def test_one_connection_for_the_lock_and_one_for_the_mirror(database, bot_api, tmp_path):
    """A bot takes one connection, and one more with the mirror; in a deploy twice that for a while."""
    command = [sys.executable, "-c", BOT]
    with process(command, bot_api, database, tmp_path, "old") as old:
        until_says(old, "LOCK_ACQUIRED")
        wait_for_sessions(database, "logrules/shop/old/", "logrules-state/shop/old")
        with process(command, bot_api, database, tmp_path, "new") as new:
            until_says(new, "LOCK_WAITING")
            both = [
                f"{kind}/shop/{name}" for kind in ("logrules", "logrules-state") for name in ("old", "new")
            ]
            wait_for_sessions(database, *(f"{n}/" if n.startswith("logrules/") else n for n in both))
            old.send_signal(signal.SIGTERM)
            until_says(new, "LOCK_ACQUIRED")
            wait_for_sessions(database, "logrules/shop/new/", "logrules-state/shop/new")

    assert set(made(database).values()) == {1}
    assert len(made(database)) == 4


def test_sidecar_takes_one_for_the_mirror_and_none_else(database, bot_api, tmp_path):
    """`logrules run` keeps no lock: it takes one for the mirror, the guarded bot in it one for the lock."""
    command = [sys.executable, "-m", "logrules", "run", "--", sys.executable, "-c", BOT]
    with process(command, bot_api, database, tmp_path, "only") as sidecar:
        until_says(sidecar, "LOCK_ACQUIRED")
        wait_for_sessions(database, "logrules/shop/only/", "logrules-state/shop/only")
        sidecar.send_signal(signal.SIGTERM)
        until_says(sidecar, "SHUTDOWN_CLEAN")
        assert sidecar.wait(60) == 0

    assert set(made(database).values()) == {1}
    assert len(made(database)) == 2
