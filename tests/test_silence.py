"""Silence: what people say, what other systems log, what texts and source code quote: nothing comes of it.

What a user can write, a bot prints somehow. Two promises hold whatever he writes:

- `scan` is silent where it shows that somebody is quoted: his name and a colon or a bracket before the
  words, quotation marks, a field of a dump, other words around them (TOLD and QUOTES).
- `run` without `--stop-on` never stops the child for it, reports nothing of it as fatal and takes nothing
  of it as proved, whatever comes: bare lines, forged heads and tracebacks, events like our own (FORGED).

What no reader of text can promise: `print(message.text)` of an exact line of a library *is* that line. So
is a later line of a message of several lines, what follows a carriage return, what stands behind a head
that the user forges as well (`ERROR - …` behind Go's `2026/01/15 08:29:41 [alice] `), and what stands where
bots print why they failed (`Failed to process message: …`). Of these `scan` gives the code with its own
`fatal`, and `run` a warning that is not fatal; a conflict in a logger's form that is repeated for half a
minute is told as an error, still not fatal. A bare `Unauthorized` makes `run` ask the Bot API, once a
minute at most, whose 401 alone ends the bot. A forged good sign can close an open incident. And a child
that ends by itself, with a status other than 0 and within 5 s of a forged line, has that line reported as
its fatal cause.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import zlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from logrules.core.effects import Annotate, Probe, Send, Stop
from logrules.core.engine import Engine, Policy, classify
from logrules.core.model import Chunk, Origin
from logrules.rules import rulebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from logrules.core.effects import Effect
    from logrules.testing import BotApiServer

HEADS = {
    "nothing": "{}",
    "a stamp": "2026/01/15 08:29:41 {}",
    "logging": "2026-01-15 08:29:41,511 - bot.handlers - ERROR - {}",
    "logging's default": "ERROR:root:{}",
    "loguru": "2026-01-15 08:29:41.511 | WARNING  | bot:main:7 - {}",
    "a level": "error: {}",
    "compose": "bot-1  | {}",
    "Heroku": "2026-01-15T08:29:41.511636+00:00 app[worker.1]: {}",
    "journald": "Jan 15 08:29:41 host bot[12]: {}",
    "zap": "2026-01-15T08:29:41.593Z\terror\tbot/main.go:12\t{}",
}

OTHERS = {
    "numbers": [
        "order 1409 paid",
        "409 users online, 3 locks, 17 conflicts resolved",
        "Processed 409 updates in 3.2 s",
        "HTTP/1.1 409 Conflict",
        '127.0.0.1 - - [15/Jan/2026:08:29:41 +0000] "POST /orders HTTP/1.1" 409 37 "-" "curl/8.5"',
        '10.0.0.7 - "GET /bot/started HTTP/1.1" 401 12',
        "GET /webhook/deleted 200 12ms",
        "Balance: -409.00 USD, limit 429, code 502",
        "Exit 42 to Conflict Avenue, 500 m",
    ],
    "git": [
        "CONFLICT (content): Merge conflict in bot.py",
        "Automatic merge failed; fix conflicts and then commit the result.",
        "fatal: Unable to create '/srv/bot/.git/index.lock': File exists.",
        "Another git process seems to be running in this repository, e.g.",
        "4f2a1c9 Fix: advisory lock lost after reconnect",
        "    Bot stopped when the lock was acquired twice",
        "+        logger.error('409 CONFLICT DETECTED')",
        '-    print("Bot started")',
    ],
    "packages": [
        "npm WARN conflict A git conflict was detected in package-lock.json.",
        "Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend.",
        "Blocking waiting for file lock on package cache",
        "Waiting for another flutter command to release the startup lock...",
        "success Saved lockfile.",
        "Setting up keepalived (1:2.2.8-1) ...",
        "pip's dependency resolver: bot 2.0 has a conflict with aiohttp 3.9",
        "Collecting telegram-bot-token-checker==1.0",
    ],
    "docker and Terraform": [
        'Conflict. The container name "/bot" is already in use by container "4f2a".',
        "409 Client Error: Conflict for url: http+docker://localhost/v1.41/containers/create",
        "Error acquiring the state lock",
        "Acquiring state lock. This may take a few moments...",
        "Another instance of Certbot is already running.",
    ],
    "databases": [
        "SELECT pg_advisory_lock(123);",
        "deadlock detected",
        "process 991 still waiting for ShareLock on transaction 77 after 1000.1 ms",
        "duplicate key value violates unique constraint, conflict on (user_id)",
        "INSERT INTO chats VALUES (1) ON CONFLICT (id) DO NOTHING;",
        "Lock owner: None; I am pg0",
        "raft: 4ed8a71b21f7187a became leader at term 7",
    ],
    "the same words in another sense": [
        "Robot stopped! Please move the arm to match the robot.",
        "The bot stopped responding to user 42 since the quota ended",
        "Bot started by user 42",
        "Bot stopped by user 42 in chat 7",
        "Trading bot stopped for pair BTC/USDT",
        "Lock acquired, sending email",
        "Lost lock screen picture of user 42",
        "no conflicts detected, ready for polling",
        "locks: 3, polling: yes, conflicts: 0",
        "The polling station has started counting",
        "token count: 409 of 4096",
        "Invalid token: expired at 12:00",
        "Бот запущен пользователем 42",
        "Конфликтов нет, блокировок нет",
        "Неверный токен",
        "Another user has the record open: conflict",
        "Two users are editing the same page",
        "Lock for user 42 acquired",
        "Job lock already held, skipping run",
        "Import already running, exiting",
        "Bot player exited the room",
        "Minecraft server crashed",
        "Can't find domain expert",
        "Cannot import contacts",
        "Module 3 of 12 not found",
        "Missing columns: price, qty",
        "Failed to get prices: 404",
        "Session expired for user 7",
        "Chat closed by user",
        "Модуль «Погода» не найден в меню",
        "Выбран лидер команды",
        "Аренда квартиры истекла",
        "Бот упал в рейтинге",
        "Память телефона заполнена",
        "Сообщение слишком длинное, сокращаю",
    ],
    "instructions": [
        "Set BOT_TOKEN in .env, then run `python bot.py`.",
        "If you see `409 CONFLICT DETECTED`, stop the other instance.",
        "Note that only one bot instance may be running: otherwise Telegram says Conflict.",
        "See also: terminated by other getUpdates request",
        "How do I fix telegram.error.Conflict?",
        'Why does my bot say "Unauthorized"?',
        "Your log says: Conflict: terminated by other getUpdates request. Stop the other copy.",
        "Ответ: ошибка 409 значит, что запущен другой экземпляр.",
    ],
}  # fmt: skip

QUOTES = {
    "a listing": '    logger.error("{}")',
    "a call": 'logger.info("{}")',
    "a literal in a list": '"{}",',
    "a literal in a list, single quotes": "'{}',",
    "an assertion": 'assert "{}" in caplog.text',
    "a comment": "# {}",
    "a comment in C": "// {}",
    "an HTML comment": "<!-- {} -->",
    "HTML": "<p>{}</p>",
    "a list": "- {}",
    "a numbered list": "3. {}",
    "a heading": "### {}",
    "a table": "| 7 | {} | fatal |",
    "SQL": "INSERT INTO log (line) VALUES ('{}');",
    "a search": 'grep -rn "{}" .',
    "an assignment": "PATTERN={}",
    "YAML": "  pattern: {}",
    "TOML": "match = ['{}']",
    "a diff": "+{}",
    "a removed line": "-    {}",
    "a translation": 'msgid "{}"',
    "a test's name": "tests/test_bot.py::test_says[{}] PASSED",
    "a hash and a subject": "4f2a1c9 {}",
    "a chat with nicknames": "[12:03] <alice> {}",
    "a chat with names": "alice: {}",
    "a name alone": "<alice> {}",
    "an account": '42 wrote: "{}"',
    "a sentence in quotation marks": '"{}"',
    "a messenger's export": "Alice, [15.01.2026 8:29]: {}",
    "an answer": "bot > 42: {}",
    "speech": "She said: {}",
    "a question": "What does {} mean?",
    "guillemets": "«{}»",
    "curly quotes": "“{}”",
    "an update": '{{"update_id": 7, "message": {{"message_id": 1, "text": "{}"}}}}',
    "a request": '{{"chat_id": 42, "text": "{}"}}',
    "a user": '{{"user_id": 42, "message": "{}"}}',
}
REPORT = re.compile(
    r"\[?\d{4}-\d\d-\d\d[T ]\d\d|Traceback |(?:[a-z_]\w*\.)+[A-Z]\w*: |[A-Z]\w*(?:Error|Exception): "
)
"""How a line begins that only a program writes: people paste it into Markdown, and it stays what it is."""
LOGGED = re.compile(
    rf"{REPORT.pattern}|\[?\d{{2,4}}[-/.]\d\d[-/.]\d\d,?[T ]\d\d|\d\d/\d\d/\d{{4}},? \d\d:\d\d:|\(node:\d"
    r"|\[?\d\d:\d\d:\d\d(?:[.,]\d{1,6})?[\] ]|[DIWEF]\d{4} \d\d:\d\d:|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:"
    r"|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} |[\w.]+ - [A-Z]+ - |level=|time=|[a-z][\w.-]+[\d ] *\| |\d+\|"
    r"|\[?(?:DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR?)?|CRITICAL|FATAL)(?:\] |:[\w.-]+:| - )"
    r'|\{"(?:level|time|ok|ts|msg|message|severity)":'
)
"""…and of a log, which they also quote."""
SAMPLES = [
    sample
    for pattern in rulebook().patterns
    for sample in pattern.match
    if "\n" not in sample and '"' not in sample and "'" not in sample and "\\" not in sample
]

CHAT = "2026-01-15 08:29:41,511 - handlers - INFO - {}"
SAID = [
    "42: {}",
    "text from 42: {}",
    "message='{}'",
    "User 42 (@alice) sent {}",
    "Update(text={})",
    "received: {}",
]


def codes(text: str) -> list[str]:
    return [match.code for match in classify(rulebook(), text)]


def logged(lines: Iterable[str]) -> list[tuple[str, str]]:
    """What is loud in lines that each begin with a head, hence are records of their own, read as one log."""
    return [(match.code, match.evidence) for match in classify(rulebook(), "\n".join(lines))]


def test_other_peoples_words_behind_every_head() -> None:
    """Whoever logs them, and however loud, they are no business of a bot's."""
    loud = [
        (head, kind, line)
        for head, form in HEADS.items()
        for kind, lines in OTHERS.items()
        for line in lines
        if codes(form.format(line))
    ]

    assert loud == []


