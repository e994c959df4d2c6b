"""Alerts as messages in a Telegram chat, over the Bot API's double."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import msgspec
import pytest

from logrules import settings
from logrules.botapi import BotApi
from logrules.core.alerting.delivery import Verdict, seal
from logrules.core.alerting.incidents import decide, end_of
from logrules.core.match import Match
from logrules.core.redact import Redactor
from logrules.rules import rules
from logrules.sinks.telegram_chat import OWN_TOKEN_WAIT, WAKE, Asked, TelegramChat, buttons, message, tag
from logrules.testing import BotApiServer

START = 1_800_000_000.0
OTHER = "654321:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
ALERTING = [
    (name, reason)
    for name, code in rules.specs.items()
    for reason in [None, *code.reasons]
    if code.why(reason).alert
]


def match_of(code="CONFLICT_409", **changes):
    spec = rules.specs[code].why(changes.get("reason"))
    fields = {"fatal": spec.fatal, "level": spec.severity, "message": "409 CONFLICT DETECTED", "time": START}
    fields |= {"service": "bot", "instance": "host:1", "proved": True}
    return Match(code=code, **{**fields, **changes})


def make_alert(code="CONFLICT_409", **changes):
    spec = msgspec.structs.replace(rules.specs[code].why(changes.get("reason")), confirm=None)
    return decide(None, match_of(code, **changes), spec, START).alert


@pytest.fixture
def server():
    with BotApiServer() as api:
        yield api


def chat(server, token=None, **options):
    return TelegramChat(BotApi(token or server.token, base_url=server.url, timeout=5), "-100123", **options)


class Reader(HTMLParser):
    """Telegram's reader: it knows few tags, wants them closed, and counts what is left to read."""

    def __init__(self, text):
        super().__init__()
        self.text, self.open = "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert tag in {"b", "code", "pre"}
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("lang", ["en", "ru"])
@pytest.mark.parametrize(("code", "reason"), ALERTING)
def test_every_code_makes_a_message_that_telegram_takes(code, reason, lang):
    """For every code, with hostile texts, the HTML is sound, all steps are there, and it is short enough."""
    hostile = "</pre><b>&amp;`😀`" * 500
    alert = make_alert(code, reason=reason, message=hostile, evidence=hostile, service="<b>" * 99)
    reader = Reader(message(seal(alert, Redactor()), lang))

    assert reader.open == []
    assert 1 <= len(reader.text.encode("utf-16-le")) // 2 <= 4096
    assert alert.remediation[lang].replace("`", "") in reader.text
    assert f"logrules explain {code}" in reader.text


def test_message_reads_well_on_a_phone():
    """Sign and title first, then where, what, what to do, the end of the evidence, and where to read on."""
    alert = make_alert(evidence="x" * 400 + "\nConflict: terminated", reason="other_getupdates")
    text = Reader(message(alert, "en")).text

    assert text.startswith(f"🔴 {alert.title}\nCONFLICT_409 · bot · host:1\n409 CONFLICT DETECTED\n")
    assert "What to do\n1. " in text
    assert text.endswith("Conflict: terminated\n\nMore: logrules explain CONFLICT_409")
    assert "<code>docker ps</code>" in message(alert, "en")


def test_reminder_says_how_often():
    """A repeat says how often it was seen, since when, and how many since the last message."""
    alert = msgspec.structs.replace(make_alert(), count=360, suppressed=240, number=2)

    assert "Times seen: 360, since 15.01. 08:00 UTC; since the last message: 240." in message(alert, "en")
    assert "Число случаев: 360, с 15.01. 08:00 UTC; после прошлого сообщения: 240." in message(alert, "ru")


def test_first_message_counts_what_was_seen_while_it_waited():
    """A first message that is late has none to count from, and says when it was over and what was before."""
    late = {"count": 4, "suppressed": 3, "before": 7, "number": 3}
    alert = msgspec.structs.replace(make_alert(), closed_at=START + 600, **late)
    lines = message(alert, "en").splitlines()

    assert "Times seen: 4, since 15.01. 08:00 UTC." in lines
    assert "Before that, when nobody could be told: 7." in lines
    assert "Over since 15.01. 08:10 UTC." in lines
    assert "What to do" in message(alert, "en")


@pytest.mark.parametrize(("lang", "word"), [("en", "Resolved"), ("ru", "Решено")])
def test_end_is_one_short_good_word(lang, word):
    """The end of an incident says what is over, since when and how often it was seen; it asks for nothing."""
    row = decide(None, match_of(service="<b>"), rules.specs["CONFLICT_409"], START).incident
    closed = msgspec.structs.replace(row, closed_at=START + 600, count=5)
    end = end_of(closed, rules.specs["CONFLICT_409"], lang=lang)
    assert end is not None
    text = message(end, lang)
    reader = Reader(text)

    assert reader.open == []
    assert reader.text.startswith(
        f"✅ {word}: {rules.specs['CONFLICT_409'].alert.title[lang]}\nCONFLICT_409 · <b>\n"
    )
    assert "15.01. 08:00" in text
    assert text.splitlines()[-1].endswith("15.01. 08:10 UTC.")
    assert len(text.splitlines()) == 4


def test_message_arrives_in_the_chat(server):
    """One alert is one message, as HTML, in the chat that was set, by the bot that was set."""
    server.add_bot(OTHER)
    delivery = chat(server, OTHER, lang="ru").send(make_alert())
    (sent,) = server.sent

    assert delivery.verdict is Verdict.DELIVERED
    assert (sent.chat_id, sent.token, sent.params["parse_mode"]) == ("-100123", OTHER, "HTML")
    assert "Что делать" in sent.text


