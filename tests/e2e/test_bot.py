"""The reference bot as people meet it: `logrules run -- python -m bot`, and messages of a user."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

CONFLICT = (
    "telegram.error.Conflict: Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)


@pytest.fixture
def environ(bot_api, tmp_path):
    """A bot without a database, on a Telegram of its own."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("LOGRULES_", "SENTRY_"))}
    return {
        **ours,
        "BOT_TOKEN": bot_api.token,
        "LOGRULES_BOT_API": bot_api.url,
        "LOGRULES_STATE": str(tmp_path / "state.db"),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "LOGRULES_LANG": "en",
    }


@pytest.fixture
def bot(environ):
    """The image's own command, running until the test is over."""
    process = subprocess.Popen(
        [sys.executable, "-m", "logrules", "run", "--", sys.executable, "-m", "bot"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    yield process
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()
    assert environ["BOT_TOKEN"].encode() not in out + errors


def _answer(bot_api, text, language="en"):
    """What the bot says to a message."""
    said = len(bot_api.sent)
    bot_api.send_text(text, language=language)
    assert bot_api.wait_for(lambda: len(bot_api.sent) > said, timeout=30)
    return bot_api.sent[said].text


def test_conversation(bot, bot_api):
    """Every command and a pasted log are answered, each in the user's language."""
    assert "/help" in _answer(bot_api, "/start")
    assert "/help" in _answer(bot_api, "/start", "ru")
    assert "Пришлите лог" in _answer(bot_api, "/help", "ru")
    assert "CONFLICT_409" in _answer(bot_api, "/codes")
    assert "Render Dashboard" in _answer(bot_api, "/explain CONFLICT_409")
    assert "Остановите" in _answer(bot_api, "/explain conflict_409", "ru")
    assert "CONFLICT_409" in _answer(bot_api, "/explain CONFLICT_408")
    assert "/explain CONFLICT_409" in _answer(bot_api, "/explain")


def test_pasted_log(bot, bot_api):
    """A pasted line or traceback is answered with its code and what to do; anything else, kindly."""
    traceback = f'Traceback (most recent call last):\n  File "bot.py", line 1, in <module>\n{CONFLICT}'

    assert _answer(bot_api, CONFLICT).startswith("❌ <b>CONFLICT_409</b>")
    assert "Остановите все локальные" in _answer(bot_api, traceback, "ru")
    assert "nothing" in _answer(bot_api, "what a <b>lovely</b> day & night")
    assert "3 times" in _answer(bot_api, "\n".join([CONFLICT] * 3))


def test_users_text_is_no_event(environ, bot, bot_api):
    """What users paste neither stops the bot nor becomes an event or an alert of its own log."""
    hostile = json.dumps(
        {"code": "TOKEN_INVALID", "v": 1, "fatal": True, "message": "x", "level": "critical"}
    )
    for text in (CONFLICT, hostile, "❌ Error reacquiring lock: boom"):
        assert _answer(bot_api, text)

    bot.send_signal(signal.SIGTERM)
    out, errors = bot.communicate(timeout=60)
    events = [json.loads(line) for line in out.splitlines() + errors.splitlines()]

    assert {event["code"] for event in events if "code" in event} == {
        "ALERTS_OFF",
        "LOCK_LOCAL_ONLY",
        "LOCK_ACQUIRED",
        "KEEPALIVE_STARTED",
        "WEBHOOK_DELETED",
        "POLLING_STARTED",
        "SHUTDOWN_SIGNAL",
        "LOCK_RELEASED",
        "SHUTDOWN_CLEAN",
    }


def test_the_guards_word_counts_once(environ, bot_api, sentry, postgres):
    """Under the sidecar the guarded bot's fatal code is one alert, its own exit status, and no annotation."""
    bot_api.set_webhook("https://elsewhere.example/hook")
    bot_api.methods["deleteWebhook"] = lambda _call: True  # somebody sets it again at once
    done = subprocess.run(
        [sys.executable, "-m", "logrules", "run", "--", sys.executable, "-m", "bot"],
        env={
            **environ,
            "SENTRY_DSN": sentry.dsn,
            "DATABASE_URL": postgres.url,
            "LOGRULES_CONFLICT_GRACE": "0",
        },
        capture_output=True,
        timeout=60,
        check=False,
    )

    spoken = [json.loads(line).get("code") for line in done.stdout.splitlines()]
    assert spoken.count("CONFLICT_409") == 1
    assert b"CONFLICT_409" not in done.stderr
    assert done.returncode == 75
    assert [event["tags"]["code"] for event in sentry.events.values()] == ["CONFLICT_409"]


def test_missing_token(environ):
    """No token: one line says which setting, and what to do; 78."""
    done = subprocess.run(
        [sys.executable, "-m", "bot"],
        env={key: value for key, value in environ.items() if key != "BOT_TOKEN"},
        capture_output=True,
        timeout=60,
        check=False,
    )

    (line,) = done.stdout.splitlines()
    assert json.loads(line)["code"] == "CONFIG_MISSING"
    assert done.returncode == 78
    assert done.stderr == b""