@pytest.mark.parametrize("quote", QUOTES.values(), ids=QUOTES.keys())
def test_a_quoted_sample_says_nothing(quote: str) -> None:
    """What a program prints is silent in code, texts, chats and JSON of somebody else's."""
    told = _share(SAMPLES, quote, 3)
    loud = [(line, codes(line)) for sample in told if codes(line := quote.format(sample))]

    assert loud == []


@pytest.mark.parametrize(("quote", "report"), [("`{}`", REPORT), ("> {}", LOGGED)])
def test_a_phrase_that_markdown_quotes_says_nothing(quote: str, report: re.Pattern[str]) -> None:
    """Whatever it says, it is a mention; only what begins as no person speaks is a record that was pasted."""
    said = [sample for sample in SAMPLES if not report.match(sample)]
    loud = [(line, codes(line)) for sample in said if codes(line := quote.format(sample))]

    assert len(said) > len(SAMPLES) / 3
    assert loud == []


@pytest.mark.parametrize("said", SAID)
def test_what_users_say_is_logged_in_peace(said: str) -> None:
    """A handler that logs each message alarms nobody, whatever the message."""
    assert logged(CHAT.format(said).format(sample) for sample in SAMPLES) == []


def test_our_own_texts_are_silent(request: pytest.FixtureRequest) -> None:
    """Documents that explain every code, and source code that holds every word, are no log."""
    root = request.config.rootpath
    texts = [*root.glob("docs/*.md"), root / "CHANGELOG.md", *root.glob("logrules/core/**/*.py")]
    texts = [path for path in texts if not path.name.startswith("conversation.")]  # it is full of logs
    told = {path: path.read_text("utf-8") for path in texts}
    shown = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
    told |= {path: shown.sub("", text) for path, text in told.items() if path.name.startswith("tutorial.")}

    assert [path.name for path, text in told.items() if codes(text)] == []