def test_rate_limit_waits_as_told(server):
    """A 429 is tried again after `retry_after`, not before."""
    server.fail_next("sendMessage", retry_after=17)
    delivery = chat(server).send(make_alert())

    assert (delivery.verdict, delivery.after) == (Verdict.RETRY, 17)


@pytest.mark.parametrize("lang", ["en", "ru"])
def test_group_that_has_moved_is_followed(server, lang):
    """A group that became a supergroup has a new number: the alert goes there, and says what to set."""
    moved = {"ok": False, "error_code": 400, "description": "group chat was upgraded to a supergroup chat"}
    body = json.dumps(moved | {"parameters": {"migrate_to_chat_id": -1009876543210}}).encode()
    server.fail_next("sendMessage", 400, raw=body)
    sink = chat(server, lang=lang)
    delivered = [sink.send(make_alert()).verdict for _ in range(2)]
    first, second, third = server.requests

    assert delivered == [Verdict.DELIVERED] * 2
    assert first.params["chat_id"] != second.params["chat_id"] == third.params["chat_id"] == "-1009876543210"
    assert "LOGRULES_ALERT_CHAT=-1009876543210" in second.params["text"]
    assert "LOGRULES_ALERT_CHAT" not in third.params["text"]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 502, "raw": b"<html>Bad Gateway</html>"},
        {"abort": True},
        {"status": 409, "description": "Conflict"},
    ],
)
def test_passing_trouble_is_tried_again(server, fault):
    """A gateway's page, a connection that breaks and a conflict are no last word."""
    server.fail_next("sendMessage", **fault)
    sink = chat(server)

    assert sink.send(make_alert()).verdict is Verdict.RETRY
    assert sink.send(make_alert()).verdict is Verdict.DELIVERED


@pytest.mark.parametrize(
    ("status", "description"),
    [(400, "Bad Request: chat not found"), (403, "Forbidden: bot was blocked by the user")],
)
def test_wrong_chat_is_final_and_explained(server, status, description):
    """A chat that the bot cannot write to is refused with the setting to look at."""
    server.fail_next("sendMessage", status, description)
    delivery = chat(server).send(make_alert())

    assert delivery.verdict is Verdict.REJECTED
    assert description in delivery.why
    assert "LOGRULES_ALERT_CHAT" in delivery.why


def test_refused_alert_token_is_final(server):
    """The token of a separate alert bot that is refused will not come good by itself."""
    server.add_bot(OTHER)
    server.revoke(OTHER)
    delivery = chat(server, OTHER).send(make_alert())

    assert delivery.verdict is Verdict.REJECTED
    assert "LOGRULES_ALERT_TOKEN" in delivery.why


def test_own_refused_token_keeps_the_alert(server):
    """TOKEN_INVALID sent by the very token that is invalid waits until a start with one that works."""
    server.revoke()
    delivery = chat(server, own=True).send(make_alert("TOKEN_INVALID"))

    assert (delivery.verdict, delivery.after) == (Verdict.RETRY, OWN_TOKEN_WAIT)


def test_no_outcome_holds_the_token(server):
    """Whatever happens, no reason that is written anywhere carries the token."""
    for fault in ({"status": 401, "description": "Unauthorized"}, {"status": 400}, {"abort": True}):
        server.fail_next("sendMessage", **{"status": 500, **fault})
        why = chat(server).send(make_alert()).why

        assert not re.search(r"\d{6}:[A-Za-z]", why)
        assert server.token[7:] not in why
    server.down()
    assert server.token[7:] not in chat(server).send(make_alert()).why


def test_buttons_stand_only_where_they_are_answered(server):
    """With the setting and the bot's own token an alert has buttons; its end and others have none."""
    row = decide(None, match_of(), rules.specs["CONFLICT_409"], START).incident
    end = end_of(msgspec.structs.replace(row, closed_at=START + 600), rules.specs["CONFLICT_409"])
    assert end is not None
    asked = {"LOGRULES_ALERT_CHAT": "-100123", "LOGRULES_BOT_API": server.url, "BOT_TOKEN": server.token}
    on = {"LOGRULES_ALERT_BUTTONS": "on"}
    for environ in ({}, on | {"LOGRULES_ALERT_TOKEN": OTHER}, on):
        for alert in (make_alert(), end):
            assert TelegramChat.of(settings.read(asked | environ)).send(alert).verdict is Verdict.DELIVERED
    assert [list(sent.buttons) for sent in server.sent] == [[]] * 4 + [["Explain", "Silence for 2 h"], []]


def test_buttons_say_which_alert_they_belong_to():
    """Their data fits into 64 bytes whatever the code, and means this service and reason only."""
    longest = "A" * 48
    keyboard = buttons(
        longest, tag("a service with a very long name" * 9, "a_reason"), "ru", quiet_until=START
    )
    explain, wake = keyboard["inline_keyboard"][0]
    asked = Asked.of(wake["callback_data"])

    assert all(len(each["callback_data"].encode()) <= 64 for each in (explain, wake))
    assert wake["text"] == "🔕 до 08:00 UTC: закончить"
    assert asked.what == WAKE
    assert asked.means(longest, "a service with a very long name" * 9, "a_reason")
    assert not asked.means(longest, "a service with a very long name" * 9, None)
    assert not asked.means("B", "a service with a very long name" * 9, "a_reason")
