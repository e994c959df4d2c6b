"""The reference bot as people meet it: `logrules run -- python -m bot`, and users who follow a script.

One process serves all conversations of a worker; each has people of its own, so that nobody is slowed down.
`docs/conversation.md` and its Russian sister are what they said: WRITE_CONVERSATION=1 writes them anew.
"""

from __future__ import annotations

import asyncio
import bz2
import gzip
import io
import itertools
import json
import lzma
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter

import pytest
import zstandard
from telegram import Chat, Message

from bot import answers, crew, files, folding, texts
from bot.archives import MEMBERS, RefusedError
from bot.crew import parts
from bot.memory import Pace, Recent
from bot.reading import Finding, Reading, read_file, read_text
from bot.watch import Watch
from logrules.core.guarding.health import Phase
from logrules.core.reading.charsets import RUSSIAN
from logrules.rules import rules
from logrules.testing import BotApiServer
from logrules.testing.bot_api_methods import LATER

CONFLICT = (
    "telegram.error.Conflict: Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)
TRACEBACK = f'Traceback (most recent call last):\n  File "bot.py", line 1, in <module>\n{CONFLICT}'
LOG = f"""\
2026-11-22 12:00:01,204 INFO bot: Starting
2026-11-22 12:00:04,871 ERROR telegram.ext.Updater: {CONFLICT}
2026-11-22 12:00:09,113 ERROR telegram.ext.Updater: {CONFLICT}
2026-11-22 12:03:20,990 ERROR bot: could not connect to server: Connection refused
"""
LIVE = "123456789:AADummyInTheFormOfALiveOne000000000"
"""A token that looks alive; nobody's."""
PASSWORD = "Dummy-passw0rd"
MISSING = 'psycopg2.OperationalError: FATAL:  password authentication failed for user "bot"'
OPERATORS = {"en": 42, "ru": 43}
"""Of the shared bot; alerts go to the first."""
GROUP = -1001
DOCS = Path(__file__).parents[2] / "docs"
CONVERSATIONS = {"en": DOCS / "conversation.md", "ru": DOCS / "conversation.ru.md"}
WORDS = {
    "en": {
        "head": """\
# A conversation with the reference bot

**English** · [Русский](conversation.ru.md)

This is what `tests/e2e/test_bot.py` and a running bot have said to each other, through a double of Telegram's
Bot API; the test compares it with each run. Times and spans are smoothed. `render.yaml` deploys such a bot;
`BOT_ADMINS` takes the numbers of its operators, who see /status and /incidents.
""",
        "hello": "just saying hello",
        "ask": "what does a 409 mean?",
        "you": "You",
        "press": "You press",
        "notice": "A notice",
        "type": "You type in any chat",
        "offer": "Telegram offers",
        "bot": "The bot",
        "somebody": "Somebody, to whom you reply",
        "alert": "An alert comes",
    },
    "ru": {
        "head": """\
# Разговор с эталонным ботом

[English](conversation.md) · **Русский**

Это сказали друг другу `tests/e2e/test_bot.py` и работающий бот через двойник Bot API Telegram; тест сверяет
это с каждым запуском. Время сглажено. Такого бота разворачивает `render.yaml`; в `BOT_ADMINS` записывают
номера администраторов, которым доступны /status и /incidents.
""",
        "hello": "просто привет",
        "ask": "что значит 409?",
        "you": "Вы",
        "press": "Вы нажимаете",
        "notice": "Уведомление",
        "type": "Вы набираете в любом чате",
        "offer": "Telegram предлагает",
        "bot": "Бот",
        "somebody": "Кто-то, кому вы отвечаете",
        "alert": "Приходит оповещение",
    },
}

SCENES = {
    "en": (
        "A pasted log",
        "A secret",
        "A file",
        "In a group",
        "Codes, and in any chat",
        "What is no trouble",
        "The operator",
        "Somebody else",
    ),
    "ru": (
        "Вставленный лог",
        "Секрет",
        "Файл",
        "В группе",
        "Коды и любой чат",
        "Когда всё в порядке",
        "Администратор",
        "Кто-то другой",
    ),
}

PROGRESS = tuple(text[:12] for words in (texts.READING, texts.READ_SO_FAR, texts.IN_LINE) for text in words)
people = itertools.count(2000)


def _environ(bot_api, folder):
    """A bot without a database, on a Telegram of its own."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("LOGRULES_", "SENTRY_"))}
    return {
        **ours,
        "BOT_TOKEN": bot_api.token,
        "LOGRULES_BOT_API": bot_api.url,
        "LOGRULES_STATE": str(folder / "state.db"),
        "TMPDIR": str(folder),  # where the lock lies: other tests' bots have the same token
        "LOGRULES_LANG": "en",
    }


def _as_process_1():
    """What makes a command process 1 of a PID namespace; nothing where that is not allowed."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if not shutil.which("unshare"):
        return []
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return [] if tried.returncode else command


AS_PROCESS_1 = _as_process_1()


@pytest.fixture
def environ(bot_api, tmp_path):
    """For a bot of the test's own."""
    return _environ(bot_api, tmp_path)


@pytest.fixture(scope="module")
def api():
    """The Telegram of the bot that all conversations share."""
    with BotApiServer() as server:
        yield server


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What the shared bot has printed, once it has ended."""
    return tmp_path_factory.mktemp("bot") / "log"


@pytest.fixture(scope="module")
def bot(api, said):
    """The image's own command, with an operator, and with one real incident: a line of another program.

    As in a container it is process 1, where that is allowed. At its end: status 0, no secret, no word of what
    anybody has sent, and no event that was not its own.
    """
    folder = said.parent
    with said.open("wb") as log:
        process = subprocess.Popen(
            [
                *AS_PROCESS_1,
                sys.executable,
                "-m",
                "logrules",
                "run",
                "--",
                "sh",
                "-c",
                f"echo '{MISSING}'; exec {sys.executable} -m bot",
            ],
            env={
                **_environ(api, folder),
                "LOGRULES_SERVICE": "my-bot",
                "LOGRULES_INSTANCE": "instance-1",
                "LOGRULES_ALERT_CHAT": str(OPERATORS["en"]),
                "LOGRULES_ALERT_BUTTONS": "on",
                "BOT_ADMINS": f"{OPERATORS['ru']}, somebody",
            },
            stdout=log,
            stderr=log,
        )
        yield process
        inner = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text() if AS_PROCESS_1 else ""
        os.kill(int(inner or process.pid), signal.SIGTERM)
        assert process.wait(60) == 0, said.read_text("utf-8")
    printed = said.read_text("utf-8")
    unwanted = (api.token, LIVE, PASSWORD, "lovely", "boom", "A handler failed")
    assert not [words for words in unwanted if words in printed]
    assert printed.count('"message":"BOT_ADMINS takes the numbers of people') == 1
    alerts = [each.text for each in api.sent if each.chat_id == str(OPERATORS["en"])]
    assert not [text for text in alerts if LIVE in text or "lovely" in text or "boom" in text]
    codes = {json.loads(line).get("code") for line in printed.splitlines() if line.startswith("{")} - {None}
    assert codes == {
        "DB_AUTH_FAILED",
        "LOCK_LOCAL_ONLY",
        "LOCK_ACQUIRED",
        "KEEPALIVE_STARTED",
        "WEBHOOK_DELETED",
        "POLLING_STARTED",
        "SHUTDOWN_SIGNAL",
        "LOCK_RELEASED",
        "SHUTDOWN_CLEAN",
    }


class Person:
    """Somebody who writes to the bot, presses its buttons, and reads what it says; all is taken down."""

    def __init__(self, api, language="en", *, who=None, chat=None):
        self.api = api
        self.id = next(people) if who is None else who
        self.chat = str(chat or self.id)
        self.language = language
        self.pages = []
        """The transcript."""

    @property
    def heard(self):
        """Everything that the bot has said in this chat."""
        return [each for each in self.api.sent if each.chat_id == self.chat]

    def say(self, text, **more):
        """Write, and hear the answer."""
        self.note("you", _fenced(text) if "\n" in text or len(text) > 60 else _quoted(text))
        return self._after(lambda: self.api.send_text(text, **self._who, **more))

    def send(self, name, data, **more):
        """Send a file, and hear the answer."""
        self.note("you", f"> 📎 `{name}`")
        return self._after(lambda: self.api.send_document(name, data, **self._who, **more))

    def press(self, label, on=None):
        """Press a button of the latest message, or of another; see what the message says then."""
        self.note("press", f"> `{label}`")
        return self._after(lambda: self._press(label, on or self.heard[-1]))

    def alerted(self, label, on=None):
        """Press a button that is answered by a word above the chat only."""
        self.note("press", f"> `{label}`")
        query = self._press(label, on or self.heard[-1])
        said = self._answered(query)
        self.note("notice", _quoted(said))
        return said

    def types(self, query):
        """Type `@bot query` somewhere; what is offered."""
        query_id = self.api.send_inline_query(query, from_id=self.id, language=self.language)
        answer = self.api.wait_for(
            lambda: [
                each.params
                for each in self.api.requests
                if each.method == "answerInlineQuery" and each.params["inline_query_id"] == query_id
            ],
            30,
        )
        results = json.loads(answer[0]["results"])
        self.note("type", f"> @bot {query}")
        offered = "\n".join(f"> {each['title']}: {each['description']}" for each in results[:3])
        self.note("offer", offered)
        return results

    def _press(self, label, message):
        return self.api.press(message, label, from_id=self.id, language=self.language)

    def _answered(self, query_id):
        answer = self.api.wait_for(
            lambda: [
                each.params
                for each in self.api.requests
                if each.params.get("callback_query_id") == query_id and each.ended
            ],
            30,
        )
        return answer[0].get("text", "")

    @property
    def _who(self):
        return {"from_id": self.id, "chat_id": int(self.chat), "language": self.language}

    def _after(self, act):
        """What the bot says next, once it says no more of how far it is."""
        known = len(self.heard)
        act()
        self.api.wait_for(
            lambda: [each for each in self.heard[known:] if not each.text.startswith(PROGRESS)], 30
        )
        answer = self.heard[-1]
        _balanced(answer.text)
        self.note("bot", _markdown(answer.text) + _rows(answer))
        return answer

    def note(self, who, what):
        """Take it down."""
        self.pages.append(f"**{WORDS[self.language][who]}**\n\n{what}\n")


def _fenced(text):
    return f"```text\n{text.strip()}\n```"


def _quoted(text):
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _rows(message):
    rows = json.loads(message.params.get("reply_markup") or "{}").get("inline_keyboard", [])
    return "".join("\n>\n> " + " ".join(f"`{each['text']}`" for each in row) for row in rows)


def _markdown(html):
    marks = {"b": "**", "i": "_", "code": "`"}
    html = re.sub(r"<(?:code|pre)>(.*?)</(?:code|pre)>", lambda found: f"`{unescape(found[1])}`", html)
    html = re.sub(r"</?(\w+)>", lambda found: marks.get(found[1], found[0]), html)
    return "\n".join(f"> {line}  ".rstrip() + ("  " if line else "") for line in html.split("\n"))


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.opened = []

    def handle_starttag(self, tag, _attrs):
        self.opened.append(tag)

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag


def _balanced(html):
    """Telegram refuses a message whose tags do not match."""
    parser = _Tags()
    parser.feed(html)
    assert parser.opened == [], html
    assert len(html) <= 4096


def _message(message_id, author, chat, **content):
    return {
        "message_id": message_id,
        "date": 1,
        "chat": {"id": chat, "type": "supergroup", "title": "g"},
        "from": {"id": author, "is_bot": False, "first_name": "A"},
        **content,
    }


def _smooth(text):
    text = text.replace(LIVE, "123456789:AAD…").replace(PASSWORD, "…")
    text = re.sub(r"\b\d+ s\b", "5 s", text)
    text = re.sub(r"\b\d+ с\b", "5 с", text)
    text = re.sub(r"(🔕 (?:until|до)) \d\d:\d\d UTC", r"\1 14:00 UTC", text)
    text = re.sub(r"until \d{4}-\d\d-\d\d \d\d:\d\d UTC", "until 2026-11-22 20:00 UTC", text)
    text = re.sub(r"since \d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC", "since 2026-11-22 12:00 UTC", text)
    text = re.sub(r"до \d{4}-\d\d-\d\d \d\d:\d\d UTC", "до 2026-11-22 20:00 UTC", text)
    text = re.sub(r"(Put your number, |BOT_ADMINS ваш номер: )\d+", r"\g<1>1001", text)
    return re.sub(r"(Version|Версия): [^,]+,", r"\1: 1.0,", text)


def test_conversation(bot, api):
    """A whole session in each language: whatever one can ask is answered as the documentation shows."""
    written = {lang: _smooth(_session(api, lang)) for lang in CONVERSATIONS}

    for lang, path in CONVERSATIONS.items():
        if os.environ.get("WRITE_CONVERSATION"):
            path.write_text(written[lang], "utf-8")
        assert path.read_text("utf-8") == written[lang]


def _on_call(api, oda, lang):
    """What an operator does; the first of them gets the alerts."""
    if OPERATORS[lang] == OPERATORS["en"]:
        api.wait_for(lambda: oda.heard, 30)
        alert = oda.heard[0]
        oda.note("alert", _markdown(alert.text) + _rows(alert))
        assert texts.HOW_TO_CHECK(lang) in oda.press("Explain", alert).text
        assert oda.alerted("Silence for 2 h", alert).startswith("🔕 DB_AUTH_FAILED")
        ends = api.wait_for(lambda: [label for label in oda.heard[-1].buttons if "🔕" in label], 30)
        assert oda.heard[-1].message_id == alert.message_id
        assert oda.alerted(ends[0]) == texts.WAKES_AGAIN(lang, code="DB_AUTH_FAILED")
        api.wait_for(lambda: "Silence for 2 h" in oda.heard[-1].buttons, 30)
    status = oda.say("/status").text
    assert {texts.PHASES["polling"](lang) in status, "instance-1" in status} == {True}
    assert "DB_AUTH_FAILED" in oda.say("/incidents").text
    assert texts.WHAT_TO_DO(lang) in oda.press(texts.EXPLAIN(lang, number=1)).text
    oda.press(texts.MORE(lang))
    oda.press(texts.BACK(lang))
    oda.press(texts.SILENCE(lang, number=1))
    assert oda.press(texts.HOURS(lang, hours=8)).text.startswith("🔕")
    assert texts.SILENCED_MARK in oda.press(texts.BACK(lang)).text
    oda.press(texts.SILENCE(lang, number=1))
    assert oda.press(texts.END_SILENCE(lang)).text == texts.WAKES_AGAIN(lang, code="DB_AUTH_FAILED")


def _session(api, lang):
    """The transcript of one."""
    words = WORDS[lang]

    def say(text, *args, **fields):
        return text(lang, *args, **fields)

    titles, scenes = iter(SCENES[lang]), []

    def person(**who):
        somebody = Person(api, lang, **who)
        scenes.append((next(titles), somebody.pages))
        return somebody

    ann = person()
    ann.say("/start")
    assert "CONFLICT_409" in ann.say(LOG).text
    assert say(texts.HOW_TO_CHECK) in ann.press(say(texts.MORE)).text
    assert ann.press(say(texts.NEXT, code="DB_UNREACHABLE")).text.startswith("❌ <b>DB_UNREACHABLE</b>")
    assert texts.WHAT_TO_DO(texts.other(lang)) in ann.press(say(texts.OTHER_LANGUAGE)).text
    ben = person()
    warned = ben.say(f"BOT_TOKEN={LIVE}\nDATABASE_URL=postgres://bot:{PASSWORD}@db/bot\n{CONFLICT}")
    assert warned.text.startswith("🔐")
    assert LIVE not in warned.text + str(warned.params)
    assert ben.alerted(say(texts.DELETE), warned) == say(texts.DELETED)
    assert "CONFLICT_409" in person().send("bot.log.gz", gzip.compress(LOG.encode())).text
    dan = person(chat=GROUP)
    dan.note("somebody", _fenced(TRACEBACK))
    asked = _message(1, 77, GROUP, text=TRACEBACK)
    assert "CONFLICT_409" in dan.say("/why", more={"reply_to_message": asked}).text
    fay = person()
    assert say(texts.DID_YOU_MEAN) in fay.say("/explain 409").text
    assert say(texts.WHAT_TO_DO) in fay.press("❌ CONFLICT_409").text
    assert fay.say(words["ask"]).text == say(texts.NO_ERROR_BUT)
    assert fay.types("409")[0]["id"] == "CONFLICT_409"
    ida = person()
    assert (
        say(texts.ONLY_GOOD)
        in ida.say("2026-11-22 12:00:01 INFO bot: PostgreSQL advisory lock acquired").text
    )
    assert ida.say(words["hello"]).text == say(texts.NOTHING_FOUND)
    assert ida.say("/privacy").text == say(texts.PRIVACY)
    _on_call(api, person(who=OPERATORS[lang]), lang)
    stranger = person()
    assert stranger.say("/status").text == say(texts.NOT_OPERATOR, number=stranger.id)
    assert next(titles, None) is None
    return "\n".join([words["head"], *("\n".join([f"## {title}\n", *pages]) for title, pages in scenes)])


def test_what_is_no_log(bot, api):
    """Files that are no logs, pictures, old buttons, hostile texts: each gets a kind, exact word."""
    joe = Person(api)
    refused = {why: text("en") for why, text in texts.REFUSED.items()}

    assert joe.send("large.log", b"a" * (files.LARGEST + 1)).text.startswith("This file has 20.0 MB")
    assert joe.send("bomb.gz", gzip.compress(b"a\n" * 5_000_000)).text == refused["bomb"]
    assert joe.send("bot.exe", bytes(range(256)) * 9).text == refused["binary"]
    assert joe.send("empty.log", b"").text == refused["empty"]
    half = joe.send("logs.zip", _zip({"inner.gz": gzip.compress(LOG.encode()), "logs/a.log": LOG}))
    assert "CONFLICT_409" in half.text
    assert texts.SKIPPED("en", 1) in half.text
    assert joe.say("/app/bot.py: started\n" + CONFLICT).text.startswith("❌ <b>CONFLICT_409</b>")
    assert joe.say("/nonsense").text == texts.UNKNOWN_COMMAND.en
    assert joe.say("what a <b>lovely</b> day & night").text == texts.NOTHING_FOUND.en
    event = {"code": "TOKEN_INVALID", "v": 1, "fatal": True, "message": "lovely", "level": "critical"}
    assert "TOKEN_INVALID" in joe.say(json.dumps({**event, "reason": "<lovely>"})).text
    assert joe.say("❌ Error reacquiring lock: boom").text
    assert "3 times" in joe.say("\n".join([CONFLICT] * 3)).text

    for caption in ({}, {"caption": "what a lovely day"}):
        photo = {"photo": [{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}], **caption}
        known = len(joe.heard)
        api.push({"message": {**_message(99, joe.id, 1), "chat": {"id": joe.id, "type": "private"}, **photo}})
        api.wait_for(lambda known=known: len(joe.heard) > known, 30)
        assert joe.heard[-1].text == texts.NO_TEXT.en
    api.push({"callback_query": {**_press(joe), "data": "e:CONFLICT_409:s:ru"}})  # of a message that is gone
    api.wait_for(lambda: "Что делать" in joe.heard[-1].text, 30)
    kim = Person(api)
    private = {"chat": {"id": kim.id, "type": "private"}}
    for key, text in (("message", f"token={LIVE}"), ("edited_message", CONFLICT)):
        before = len(kim.heard)
        api.push({key: {**_message(500, kim.id, 1), **private, "edit_date": 2, "text": text}})
        api.wait_for(lambda before=before: len(kim.heard) > before, 30)
    assert kim.heard[-2].text.startswith("🔐")
    assert kim.heard[-1].text.startswith("❌ <b>CONFLICT_409</b>")
    assert kim.heard[-1].message_id == kim.heard[-2].message_id
    for forged in ("a:x:d:en", "q:0:999", "i:-1:e", "e:../x:s:en", "?"):
        notices = len(_asked(api, "answerCallbackQuery"))
        api.push({"callback_query": {**_press(kim), "data": forged}})
        api.wait_for(lambda known=notices: len(_asked(api, "answerCallbackQuery")) > known, 30)
        assert _notice(api) == texts.TOO_OLD.en
    old = half._replace(message_id=half.message_id + 500)
    assert joe.alerted("Details", old) == texts.TOO_OLD.en
    thrice = next(each for each in joe.heard if "3 times" in each.text)
    assert [joe.alerted("Details", thrice), joe.alerted("Details", thrice)] == ["", ""]  # an edit to the same


def _press(person):
    """A button of a message that Telegram does not show any more."""
    message = {
        "message_id": person.heard[-1].message_id,
        "date": 0,
        "chat": {"id": person.id, "type": "private"},
    }
    sender = {"id": person.id, "is_bot": False, "first_name": "A"}
    return {"id": "0", "from": sender, "chat_instance": "0", "message": message}


def _zip(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def _tar(members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


OLD = 'OperationalError: ВАЖНО:  пользователь "bot" не прошёл проверку подлинности (по паролю)\n'


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (gzip.compress(LOG.encode()), 2),
        (bz2.compress(LOG.encode()), 2),
        (lzma.compress(LOG.encode()), 2),
        (zstandard.compress(LOG.encode()), 2),
        (_tar({"a.log": LOG.encode(), "core": bytes(range(256)) * 9, "b/c.log": LOG.encode()}), 4),
        (_zip({"a.log": LOG, "b.log": LOG}), 4),
        (gzip.compress(LOG.encode() * 500)[:-20], 200),
        (bytes(8000) + LOG.encode(), 2),
        (LOG.encode("utf-16"), 2),
        (LOG.encode("utf-16-le"), 2),
        *((OLD.encode(page), 1) for page in RUSSIAN),
    ],
    ids=["gz", "bz2", "xz", "zst", "tar.gz", "zip", "cut", "rotated", "utf-16", "no mark", *RUSSIAN],
)
def test_every_form_of_a_log_is_read(data, found):
    """Packed, in a folder, cut short, begun with NULs, in UTF-16 or an old Russian code page: all is read."""
    reading = read_file(data)

    assert reading.findings[0].code in {"CONFLICT_409", "DB_AUTH_FAILED"}
    assert reading.findings[0].times >= found
    assert reading.broken is (found == 200)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (gzip.compress(b""), "empty"),
        (_zip({}), "empty"),
        (_zip({"a.log": ""}), "empty"),
        (bytes(9000), "binary"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(99), "format"),
        (gzip.compress(gzip.compress(LOG.encode())), "nested"),
        (_zip({"a.tar.gz": _tar({"a.log": LOG.encode()})}), "nested"),
        (_zip({f"{number}.log": LOG for number in range(MEMBERS + 1)}), "crowd"),
        (_tar({f"{number}.log": LOG.encode() for number in range(MEMBERS + 1)}), "crowd"),
        (_zip({"a.log": LOG})[:-30], "broken"),
        (_tar({"a": bytes(9_000_000), "b.log": LOG.encode()}), "bomb"),
    ],
    ids=range(12),  # no name of its bytes, which hold the time
)
def test_what_is_not_read_is_refused_by_its_reason(data, why):
    """Empty, binary, nested, crowded, damaged, or far larger than it looks: each is told apart."""
    with pytest.raises(RefusedError) as refused:
        read_file(data)
    assert refused.value.why == why


def test_what_takes_too_long_is_cut_short(monkeypatch):
    """When its time is up, what has been read is answered, and said to be the beginning only."""
    monkeypatch.setattr("bot.reading.SECONDS", 0.0)
    reading = read_file(LOG.encode() + b"nothing\n" * 50_000)

    assert reading.cut_short > 0
    assert texts.CUT_SHORT("en", size=1) in answers.log(reading, "en").html


FILLER = "2026-11-22 12:00:00,000 INFO bot: nothing to see here, all is well\n"


@pytest.mark.parametrize("size", [150, 1000, 20_000])
def test_a_text_says_the_same_in_parts(size, monkeypatch):
    """Cut at any size, between records or where there is no head: findings, counts, lines of the whole."""
    loose = "\n".join(["a line without a head"] * 9 + [TRACEBACK, "  indented", ""])
    text = (LOG + FILLER + "\n" + f"{LOG.splitlines()[3]}\n{TRACEBACK}\n" + loose * 3 + FILLER * 5) * 7
    text = text.replace("\n", "\r\n", 40) + loose + f"token={LIVE}"
    whole = read_text(text)
    monkeypatch.setattr("bot.crew.FIRST", size // 2)
    monkeypatch.setattr("bot.crew.PART", size)
    monkeypatch.setattr("bot.crew._LOOK", size // 3)

    assert len(list(parts([text.encode()]))) > len(text) // (3 * size)
    assert read_text(text) == whole
    assert read_file(text.encode()) == whole
    assert whole.leaks == ("token",)


def test_what_repeats_itself_is_read_once(monkeypatch):
    """A storm in any order, with tracebacks, with a platform's stamp before each line: as if all was read."""
    dice = random.Random(7)

    def stamp():
        second, part = divmod(dice.randrange(86_400_000), 1000)
        return f"2026-11-22 {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02},{part:03}"

    said = [
        f"ERROR bot: {words}" for words in (TRACEBACK, CONFLICT, f"a {OLD}", f"token={LIVE}", "all is well")
    ]
    said += ["INFO bot: user wrote this", *CONFLICT.split(": ")]
    plain = "".join(f"{stamp()} {dice.choice(said)}\n" for _ in range(1500))
    prefixed = "".join(f"{stamp().replace(' ', 'T')}Z {line}\n" for line in plain.splitlines())
    each = [f"ERROR bot: {line}" for line in TRACEBACK.splitlines()]
    headed = "".join(f"{stamp()} {line}\n" for _ in range(400) for line in (*each, dice.choice(said)))
    for text in (plain, prefixed, headed, plain[1:], plain.replace("\n", "\r\n"), plain[:-1] + prefixed):
        data = text.encode()
        monkeypatch.setattr("bot.folding.LEAST", len(data) + 1)
        whole = read_file(data)
        monkeypatch.setattr("bot.folding.LEAST", 0)
        assert read_file(data) == whole
        assert whole.findings[0].times > 100
    fold = folding.folded(plain.encode(), 1)
    assert fold is not None
    assert len(fold.data) < len(plain) / 20
    assert folding.folded(LOG.encode(), 1) is not None
    varied = "".join(f"{stamp()} INFO bot: user {number}\n" for number in range(300))
    assert folding.folded(varied.encode(), 1) is None


def test_a_large_file_is_read_by_all_processors():
    """With the same result; what is found is told while the rest is read, the first of it at once."""
    data = (LOG + FILLER * 12_000 + f"ERROR: {OLD}" + LOG + FILLER * 12_000 + LOG).encode()
    told = []

    async def fetched():
        return bytearray(data)

    reading = asyncio.run(files.read(fetched, len(data), lambda share, found: told.append((share, found))))

    assert reading == read_file(data)
    share, first = told[0]
    assert share < 0.5
    assert first.is_trouble
    assert first.findings[0].times == 2
    head = texts.FOUND_SO_FAR("en", size="1.6", percent=8)
    page = answers.so_far(first, "en", head).html
    assert page.startswith(f"{head}\n\n❌ <b>CONFLICT_409</b> · 2 times\n<i>")
    message = Message(1, datetime.now(UTC), Chat(1, Chat.PRIVATE))
    watch = Watch(message, "en", 5_000_000, None)
    assert watch.cut_off() is None
    watch.tell(0.4, first)  # and then its process is killed
    assert watch.cut_off() == first._replace(cut_short=2_000_000)
    good = Finding("LOCK_ACQUIRED", None, 1, False, None, None, 1, 1)
    assert answers.so_far(Reading((good,)), "en", head).html == head


def test_what_telegram_does_not_take(bot, api):
    """What the bot may not delete is said; an answer is tried once more; who has blocked it is no error.

    In a group a message is deleted for its author or an administrator.
    """
    ada, author = Person(api, chat=GROUP), Person(api, chat=GROUP)
    asked = _message(1, author.id, GROUP, text=f"token={LIVE}")
    warned = ada.say("/why", more={"reply_to_message": asked})

    assert ada.alerted("Delete the message", warned) == texts.NOT_YOURS.en
    for fault in ({"retry_after": 1}, {"status": 502}):
        api.fail_next("sendMessage", **fault)
        assert ada.say("/codes").text.startswith("<b>The codes I know")
    refusals = (
        (403, "Forbidden: bot was blocked by the user"),
        (400, "Bad Request: not enough rights to send"),
    )
    for status, why in refusals:
        api.fail_next("sendMessage", status, why)
        tried = len(_asked(api, "sendMessage"))
        api.send_text("/codes", from_id=ada.id, chat_id=GROUP)  # no error in the log: see `bot`
        api.wait_for(lambda tried=tried: len(_asked(api, "sendMessage")) > tried, 30)
    api.fail_next("editMessageText", retry_after=1)
    assert ada.press("Details", ada.say(f"/why {CONFLICT}")).text.count("<b>") > 2
    moved = {"ok": False, "error_code": 400, "description": "Bad Request: group chat was upgraded"}
    moved["parameters"] = {"migrate_to_chat_id": GROUP - 1}
    api.fail_next("sendMessage", 400, raw=json.dumps(moved).encode())
    api.send_text("/privacy", from_id=ada.id, chat_id=GROUP)
    api.wait_for(lambda: Person(api, chat=GROUP - 1).heard, 30)
    assert ada.say("/privacy").text == texts.PRIVACY.en
    api.fail_next("deleteMessage", 400, "Bad Request: message can't be deleted")
    assert author.alerted("Delete the message", warned) == texts.NOT_DELETED.en
    assert author.alerted("Delete the message", warned) == texts.DELETED.en


def _asked(api, method):
    return [each for each in api.requests if each.method == method]


def test_in_groups_and_topics(bot, api):
    """Answers stay in the topic; a file with /why below it is read; who asks of a picture hears why not.

    In private an album of pictures is answered once, and none of them, nor a film, is downloaded.
    """
    gil, forum = Person(api, chat=GROUP - 7), Person(api, chat=GROUP - 8)
    topic = {"message_thread_id": 5, "is_topic_message": True}
    picture = {"photo": [{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}]}

    assert gil.say("/start").text.startswith("Hello! When a bot's traceback")
    assert gil.say("/start CONFLICT_409").text.startswith("❌ <b>CONFLICT_409</b>")
    begun = _message(5, 77, GROUP - 8, forum_topic_created={"name": "bots", "icon_color": 1}, **topic)
    asked = forum.say("/why", more={"reply_to_message": begun, **topic})
    assert (asked.text, asked.params["message_thread_id"]) == (texts.WHY_USAGE.en, "5")
    asked = _message(6, 77, GROUP - 8, **picture, **topic)
    assert forum.say("/why", more={"reply_to_message": asked, **topic}).text == texts.NO_TEXT.en
    assert "CONFLICT_409" in gil.send("bot.log", LOG.encode(), caption="/why").text

    fetched = len(_asked(api, "getFile"))
    ivy = Person(api)
    film = {"document": {"file_id": "f", "file_unique_id": "u", "file_size": 9, "mime_type": "video/mp4"}}
    sent = [_message(number, ivy.id, ivy.id, media_group_id="7", **picture) for number in range(3)]
    for message in (*sent, _message(3, ivy.id, ivy.id, **film)):
        api.push({"message": {**message, "chat": {"id": ivy.id, "type": "private"}}})
    api.wait_for(lambda: len(ivy.heard) == 2, 30)
    assert ivy.say("/privacy").text == texts.PRIVACY.en
    assert [each.text for each in ivy.heard].count(texts.NO_TEXT.en) == 2
    assert len(_asked(api, "getFile")) == fetched


def test_nobody_waits_for_others(bot, api):
    """While a large file is read others are answered; a paste in parts is one log; a flood is heard once."""
    large, quick, long, flood = (Person(api) for _ in range(4))
    api.send_document("big.log", (LOG + FILLER * 60_000 + LOG).encode(), from_id=large.id)
    api.wait_for(lambda: large.heard, 30)
    assert "CONFLICT_409" in quick.say(CONFLICT).text
    api.wait_for(lambda: "CONFLICT_409" in large.heard[-1].text, 30)
    assert quick.heard[-1].when < large.heard[-1].when
    assert {each.message_id for each in large.heard} == {large.heard[0].message_id}

    pasted = LOG + FILLER * 110 + LOG
    for at in range(0, len(pasted), 4096):
        api.send_text(pasted[at : at + 4096], from_id=long.id)
    api.wait_for(lambda: long.heard and "4 times" in long.heard[-1].text, 30)

    for _ in range(40):
        api.send_text("hello", from_id=flood.id)
    quick.say(CONFLICT)
    api.wait_for(lambda: not api.pending, 30)
    said = [each.text for each in flood.heard]
    assert said.count(texts.SLOW_DOWN.en) == 1
    assert len(said) < 30
    assert len({each.message_id for each in long.heard}) == 1


def _texts(value):
    """The texts in a value of the module."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, texts.Counted):
        return [texts.Text(one, two) for one in value.en for two in value.ru]
    return [value] if isinstance(value, texts.Text) else []


def test_texts_are_complete():
    """Both languages have the same places to fill and tags that match; every phase has a name."""

    def shape(text):
        return sorted(name for _, name, _, _ in Formatter().parse(text) if name)

    found = [text for value in vars(texts).values() for text in _texts(value)]
    assert len(found) > 80
    for text in found:
        assert text.en.strip()
        assert text.ru.strip()
        assert text in (*_texts(texts.SKIPPED), *_texts(texts.TIMES)) or shape(text.en) == shape(text.ru), (
            text
        )
        _balanced(text.en)
        _balanced(text.ru)
    assert {phase.value for phase in Phase} == texts.PHASES.keys()
    said = [texts.TIMES("ru", count) for count in (2, 5, 11, 14, 21, 22, 112)]
    assert said == ["2 раза", "5 раз", "11 раз", "14 раз", "21 раз", "22 раза", "112 раз"]


def test_words_lead_to_codes():
    """What people type where a code is asked for is understood, in either language; a log's words, too."""
    for lang, query, code in (
        ("en", "409", "CONFLICT_409"),
        ("en", "Unauthorized", "TOKEN_INVALID"),
        ("en", "no module named", "MODULE_MISSING"),
        ("ru", "пароль", "DB_AUTH_FAILED"),
        ("en", "пароль", "DB_AUTH_FAILED"),
    ):
        assert answers.suggestions(query, lang)[0].code == code
    assert answers.suggestions("foobarqux", "en") == []
    assert answers.suggestions(" ", "kk")[0].description == rules.speak("ru")["CONFLICT_409"].headline
    for said, meant in (
        ("409", "CONFLICT_409"),
        ("how do I fix that 409?", "CONFLICT_409"),
        ("что значит token_invalid?", "TOKEN_INVALID"),
        ("no module named telegram", "MODULE_MISSING"),
        ("бот не отвечает", "HANDLERS_STUCK"),
    ):
        assert meant in f"{answers.asked(said, 'en')}"
    assert [answers.asked(said, "en") for said in ("hello", "bot")] == [None, None]
    assert answers.explain("<b>", "en").rows == ()
    assert LIVE.partition(":")[2][:9] not in answers.explain(LIVE, "en").html
    page = answers.explain("CONFLICT_409", "ru", reason="webhook_active", back=True)
    turned = answers.explained(page.rows[0][0].data)
    assert turned is not None
    assert turned.rows[1] == page.rows[1]
    assert rules.speak("ru")["CONFLICT_409"].why("webhook_active").summary in turned.html


def test_every_page_can_be_sent():
    """Whatever is asked: tags match, the text fits into a message and a button's data into 64 bytes."""
    for lang in ("en", "ru"):
        pages = [answers.codes(lang)]
        pages += [answers.explain(code, lang, detailed=deep) for code in rules for deep in (False, True)]
        found = [Finding(code, None, 2, True, 1.0, 2.0, 1, 2) for code in rules]
        reading = Reading(tuple(found), ("token", "url", "other"), 5_000_000, broken=True, skipped=3)
        pages += [
            answers.log(reading, lang, at, detailed=deep, deletable=True)
            for at in range(len(found))
            for deep in (False, True)
        ]
        for page in pages:
            _balanced(page.html)
            assert all(len(button.data.encode()) <= 64 for row in page.rows for button in row)


def test_secrets_that_look_alive():
    """A kind is told for what looks alive; what was masked, or is nobody's, alarms nobody."""

    def kinds(text):
        return read_text(text).leaks

    assert kinds(f"https://api.telegram.org/bot{LIVE}/getMe") == ("token",)
    assert kinds(f"postgres://bot:{PASSWORD}@db/bot\nBOT_TOKEN={LIVE}") == ("token", "url")
    assert kinds(f"DB_PASSWORD='{PASSWORD}'") == ("other",)
    assert kinds("-----BEGIN PRIVATE KEY-----\nDummyDummyDummyDummyDummy\n-----END PRIVATE KEY-----") == (
        "other",
    )
    assert read_file(f"a\ntoken={LIVE}".encode("utf-16")).leaks == ("token",)
    for harmless in (
        "postgres://bot:***@db/bot",
        "123456:" + "A" * 35,
        "password: changeme",
        "BOT_TOKEN=<your token here>",
        "POST https://api.telegram.org/bot123456:***/getMe",
        "api_key=${API_KEY_OF_MINE}",
    ):
        assert kinds(harmless) == (), harmless


@pytest.mark.parametrize(("quota", "least"), [("50000 100000", 1), ("150000 100000", 1), ("max 100000", 0)])
def test_processes_are_no_more_than_processors(quota, least, tmp_path, monkeypatch):
    """A container's share of them counts; without one, those that we may use."""
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    monkeypatch.setattr("bot.crew._QUOTA", file)
    assert crew.processors() == (least or min(crew.MOST, len(os.sched_getaffinity(0))))


def test_memory_is_bounded():
    """What is remembered is the latest, for a while; who is too fast is told once, and heard again."""
    now = [0.0]
    recent: Recent[int] = Recent(3, 10.0, clock=lambda: now[0])
    for key in range(5):
        recent.keep(key, key)
    assert [recent.get(key) for key in range(5)] == [None, None, 2, 3, 4]
    now[0] = 11.0
    assert recent.get(4) is None
    recent.keep(5, 5)
    assert len(recent) == 1

    pace = Pace(burst=2, rate=1.0, clock=lambda: now[0])
    assert [pace.admits(1) for _ in range(3)] == [True, True, False]
    assert [pace.tells(1), pace.tells(1), pace.admits(2)] == [True, False, True]
    now[0] += 1
    assert pace.admits(1)


def test_queue_is_bounded():
    """So many files wait, of one person and of all; a small one waits for no large one, nobody for albums."""

    async def crowd():
        queue, passed, third = files.Queue(), [], asyncio.Event()

        async def wait(who, size):
            async with queue.turn(who, size):
                passed.append(who)
                if len(passed) == 3:
                    third.set()
                if size > files.SMALL:
                    await asyncio.Event().wait()

        album = [asyncio.create_task(wait(1, files.LARGEST)) for _ in range(files.OF_ONE)]
        await asyncio.create_task(wait(2, 1))
        with pytest.raises(files.BusyError):
            await wait(1, 1)
        others = range(3, 3 + files.WAITING - files.OF_ONE)
        waiting = [asyncio.create_task(wait(who, files.LARGEST)) for who in others]
        await asyncio.sleep(0)
        with pytest.raises(files.BusyError):
            await wait(2, 1)
        album[0].cancel()
        await asyncio.wait([album[0]])
        await asyncio.wait_for(third.wait(), 30)
        for task in (*album, *waiting):
            task.cancel()
        await asyncio.gather(*album, *waiting, return_exceptions=True)
        async with queue.turn(1, files.LARGEST):
            return sorted(passed)

    assert asyncio.run(crowd()) == [1, 2, 3]


def test_what_a_kill_interrupts_is_a_tap_away(environ, bot_api):
    """SIGKILL while a large file is read: its note stays, and its button has the next process read the file.

    A pasted text without its answer comes again. SIGTERM meanwhile: the file is answered, then the end is 0.
    """
    eve = Person(bot_api)
    command = [sys.executable, "-m", "bot"]
    data = LOG.encode() + b"\n" * 2_000_000

    def asked(method):
        return [each for each in bot_api.requests if each.method == method]

    bot_api.fail_next("getFile", hang=True)
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as killed:
        bot_api.send_document("bot.log", data, from_id=eve.id)
        (update,) = bot_api.pending
        bot_api.wait_for(lambda: eve.heard and update["update_id"] in bot_api.acknowledged, 30)
        bot_api.fail_next("sendMessage", hang=True)
        polls = len(asked("getUpdates"))
        bot_api.send_text(LOG + FILLER * 50, from_id=eve.id + 1)  # long enough to be one part of more
        bot_api.wait_for(lambda: len(asked("sendMessage")) > 1 and len(asked("getUpdates")) > polls + 1, 30)
        killed.kill()
    note = eve.heard[0]
    assert json.loads(note.params["reply_parameters"])["message_id"] == update["message"]["message_id"]
    (data_of_button,) = note.buttons.values()
    pressed = {**_press(eve), "data": data_of_button}
    pressed["message"] |= {"date": 1, "text": note.text, "reply_to_message": update["message"]}
    held = []
    answer = bot_api.methods["getFile"]

    def hold(call):
        held.append(call)
        return LATER

    bot_api.methods["getFile"] = hold
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as following:
        bot_api.push({"callback_query": pressed})
        bot_api.wait_for(lambda: held and Person(bot_api, who=eve.id + 1).heard, 60)
        bot_api.push({"callback_query": pressed})  # once more, out of impatience
        bot_api.wait_for(lambda: _notice(bot_api) == texts.STILL_READING.en, 30)
        following.terminate()
        bot_api._do(lambda: held[0].reply.ok(answer(held[0])))
        assert following.wait(60) == 0

    assert "2 times" in eve.heard[-1].text
    assert {each.message_id for each in eve.heard} == {note.message_id}


def _notice(api):
    """The latest word above the chat."""
    return [each.params.get("text") for each in api.requests if each.method == "answerCallbackQuery"][-1]


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