def test_nothing_that_users_write_is_fatal_over_minutes() -> None:
    """A bot prints raw what it is sent for half an hour: no stop, nothing fatal, nothing proved."""
    dice = random.Random(7)
    samples = [sample for pattern in rulebook().patterns for sample in pattern.match]
    engine = Engine(rulebook(), Policy(acts=True))
    origin = Origin("bot", "1", "stdout")
    effects = []
    for now in range(0, 1800, 3):
        said = dice.choice(["{}", CHAT, "hello\n{}", f"{CHAT.format('hello')}\n{{}}"]).format(
            dice.choice(samples)
        )
        effects += engine.feed(Chunk(origin, f"{said}\n".encode(), float(now))) + engine.tick(now + 1.0)

    told = [effect.match for effect in effects if isinstance(effect, Annotate | Send)]
    assert len(told) > 100
    assert not [match for match in told if match.fatal or match.proved]
    assert not [effect for effect in effects if isinstance(effect, Stop)]


def test_a_dump_of_messages_is_silent() -> None:
    """Messages as JSON, one a line, in the forms of the Bot API and of chat exports."""
    dump = [
        json.dumps(form)
        for sample in SAMPLES[::7]
        for form in (
            {"id": 1, "from": "Alice", "from_id": "user42", "text": sample},
            {"message_id": 1, "chat": {"id": 42}, "text": sample},
            {"author": {"id": 42}, "channel_id": 7, "content": sample},
        )
    ]

    assert codes("\n".join(dump)) == []


