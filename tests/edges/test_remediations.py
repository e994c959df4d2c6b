"""What remediations have people type works: on a real PostgreSQL, SQLite and shell, and with the Bot API."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
import telegram

from logrules.core.ruleset.codes import LANGUAGES
from logrules.core.text import parts
from logrules.rules import rules
from logrules.testing import BotApiServer, Timing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logrules.testing import PostgresServer


def _texts() -> Iterator[str]:
    for rule in rules.values():
        for spec in (rule.spec, *rule.spec.reasons.values()):
            for lang in LANGUAGES:
                yield from (spec.summary[lang], *spec.check[lang], *spec.steps[lang], *spec.avoid[lang])
    for way in rules.ways.values():
        yield from (text[lang] for text in way.values() for lang in LANGUAGES)


COMMANDS = sorted({part.text for text in _texts() for part in parts(text) if part.is_command})
"""Everything that a remediation has somebody type."""
SQL = [each for each in COMMANDS if re.match(r"(?:SELECT|SHOW|ALTER|CREATE)\b", each)]
PSQL = [each for each in COMMANDS if each.startswith(("psql ", "pg_dump "))]
PRAGMAS = [each for each in COMMANDS if each.startswith("PRAGMA")]
CURL = [each for each in COMMANDS if "api.telegram.org/bot<TOKEN>/" in each]
SHELL = [each for each in COMMANDS if each not in {*SQL, *PRAGMAS}]
PLACES = {"<pid>": "0", "<user>": "remedied", "<new>": "another", "<host>": "h", "<path>": "p", "<id>": "42"}
PLACES |= {"<chat>": "42", "<bot id>": "123456"}


def filled(command: str) -> str:
    """The command with something in place of each `<placeholder>`."""
    for place, value in PLACES.items():
        command = command.replace(place, value)
    return re.sub(r"<[^\W\d][\w ]*>", "x", command)


def test_there_is_something_to_try() -> None:
    """Commands are found in the texts: none of the tests below is empty."""
    assert len(SQL) >= 6
    assert len(PSQL) >= 4
    assert len(CURL) >= 7
    assert len(PRAGMAS) == 1
    assert len(SHELL) >= 60


@pytest.mark.parametrize("command", SQL)
def test_sql_runs_on_a_real_server(command: str, postgres: PostgresServer) -> None:
    """Each statement is accepted by PostgreSQL as it stands, and ends in a semicolon."""
    postgres.query("drop database if exists x")
    postgres.query("drop schema if exists logrules cascade")
    postgres.query("drop role if exists remedied; create role remedied")

    assert command.endswith(";")
    postgres.query(filled(command))  # raises PostgresError for what the server refuses


async def test_who_holds_the_lock_is_told(postgres: PostgresServer) -> None:
    """The statement that people are given shows the session that has the lock, and by which name."""
    (asked,) = {each for each in SQL if "pg_locks" in each and "backend_start" in each}
    holder = await asyncpg.connect(postgres.url, server_settings={"application_name": "logrules/bot/7"})
    try:
        await holder.execute("SELECT pg_advisory_lock(7)")
        (row,) = postgres.query(asked)
        pid = holder.get_server_pid()
    finally:
        await holder.close()

    assert row.split("|")[:3] == [str(pid), "logrules/bot/7", "127.0.0.1"]


@pytest.mark.parametrize("command", PSQL)
def test_psql_runs_on_a_real_server(command: str, postgres: PostgresServer, tmp_path: Path) -> None:
    """The whole command, typed into a shell that has the bot's DATABASE_URL."""
    tools = Path(postgres._tool("psql")).parent
    environ = {**postgres._environ, "PATH": f"{tools}:{os.environ['PATH']}", "DATABASE_URL": postgres.url}
    environ["LOGRULES_STATE_URL"] = postgres.url
    environ |= {"PGPORT": str(postgres.port), "PGPASSWORD": postgres.password or ""}
    typed = command.replace("<host>", "127.0.0.1").replace("<user>", "postgres -d postgres")
    done = subprocess.run(
        ["sh", "-c", typed],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout or (tmp_path / "before.dump").stat().st_size > 0


@pytest.mark.parametrize("command", PRAGMAS)
def test_pragmas_do_what_they_promise(command: str, tmp_path: Path) -> None:
    """SQLite waits five seconds, and keeps its log beside the file."""
    with sqlite3.connect(tmp_path / "bot.db", isolation_level=None) as database:
        for statement in command.split(";"):
            database.execute(statement)

        assert database.execute("PRAGMA busy_timeout").fetchone() == (5000,)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def method(command: str) -> str:
    return str(re.findall(r"<TOKEN>/(\w+)", command)[0])


@pytest.mark.parametrize("command", CURL)
def test_methods_of_the_bot_api_exist(command: str) -> None:
    """Each method is one that python-telegram-bot knows by the same name."""
    assert callable(getattr(telegram.Bot, method(command)))


@pytest.mark.parametrize("command", CURL)
def test_curl_is_answered(command: str) -> None:
    """Typed into a shell it is a call that the Bot API takes; one alone loses messages, and it says so."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    with BotApiServer(timing=Timing(second=0.02)) as api:
        api.methods.setdefault("getChat", lambda call: {"id": call.number("chat_id"), "type": "private"})
        api.methods.setdefault(
            "getChatMember", lambda call: {"status": "member", "user": call.number("user_id")}
        )
        api.send_text("a user's message")
        typed = command.replace("https://api.telegram.org", api.url).replace("<TOKEN>", api.token)
        done = subprocess.run(
            ["sh", "-c", filled(typed)], capture_output=True, text=True, check=False, timeout=60
        )

        assert json.loads(done.stdout)["ok"] is True
        assert [request.method for request in api.requests] == [method(command)]
        assert bool(api.dropped) == ("drop_pending_updates=true" in command)
        assert api.acknowledged == []


@pytest.mark.parametrize("command", SHELL)
def test_a_shell_understands_it(command: str) -> None:
    """Quotes and pipes are whole; nothing but a placeholder has to be put in."""
    done = subprocess.run(["sh", "-n", "-c", filled(command)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert not re.search(r"[<>]", re.sub(r"[<>]/dev/null|2>/dev/null", "", filled(command)))


@pytest.mark.parametrize(
    ("command", "is_there"),
    [
        ("awk 'BEGIN { for (name in ENVIRON) print name }' | sort", "BOT_TOKEN"),
        ("printenv <NAME> | cut -c1-10", "123456:ZqZ"),
        ("getent hosts <name>", ""),
        ("df -h", "/"),
        ("ps aux | grep -i bot", "grep"),
    ],
)
def test_looking_shows_no_secret(command: str, is_there: str) -> None:
    """What shows settings shows names, or their first letters; it runs as it stands."""
    assert command in COMMANDS
    secret = "Zq" * 18  # no other test's: `ps` shows what runs beside this one
    environ = {"PATH": os.environ["PATH"], "BOT_TOKEN": f"123456:{secret}"}
    environ["PRIVATE_KEY"] = f"-----BEGIN-----\n{secret}\n"
    typed = filled(command.replace("<NAME>", "BOT_TOKEN"))
    done = subprocess.run(["sh", "-c", typed], env=environ, capture_output=True, text=True, check=False)

    assert is_there in done.stdout
    assert secret[:10] not in done.stdout
