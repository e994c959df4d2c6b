"""Silence: what people say, what other systems log, what texts and source code quote: nothing comes of it."""

from __future__ import annotations

import json
import random
import re

import pytest

from logrules.core.engine import Engine, Policy, classify
from logrules.core.model import Annotate, Chunk, Origin, Send, Stop
from logrules.rules import rulebook

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
LINES = [pytest.param(line, id=f"{kind}: {line[:40]}") for kind, lines in OTHERS.items() for line in lines]

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
    "Markdown's quotation": "> {}",
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


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
@pytest.mark.parametrize("line", LINES)
def test_other_peoples_words_behind_every_head(line: str, head: str) -> None:
    """Whoever logs them, and however loud, they are no business of a bot's."""
    assert codes(head.format(line)) == []


@pytest.mark.parametrize("quote", QUOTES.values(), ids=QUOTES.keys())
def test_a_quoted_sample_says_nothing(quote: str) -> None:
    """What a program prints is silent in code, texts, chats and JSON of somebody else's."""
    loud = [(line, codes(line)) for sample in SAMPLES if codes(line := quote.format(sample))]

    assert loud == []


def test_a_phrase_in_backticks_says_nothing() -> None:
    """Whatever it says, it is a mention; only what begins as no person speaks is a record that was pasted."""
    said = [sample for sample in SAMPLES if not REPORT.match(sample)]
    loud = [(line, codes(line)) for sample in said if codes(line := f"`{sample}`")]

    assert len(said) > len(SAMPLES) / 2
    assert loud == []


@pytest.mark.parametrize("said", SAID)
def test_what_users_say_is_logged_in_peace(said: str) -> None:
    """A handler that logs each message alarms nobody, whatever the message."""
    loud = [(line, codes(line)) for sample in SAMPLES if codes(line := CHAT.format(said.format(sample)))]

    assert loud == []


def test_our_own_texts_are_silent(request: pytest.FixtureRequest) -> None:
    """Documents that explain every code, and source code that holds every word, are no log."""
    root = request.config.rootpath
    texts = [*root.glob("docs/*.md"), root / "CHANGELOG.md", *root.glob("logrules/core/*.py")]

    assert [path.name for path in texts if codes(path.read_text("utf-8"))] == []


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