def _dumped(quote: str) -> Callable[[str], str]:
    """`text` as a string literal of Python's or JavaScript's, inside a line of a dump."""
    return lambda text: quote.replace("<>", "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'")


def _json(shape: dict[str, Any], key: str = "text", indent: int | None = None) -> Callable[[str], str]:
    return lambda text: json.dumps({**shape, key: text}, ensure_ascii=False, indent=indent)


def _after(prefix: str) -> Callable[[str], str]:
    return lambda text: prefix + text


TOLD: dict[str, Callable[[str], str]] = {
    "discord.py's first example": _after("Message from alice#1234: "),
    "a channel and a name": _after("[general] alice: "),
    "columns": _after("#general | alice: "),
    "logging, info": _after("2026-01-15 08:29:41,511 - handlers - INFO - user 42 said: "),
    "logging, error": _after("2026-01-15 08:29:41,511 - handlers - ERROR - user 42 said: "),
    "basicConfig": _after("WARNING:bot:Unknown command from 42: "),
    "loguru": _after("2026-01-15 08:29:41.511 | WARNING  | bot:main:7 - Unknown command: "),
    "loguru, error": _after("2026-01-15 08:29:41.511 | ERROR    | bot:main:7 - Unexpected message text: "),
    "no input": _after("ERROR - Invalid input: "),
    "not understood": _after("ERROR:bot:Could not understand: "),
    "not parsed": _after("ERROR - Failed to parse message: "),
    "not handled": lambda text: f'ERROR:bot:Could not handle message "{text}"',
    "a word and a colon": _after("message: "),
    "a word with a capital": _after("New message: "),
    "a query": _after("INFO - inline query: "),
    "a prompt": _after("INFO - prompt: "),
    "Russian": _after("INFO - Сообщение от 42: "),
    "Russian, without a head": _after("Пользователь 42 написал: "),
    "Russian, error": _after("ERROR - Неизвестная команда: "),
    "Chinese": _after("ERROR - 收到消息: "),
    "Chinese, its own colon": _after("用户 42 说："),
    "Spanish": _after("Mensaje de 42: "),
    "repr": repr,
    "a tuple": lambda text: repr((42, text)),
    "a dict": lambda text: str({"update_id": 1, "message": {"from": {"id": 42}, "text": text}}),
    "a dict behind a head": lambda text: f"2026-01-15 08:29:41,511 - bot - ERROR - { {'text': text} }",
    "telegram.Bot's updates": _dumped(
        "2026-01-15 08:29:41,511 - telegram.Bot - DEBUG - [{'update_id': 1, 'message': {'text': <>}}]"
    ),
    "PTB's Update": _dumped(
        "Update(message=Message(chat=Chat(id=42, type=<ChatType.PRIVATE>), text=<>), update_id=1)"
    ),
    "PTB's debug": _dumped("DEBUG:telegram.ext:Processing Update(message=Message(text=<>), update_id=1)"),
    "aiogram's Message": _dumped("message_id=1 date=datetime.datetime(2026, 1, 15) text=<> entities=None"),
    "Telethon's stringify": _dumped(
        "NewMessage.Event(\n\toriginal_update=UpdateNewMessage(\n\t\tmessage=Message(\n\t\t\tid=7,\n"
        "\t\t\tmessage=<>,\n\t\t\tout=False\n\t\t)\n\t)\n)"
    ),
    "Pyrogram's str": _json({"_": "Message", "message_id": 1}, indent=4),
    "pprint": _dumped("{'message': {'message_id': 1,\n             'text': <>},\n 'update_id': 1}"),
    "console.log": _dumped("{\n  message_id: 1,\n  from: { id: 42, is_bot: false },\n  text: <>\n}"),
    "console.log, several lines": _dumped("{\n  message_id: 1,\n  text: 'hello\\n' +\n    <>\n}"),
    "Java's toString": lambda text: (
        f"Update(updateId=1, message=Message(messageId=1, text={text}, entities=null))"
    ),
    "Spring": lambda text: (
        f"2026-01-15T08:29:41.511Z ERROR 1 --- [pool-1] bot.Handler : Update(message=Message(text={text}))"
    ),
    "Go's struct": lambda text: f"2026/01/15 08:29:41 &{{UpdateID:1 Message:0xc000 Text:{text} Entities:[]}}",
    "print_r": lambda text: (
        f"Array\n(\n    [message] => Array\n        (\n            [text] => {text}\n        )\n)"
    ),
    "var_dump": lambda text: f'string(42) "{text}"',
    "an update, indented": lambda text: json.dumps({"message": {"message_id": 1, "text": text}}, indent=2),
    "JSON with a user": _json({"user": "alice"}),
    "JSON with a user's name": _json({"username": "alice"}, "message"),
    "JSON with a sender": _json({"sender": 42}, "body"),
    "JSON for a language model": _json({"role": "user"}, "content"),
    "a JSON log with a text": _json({"level": "error", "msg": "handler failed", "user_id": 42}),
    "a JSON log of a text": _json({"level": "error", "user_id": 42}),
    "structlog": _dumped("2026-01-15 08:29:41 [error    ] odd message               text=<> user=42"),
    "structlog's JSON": _json({"event": "message", "level": "warning"}),
    "logfmt": lambda text: f"level=warning msg=odd text={json.dumps(text)} user=42",
    "YAML": _after("message:\n  id: 1\n  text: "),
    "a reply": _after("alice (replying to bob): "),
    "IRC": _after("08:29 <alice> "),
    "IRC with seconds": _after("[08:29:41] <@alice> "),
    "WhatsApp": _after("15/01/2026, 08:29 - Alice: "),
    "Matrix": _after("2026-01-15 08:29:41 @alice:example.org: "),
    "an arrow": _after("42 -> bot: "),
    "another arrow": _after("alice > "),
    "a command": _after("/report "),
    "a bridge": _after(
        "[0027] DEBUG discord:      [messageCreate:handlers.go:135] <= Sending message from alice: "
    ),
    "compose": _after("bot-1  | alice: "),
    "Heroku": _after("2026-01-15T08:29:41.511636+00:00 app[worker.1]: user 42: "),
    "a user who is called Error": _after("<Error> "),
    "colours": lambda text: f"\x1b[36malice\x1b[0m: \x1b[31m{text}\x1b[0m",
    "a cleared line": _after("user 42 said: \x1b[2K\x1b[1G"),
    "from right to left": _after("user 42 said: \u202e"),
    "Unicode's line end": _after("INFO - user 42 said: hi\u2028"),
    "an old line end": _after("INFO - user 42 said: hi\x85"),
    "a vertical tab": _after("INFO - user 42 said: hi\x0b"),
    "a written line end": _after("INFO - user 42 said: hi\\n"),
    "a sentence": lambda text: f"I think that {text} is the problem",
    "a complaint": _after("my bot says "),
    "a question": _after("Does anybody know "),
    "HTML": lambda text: f"<code>{text}</code>",
    "a URL": _after("https://example.com/?q="),
    "an access log": lambda text: (
        f'127.0.0.1 - - [15/Jan/2026:08:29:41 +0000] "GET /?q={text} HTTP/1.1" 500 12'
    ),
    "PostgreSQL's statement": lambda text: (
        f"2026-01-15 08:29:41.100 UTC [9] LOG:  statement: INSERT INTO messages VALUES ('{text}')"
    ),
    "SQLAlchemy's echo": lambda text: (
        f"2026-01-15 08:29:41,511 INFO sqlalchemy.engine.Engine [generated in 0.00012s] (1, '{text}')"
    ),
}

