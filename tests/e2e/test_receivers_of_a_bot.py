"""A real conflict as its people hear of it: in the chat, at a webhook and in a function of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from logrules.rules import rules
from logrules.testing import WebhookReceiver
from tests.processes import rival

BOT = """
import os
from telegram.ext import Application
from logrules import guard

builder = Application.builder().token(os.environ["BOT_TOKEN"]).base_url(os.environ["API"] + "/bot")
guard(builder.build()).run_polling(timeout=1)
"""
OURS = """
import msgspec
from logrules.receivers import DELIVERED

def tell(alert):
    with open("ours.jsonl", "ab") as file:
        file.write(msgspec.json.encode(alert) + b"\\n")
    return DELIVERED
"""
PACK = """
format = 0
[code.CONFLICT_409]
resolve_after = "1s"
"""
WAYS = pytest.mark.parametrize(
    "way", [(), (sys.executable, "-m", "logrules", "run", "--")], ids=["alone", "run"]
)


@pytest.fixture
def hook():
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def start(bot_api, hook, postgres, tmp_path):
    """Start a bot that tells everybody; its working directory has its pack and its receiver."""
    (tmp_path / "ours.py").write_text(OURS, "utf-8")
    (tmp_path / "logrules.toml").write_text(PACK, "utf-8")
    processes = []

    def begin(way):
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("LOGRULES_", "PG"))}
        environ = clean | {
            "BOT_TOKEN": bot_api.token,
            "API": bot_api.url,
            "DATABASE_URL": postgres.url,
            "LOGRULES_BOT_API": bot_api.url,
            "LOGRULES_STATE": str(tmp_path / "state.db"),
            "LOGRULES_CONFLICT_GRACE": "0",
            "LOGRULES_LANG": "ru",
            "LOGRULES_ALERT_CHAT": "-100",
            "LOGRULES_ALERT_WEBHOOK": hook.url,
            "LOGRULES_ALERT_WEBHOOK_SECRET": hook.secret,
            "LOGRULES_ALERT_RECEIVERS": "ours:tell",
            "TMPDIR": str(tmp_path),
        }
        command = [*way, sys.executable, "-c", BOT]
        processes.append(
            subprocess.Popen(
                command, env=environ, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        )
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@WAYS
@pytest.mark.long
def test_everybody_hears_of_a_conflict_and_of_its_end(start, bot_api, hook, tmp_path, way):
    """The bot itself writes into the chat while its polls are refused; later all hear that it is over."""
    with rival(bot_api):
        first = start(way)
        said = first.communicate(timeout=60)[0].decode()
    steps = rules["CONFLICT_409"].spec.why("other_getupdates").remediation_lines("ru")
    (chat,), (webhook,) = bot_api.sent, hook.events.values()
    (own,) = map(json.loads, (tmp_path / "ours.jsonl").read_text("utf-8").splitlines())

    assert first.returncode == 75, said
    assert (chat.chat_id, chat.text[0]) == ("-100", "🔴")
    assert "CONFLICT_409" in chat.text
    assert steps.replace("`", "")[:300] in chat.text.replace("<code>", "").replace("</code>", "").replace(
        "&lt;", "<"
    )
    assert (webhook["type"], webhook["data"]["remediation"]["ru"]) == ("alert.firing", steps)
    assert (own["code"], own["fatal"], own["count"]) == ("CONFLICT_409", True, 1)
    assert len({own["event_id"], *hook.events}) == 1

    second = start(way)
    bot_api.wait_for(lambda: len(bot_api.sent) == 2, 60)
    hook.wait_for(2, 60)
    second.send_signal(signal.SIGTERM)
    said += second.communicate(timeout=60)[0].decode()
    ours = [json.loads(line) for line in (tmp_path / "ours.jsonl").read_text("utf-8").splitlines()]

    assert second.returncode == 0, said
    assert bot_api.sent[1].text.startswith("✅")
    assert [event["type"] for event in hook.events.values()] == ["alert.firing", "alert.resolved"]
    assert [alert["number"] for alert in ours] == [1, 0]
    assert set(hook.received.values()) == {1}
    secret = bot_api.token.partition(":")[2]
    assert not hook.holds(secret)
    assert secret not in said + json.dumps(ours) + "".join(sent.text for sent in bot_api.sent)
    assert hook.secret not in said