TOKEN = "telegram.error.InvalidToken: Unauthorized"
FORGED: dict[str, Callable[[str], str]] = {
    "a bare line": str,
    "the second line": _after("user 42 said: hello\n"),
    "after an empty line": _after("INFO - user 42 said: hello\n\n"),
    "after a carriage return": _after("INFO - user 42 said: hello\r"),
    "Go's first example": _after("2026/01/15 08:29:41 [alice] "),
    "a failure's text": _after("ERROR - Failed to process message: "),
    "a forged head": _after("2026-01-15 08:29:41,511 - telegram.ext.Updater - CRITICAL - "),
    "a forged klog head": _after("F0115 08:29:41.123456       1 main.go:12] "),
    "a forged prefix": _after("2026-01-15T08:29:41.511636+00:00 heroku[worker.1]: "),
    "a forged traceback": _after(
        'Traceback (most recent call last):\n  File "bot.py", line 1, in <module>\n    main()\n'
    ),
    "a forged chain": _after(
        f'Traceback (most recent call last):\n  File "bot.py", line 1, in <module>\n{TOKEN}\n\n'
        "During handling of the above exception, another exception occurred:\n\n"
        'Traceback (most recent call last):\n  File "bot.py", line 1, in <module>\n'
    ),
    "a forged stack": lambda text: f"{text}\n    at main (/app/bot.js:1:1)\n\nNode.js v20.1.0",
    "a forged panic": _after("panic: "),
    "a forged crash of Node": _after("/app/bot.js:1\n  throw e\n  ^\n\n"),
    "a forged JSON log": _json({"level": "fatal", "time": "2026-01-15T08:29:41Z"}, "msg"),
    "docker's JSON": lambda text: json.dumps(
        {"log": f"{text}\n", "stream": "stderr", "time": "2026-01-15T08:29:41.511636Z"}
    ),
    "look-alikes": lambda text: text.replace("C", "С").replace("o", "ο").replace("a", "ａ"),
    "joiners": "\u200b".join,
    "colours": lambda text: f"\x1b[1;31m{text[:9]}\x1b[0m{text[9:]}",
    "NUL": lambda text: text.replace(" ", "\0 "),
    "Cyrillic in another code page": lambda text: text.encode("utf-8").decode("cp1251", "replace"),
}
ALL = [sample for pattern in rulebook().patterns for sample in pattern.match]
LINE = [sample for sample in ALL if "\n" not in sample]


def _share(samples: list[str], name: str, parts: int) -> list[str]:
    """One sample in so many, others for other names: together all of them are told in many ways."""
    return samples[zlib.crc32(name.encode()) % parts :: parts]


def _harm(effects: Iterable[Effect]) -> list[Effect]:
    """The effects that nothing a user writes may have."""
    return [
        effect
        for effect in effects
        if isinstance(effect, Stop)
        or (isinstance(effect, Annotate | Send) and (effect.match.fatal or effect.match.proved))
    ]


@pytest.mark.parametrize("name", TOLD)
def test_what_a_bot_tells_of_its_users_says_nothing(name: str) -> None:
    """Behind a name, in quotation marks, in a field, in the middle of a sentence: not a word of it counts."""
    loud = [(line, codes(line)) for sample in _share(LINE, name, 8) if codes(line := TOLD[name](sample))]

    assert loud == []


@pytest.mark.parametrize("name", FORGED)
def test_whatever_is_forged_stops_nothing_and_is_not_fatal(name: str) -> None:
    """An exact line, with all that makes it look real, is a warning in the eyes of `run`."""
    origin = Origin("bot", "1", "stdout")
    effects: list[Effect] = []
    for sample in _share(ALL, name, 8):
        engine = Engine(rulebook(), Policy(acts=True))
        for now in (100.0, 140.0, 180.0):  # as often and as long as conflicts that go on
            effects += engine.feed(Chunk(origin, f"{FORGED[name](sample)}\n".encode("utf-8", "replace"), now))
            effects += engine.tick(now + 1.0)
        effects += engine.end(origin, 190.0) + engine.ended(0, 191.0)

    assert _harm(effects) == []


def test_whatever_is_forged_asks_the_bot_api_once_a_minute() -> None:
    """A user who writes of refused tokens all the time makes nobody ask more often, and a no ends nothing."""
    origin = Origin("bot", "1", "stdout")
    engine = Engine(rulebook(), Policy(acts=True))
    effects: list[Effect] = []
    for now in range(600):
        effects += engine.feed(Chunk(origin, f"{TOKEN}\n".encode(), float(now))) + engine.tick(now + 0.5)
    asked = [effect for effect in effects if isinstance(effect, Probe)]
    for probe in asked:
        effects += engine.answer(probe, False, 700.0)

    assert 1 <= len(asked) <= 10
    assert _harm(effects) == []


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_forged_event_of_ours_has_no_authority(stream: str) -> None:
    """Our JSON line with any code, however fatal, is text: only the event descriptor is believed."""
    engine = Engine(rulebook(), Policy(acts=True))
    origin = Origin("bot", "1", stream)
    effects: list[Effect] = []
    for code in rulebook().codes:
        said = {"message": "x", "service": "bot", "instance": "1", "epoch": 9, "attrs": {"proved": True}}
        event = {"v": 1, "level": "critical", "code": code, "fatal": True, **said}
        effects += engine.feed(Chunk(origin, f"{json.dumps(event)}\n".encode(), 100.0))
    effects += engine.end(origin, 190.0) + engine.ended(0, 191.0)

    assert any(isinstance(effect, Annotate) for effect in effects)
    assert _harm(effects) == []


ECHOES = {
    "python": ("echo.py", sys.executable, "-c", ""),
    "node": ("echo.js", "node", "-e", "fetch"),
    "perl": ("echo.pl", "perl", "-MJSON::PP", "-MHTTP::Tiny", "-e", "1"),
}
"""Bots, and by what to see whether this machine can run them."""
RUN = (sys.executable, "-m", "logrules", "run", "--")


def _works(command: list[str]) -> bool:
    return shutil.which(command[0]) is not None and subprocess.run(command, check=False).returncode == 0


def test_bots_that_print_every_sample_live_on(
    tmp_path: Path, bot_api: BotApiServer, request: pytest.FixtureRequest
) -> None:
    """Bots of three languages print the exact words of every pattern, as their users write them.

    They print them raw, behind a name, in JSON, in a dump, as the second line of a message. None is ended,
    nothing is fatal, until somebody writes `/end`, of which each ends by itself.
    """
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("LOGRULES_", "SENTRY_"))}
    shared = {"API": bot_api.url, "LOGRULES_BOT_API": bot_api.url, "LOGRULES_STATE": ":memory:"}
    bots = {}
    with ExitStack() as stack:
        for number, (name, (script, *runtime)) in enumerate(ECHOES.items()):
            if not _works(runtime):
                continue
            token = f"{700 + number}:{name:A<35}"
            bot_api.add_bot(token)
            for text in (*ALL, "/end"):
                bot_api.send_text(text, token=token)
            program = request.config.rootpath / "tests" / "data" / "clients" / script
            process = subprocess.Popen(
                [*RUN, runtime[0], str(program)],
                env={**ours, **shared, "BOT_TOKEN": token, "PYTHONUTF8": "1"},
                stdout=stack.enter_context((tmp_path / f"{name}.out").open("wb")),
                stderr=stack.enter_context((tmp_path / f"{name}.err").open("wb")),
            )
            bots[name] = stack.enter_context(process)
        assert {name: bot.wait(120) for name, bot in bots.items()} == dict.fromkeys(bots, 0)

    for name in bots:
        told = (tmp_path / f"{name}.err").read_text("utf-8").splitlines()
        events = [json.loads(line) for line in told if line.startswith('{"timestamp"')]

        assert (tmp_path / f"{name}.out").read_bytes().endswith(b"END\n")
        assert len(events) > 20
        assert [event for event in events if event.get("fatal")] == [], name
